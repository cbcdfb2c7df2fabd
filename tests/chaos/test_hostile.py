"""RELIABILITY 7, 8: bombs, deep nesting, lies about length and slow sockets are refused, and others are served."""

from __future__ import annotations

import contextlib
import gzip
import resource
import socket
import time
import zlib
from collections.abc import Iterator

import httpx
import pytest

from tests.chaos.collector import Place, Running, running
from tests.chaos.crowd import Crowd, say

_SLOW = 3_000
_FLAT = 40.0
"""MB by which memory may grow while somebody is hostile: its bodies are read 64 at a time, 4 MiB each at most."""
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Crowd]]:
    """A collector that knows two agents."""
    folder = tmp_path_factory.mktemp("hostile")
    place = Place(str(folder / "collector.db"), folder / "place")
    agents = Crowd(place.where, place.keys, 2, 7)
    with running(place) as collector:
        yield collector, agents


def _headers(crowd: Crowd, **more: str) -> dict[str, str]:
    agent = crowd.agents[0]
    return {"authorization": f"Bearer {agent.uid}.{agent.secret}", **more}


def _bomb() -> bytes:
    """1 GiB of spaces as a gzip member of a megabyte."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(squeeze.compress(b" " * (1 << 20)) for _ in range(1 << 10)) + squeeze.flush()


_BODIES = {
    "plain and too large": (b" " * (6 << 20), "", {413}),
    "200,000 deep": (b"[" * 200_000, "", {400}),
    "200,000 deep inside": (b'{"schema":1,"epoch":"e","sequence":1,"sent":1,"cells":' + b"[" * 200_000, "", {400}),
    "a number of 100,000 digits": (b'{"schema":1,"epoch":"e","sequence":' + b"9" * 100_000 + b"}", "", {400}),
    "a million tiny values": (b'{"schema":1,"x":[' + b"1," * 500_000 + b"1]}", "", {400, 413}),
    "half a surrogate": (b'{"schema":1,"epoch":"\\ud800","sequence":1,"sent":1}', "", {400}),
    "not UTF-8": (b'{"schema":1,"epoch":"\xff","sequence":1,"sent":1}', "", {400}),
    "nothing": (b"", "", {400}),
    "two gzip members": (gzip.compress(b"{}") * 2, "gzip", {400}),
    "half a gzip member": (gzip.compress(b"{}" * 1_000)[:-9], "gzip", {400}),
    "no gzip": (b"{}", "gzip", {400}),
    "another compression": (b"{}", "zstd", {400, 415}),
}


@pytest.mark.parametrize("name", _BODIES)
def test_what_is_no_report_is_refused(crowd: tuple[Running, Crowd], name: str) -> None:
    collector, agents = crowd
    body, encoding, statuses = _BODIES[name]
    headers = _headers(agents, **({"content-encoding": encoding} if encoding else {}))
    before = collector.memory()
    answer = httpx.post(f"{collector.url}/v1/ingest", content=body, headers=headers, timeout=30, trust_env=False)
    assert answer.status_code in statuses
    assert answer.headers["content-type"] == "application/problem+json"
    assert collector.memory() < before + _FLAT
    assert agents.check_in(collector.url, 1) == 200


def test_a_bomb_does_not_go_off(crowd: tuple[Running, Crowd]) -> None:
    collector, agents = crowd
    bomb, before = _bomb(), collector.memory()
    assert len(bomb) < 2 << 20
    for body in (bomb[: 1 << 20], bomb):
        headers = _headers(agents, **{"content-encoding": "gzip"})
        answer = httpx.post(f"{collector.url}/v1/ingest", content=body, headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 413
    say(f"1 GiB in {len(bomb):,} bytes: 413, {before:.0f} → {collector.memory():.0f} MB")
    assert collector.memory() < before + _FLAT
    assert agents.check_in(collector.url, 1) == 200


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999", "0x10", "5, 6"])
def test_a_length_that_is_none_is_refused(crowd: tuple[Running, Crowd], length: str) -> None:
    collector, agents = crowd
    with socket.create_connection(("127.0.0.1", collector.port), 10) as line:
        line.sendall(_request(agents, f"content-length: {length}") + b"{}")
        line.shutdown(socket.SHUT_WR)
        told = line.recv(1_000)
    assert not told.startswith(b"HTTP/1.1 2")
    assert agents.check_in(collector.url, 1) == 200


def test_a_body_that_never_ends_is_cut_off(crowd: tuple[Running, Crowd]) -> None:
    collector, agents = crowd
    before = collector.memory()
    told = b""
    with socket.create_connection(("127.0.0.1", collector.port), 30) as line:
        line.sendall(_request(agents, "transfer-encoding: chunked"))
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(2_000):  # 125 MiB
                line.sendall(piece)
        with contextlib.suppress(OSError):
            told = line.recv(1_000)
    assert not told or told.startswith(b"HTTP/1.1 413")
    assert collector.memory() < before + _FLAT
    assert agents.check_in(collector.url, 1) == 200


def test_slow_sockets_keep_nobody_out(crowd: tuple[Running, Crowd]) -> None:
    collector, agents = crowd
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _SLOW + 500:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _SLOW + 500), hard))
    before = collector.memory()
    lines: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for _ in range(_SLOW):
            line = stack.enter_context(socket.socket())
            line.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                line.connect(("127.0.0.1", collector.port))
            lines.append(line)
        time.sleep(0.5)
        for line in lines:
            with contextlib.suppress(OSError):
                line.send(b"POST /v1/check-in HTTP/1.1\r\nhost: x\r\n")
        waits = []
        for _ in range(100):
            began = time.perf_counter()
            assert agents.check_in(collector.url, 1) == 200
            waits.append(time.perf_counter() - began)
        grown = collector.memory() - before
        until = time.monotonic() + 30
        while not all(_closed(line) for line in lines) and time.monotonic() < until:
            time.sleep(0.2)
        left = sum(not _closed(line) for line in lines)
    say(f"{_SLOW} slow sockets: 100 of 100 answered, p99 {sorted(waits)[98] * 1e3:.0f} ms, {grown:+.0f} MB")
    assert left == 0, f"{left} are held still"
    assert grown < 2 * _FLAT


def _closed(line: socket.socket) -> bool:
    try:
        return not line.recv(1_000) or _closed(line)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _request(crowd: Crowd, *headers: str) -> bytes:
    agent = crowd.agents[0]
    lines = ["POST /v1/ingest HTTP/1.1", "host: x", f"authorization: Bearer {agent.uid}.{agent.secret}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()
