"""The connect scan and the survey around it: what is open, closed, silent; limits; what is left when it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest
from tests.agent.intake.net_servers import Page, raw, site

from aimscope_agent.intake.netscan import PER_HOST, Limits, Pace, Sweep, fitted
from aimscope_agent.intake.netsurvey import Survey, survey
from aimscope_agent.recognise import Recogniser
from aimscope_agent.servers.targets import Targets, permitted, read
from aimscope_signatures.catalogue import load
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Status


def targets(*words: str) -> Targets:
    return permitted(read(words).spans)


@contextlib.contextmanager
def filtered() -> Iterator[int]:
    """A port of loopback that answers nothing: its queue of connections is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = []
        for _ in range(16):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
            waiting.append(connection)
        try:
            yield port
        finally:
            for connection in waiting:
                connection.close()


@contextlib.contextmanager
def closed() -> Iterator[int]:
    """A port nobody listens on, and nobody else may take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def swept(
    to: Targets, ports: Sequence[int], limits: Limits, *, seed: int = 0
) -> tuple[Counter[str], list[tuple[str, int]]]:
    opened: list[tuple[str, int]] = []

    async def main() -> Counter[str]:
        pace = Pace(limits.per_second)
        sweep = Sweep(to, ports, limits, pace, seed=seed, opened=lambda *each: opened.append(each), full=lambda: False)
        await sweep.run()
        assert sweep.tried == sweep.total
        return sweep.counts

    return asyncio.run(main()), opened


class TestSweep:
    def test_open_closed_and_filtered_are_told_apart(self) -> None:
        with site({}) as running, closed() as nobody, filtered() as silent:
            counts, opened = swept(targets("127.0.0.1"), [running.port, nobody, silent], Limits(timeout=0.3))
        assert counts == {"open": 1, "closed": 1, "filtered": 1}
        assert opened == [("127.0.0.1", running.port)]

    def test_ipv6(self) -> None:
        with socket.socket(socket.AF_INET6) as listening:
            try:
                listening.bind(("::1", 0))
            except OSError:
                pytest.skip("no IPv6 here")
            listening.listen()
            counts, opened = swept(targets("::1"), [listening.getsockname()[1]], Limits())
        assert counts == {"open": 1}
        assert opened[0][0] == "::1"

    def test_a_network_of_closed_ports(self) -> None:
        with closed() as nobody:
            counts, _ = swept(targets("127.0.0.0/22"), [nobody], Limits(per_second=20_000))
        assert counts == {"closed": 1_022}

    def test_one_host_has_a_bounded_number_of_connections_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        most = 0
        started = Sweep._start

        def watched(self: Sweep, *args: object) -> bool:
            nonlocal most
            result = started(self, *args)  # type: ignore[arg-type]
            most = max(most, *self._of_host.values(), 0)
            return result

        monkeypatch.setattr(Sweep, "_start", watched)
        with contextlib.ExitStack() as stack:
            ports = [stack.enter_context(filtered()) for _ in range(3 * PER_HOST)]
            counts, _ = swept(targets("127.0.0.1"), ports, Limits(timeout=0.1))
        assert counts == {"filtered": 3 * PER_HOST}
        assert 0 < most <= PER_HOST

    def test_as_many_at_once_as_allowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        most = 0
        started = Sweep._start

        def watched(self: Sweep, *args: object) -> bool:
            nonlocal most
            result = started(self, *args)  # type: ignore[arg-type]
            most = max(most, self._open_now)
            return result

        monkeypatch.setattr(Sweep, "_start", watched)
        with contextlib.ExitStack() as stack:
            ports = [stack.enter_context(filtered()) for _ in range(8)]
            counts, _ = swept(targets("127.0.0.1"), ports, Limits(timeout=0.05, at_once=3))
        assert counts == {"filtered": 8}
        assert most == 3

    def test_a_machine_out_of_sockets_goes_on_with_fewer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = socket.socket
        left = iter([True, True, False, True, False] + [True] * 100)

        def scarce(*args: int) -> socket.socket:
            if not next(left):
                raise OSError(24, "Too many open files")
            return real(*args)

        with contextlib.ExitStack() as stack:
            ports = [stack.enter_context(filtered()) for _ in range(6)]
            monkeypatch.setattr(socket, "socket", scarce)
            counts, _ = swept(targets("127.0.0.1"), ports, Limits(timeout=0.05))
        assert counts == {"filtered": 6}


def test_the_pace_is_kept() -> None:
    pace = Pace(100)
    taken = [pace.take(tick / 1_000) for tick in range(1_000)]
    assert 95 <= sum(taken) <= 105


class TestLimits:
    def test_files_are_asked_for_and_fewer_are_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        set_to: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1_024))
        monkeypatch.setattr(resource, "setrlimit", lambda _, both: set_to.append(both))
        limits, said = fitted(Limits(at_once=2_000))
        assert set_to == [(1_024, 1_024)]
        assert limits.at_once < 1_024
        assert "ulimit -n" in said
        assert fitted(Limits(at_once=100)) == (Limits(at_once=100), "")

    def test_hardly_any_file_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
        with pytest.raises(OSError, match="ulimit -n"):
            fitted(Limits())


# the survey


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(load())


def surveyed(
    matcher: Matcher,
    to: Targets,
    ports: Sequence[int],
    *,
    named: Callable[[str], Awaitable[str]] | None = None,
    stop_when: Callable[[], bool] | None = None,
    limits: Limits | None = None,
) -> tuple[Survey, Recogniser]:
    recogniser = Recogniser(matcher)

    async def main() -> Survey:
        task = asyncio.ensure_future(
            survey(
                to,
                ports,
                limits or Limits(timeout=0.2),
                recogniser,
                now=1_790_000_000,
                seed=0,
                tell=lambda *_: None,
                named=named,
            )
        )
        while stop_when is not None and not task.done():
            await asyncio.sleep(0.01)
            if stop_when():
                task.cancel()
        return await task

    return asyncio.run(main()), recogniser


OLLAMA = {"/": Page(200, "Ollama is running", {"Content-Type": "text/plain"})}


class TestSurvey:
    def test_coverage_says_what_was_asked_and_what_came_of_it(self, matcher: Matcher) -> None:
        with (
            site(OLLAMA) as ollama,
            site({"/": Page(200, "<title>Intranet</title>")}) as page,
            site(lambda _: Page(401, "no", {"WWW-Authenticate": "Basic"})) as locked,
            raw(lambda connection: connection.sendall(b"220 mail ESMTP\r\n")) as mail,
            closed() as nobody,
        ):
            ports = [ollama.port, page.port, locked.port, mail.port, nobody]
            result, recogniser = surveyed(matcher, targets("127.0.0.1"), ports)
        counts = result.coverage.counts
        assert counts["addresses"] == 1
        assert counts["ports tried"] == 5
        assert (counts["open"], counts["closed"]) == (4, 1)
        assert (counts["asked"], counts["answered"], counts["recognised"]) == (4, 3, 1)
        assert (counts["other protocols"], counts["want credentials"]) == (1, 1)
        (gap,) = result.coverage.gaps
        assert gap.source == f"127.0.0.1:{locked.port}"
        assert gap.status is Status.DENIED
        assert "credentials" in gap.reason
        assert result.coverage.status is Status.DENIED
        assert [sighting.service for sighting in recogniser.sightings()] == ["ollama"]

    def test_a_device_is_called_by_its_reverse_name_where_that_is_wanted(self, matcher: Matcher) -> None:
        async def named(address: str) -> str:
            return {"127.0.0.1": "gpu-01.corp.example"}[address]

        with site(OLLAMA) as ollama:
            _, recogniser = surveyed(matcher, targets("127.0.0.1"), [ollama.port], named=named)
        assert [sighting.asset for sighting in recogniser.sightings()] == ["gpu-01.corp.example"]

    def test_one_that_has_no_name_keeps_its_address(self, matcher: Matcher) -> None:
        async def named(_: str) -> str:
            return ""

        with site(OLLAMA) as ollama:
            _, recogniser = surveyed(matcher, targets("127.0.0.1"), [ollama.port], named=named)
        assert [sighting.asset for sighting in recogniser.sightings()] == ["127.0.0.1"]

    def test_where_no_way_leads_is_a_gap(self, matcher: Matcher) -> None:
        result, _ = surveyed(matcher, permitted(read(["fe80::1-fe80::3"]).spans), [8000])
        assert result.coverage.counts["ports tried"] == 3
        assert result.coverage.counts["closed"] == 0
        assert result.coverage.gaps

    def test_stopped_it_says_what_is_missing_and_keeps_what_it_has(self, matcher: Matcher) -> None:
        with site(OLLAMA) as ollama, filtered() as silent:
            result, _ = surveyed(
                matcher,
                targets("127.0.0.1-20"),
                [ollama.port, silent, 9],
                limits=Limits(per_second=40, timeout=5),
                stop_when=lambda: len(ollama.asked) >= 1,
            )
        assert result.stopped
        assert result.coverage.status is Status.PARTIAL
        left = 60 - result.coverage.counts["ports tried"]
        assert any(f"{left:,} of 60 ports not tried" in gap.reason for gap in result.coverage.gaps)

    def test_a_stopped_probe_is_said(self, matcher: Matcher) -> None:
        heard: list[bytes] = []

        def keep_waiting(connection: socket.socket) -> None:
            heard.append(connection.recv(65_536))
            connection.recv(1)

        with raw(keep_waiting) as running:
            result, _ = surveyed(matcher, targets("127.0.0.1"), [running.port], stop_when=lambda: any(map(len, heard)))
        assert result.stopped
        assert any("1 open ports not asked" in gap.reason for gap in result.coverage.gaps)
