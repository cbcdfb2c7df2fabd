from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aimscope_agent.intake.following import LogWatch
from aimscope_agent.ledger import Ledger
from aimscope_agent.logs.registry import built_in
from aimscope_agent.logs.scanning import Workshop
from aimscope_signatures import bundle
from aimscope_signatures.model import Status

CLOCK = 1_700_000_000


def squid(number: int, host: str = "chatgpt.com", client: str = "10.0.0.7") -> str:
    return f"{CLOCK + number}.123    90 {client} TCP_TUNNEL/200 512 CONNECT {host}:443 ann HIER_DIRECT/192.0.2.1 -"


@pytest.fixture(scope="module")
def workshop() -> Workshop:
    return Workshop(built_in(), bundle.shipped(), None)


Begin = Callable[..., LogWatch]


@pytest.fixture
def begin(tmp_path: Path, workshop: Workshop) -> Iterator[Begin]:
    """Begins a watch, as after a kill: what was open before is just left."""
    left: list[tuple[LogWatch, Ledger]] = []

    def begin(*paths: Path, **options: object) -> LogWatch:
        for watch, ledger in left:
            watch.close()
            ledger.close()
        left.clear()
        ledger = Ledger(tmp_path / "state" / "ledger.db", now=CLOCK)
        watch = LogWatch(paths, ledger, workshop, **options)  # type: ignore[arg-type]
        left.append((watch, ledger))
        return watch

    yield begin
    for watch, ledger in left:
        watch.close()
        ledger.close()


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def counted(watch: LogWatch) -> int:
    return sum(sighting.count for sighting in watch._ledger.sightings())


def test_what_a_log_says_is_counted_once_over_restarts(begin: Begin, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.log"
    write(log, *(squid(n) for n in range(20)), squid(20, "www.example.com"))
    (sighting,) = begin(log).step(1.0, CLOCK)
    assert (sighting.service, sighting.count, sighting.subject, sighting.asset) == ("chatgpt", 20, "ann", "10.0.0.7")
    assert sighting.sources[0] == f"{log}:1"
    write(log, squid(21), squid(22, "notchatgpt.com"))
    watch = begin(log)
    (sighting,) = watch.step(2.0, CLOCK)
    assert (sighting.count, sighting.sources) == (1, (f"{log}:22",))
    assert watch.step(3.0, CLOCK) == ()
    assert counted(watch) == 21


def test_killed_at_any_moment_nothing_is_lost_or_counted_twice(begin: Begin, tmp_path: Path) -> None:
    chooser = random.Random(5)
    log = tmp_path / "logs" / "access.log"
    write(log, *(squid(n) for n in range(12)))
    written = 12
    watch = begin(log)
    watch.step(0.0, CLOCK)  # what a log was rotated to before anybody looked is not its business
    for number in range(1, 60):
        more = chooser.randrange(5)
        write(log, *(squid(number) for _ in range(more)))
        written += more
        match chooser.randrange(4):
            case 0:
                watch.step(number * 10.0, CLOCK)
            case 1:  # killed after reading, before the commit
                watch._commit = lambda: ()  # type: ignore[method-assign]
                watch.step(number * 10.0, CLOCK)
                watch = begin(log)
            case 2:
                log.rename(log.with_name(f"access.log.{100 - number}"))
                log.touch()
            case _:
                watch = begin(log)
    for number in range(6):
        watch.step(1_000.0 + number * 10, CLOCK)
    assert counted(watch) == written


def test_a_log_of_few_lines_is_waited_for_and_then_read(begin: Begin, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.log"
    write(log, squid(1))
    watch = begin(log)
    assert watch.step(1.0, CLOCK) == ()
    assert [gap.reason for gap in watch.coverage().gaps] == ["its format is not known yet"]
    assert len(watch.step(7.0, CLOCK)) == 1
    assert watch.coverage().gaps == ()


def test_few_lines_are_not_lost_when_it_is_killed_while_it_waits(begin: Begin, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.log"
    write(log, squid(1))
    begin(log).step(1.0, CLOCK)
    watch = begin(log)
    watch.step(2.0, CLOCK)
    watch.step(9.0, CLOCK)
    assert counted(watch) == 1


def test_a_folder_of_several_formats_one_of_them_unknown(begin: Begin, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    write(folder / "access.log", *(squid(n) for n in range(12)))
    write(folder / "poem.txt", *("The rain, it raineth every day" for _ in range(4_000)))
    dns = "Nov 23 10:00:00 dnsmasq[812]: query[A] claude.ai from 192.168.1.5"
    write(folder / "dnsmasq.log", *(dns for _ in range(12)))
    watch = begin(folder)
    found = watch.step(1.0, CLOCK) + watch.step(9.0, CLOCK)  # a question waits for its refusal
    assert {sighting.service for sighting in found} == {"chatgpt", "claude"}
    coverage = watch.coverage()
    assert coverage.status is Status.PARTIAL
    (gap,) = coverage.gaps
    assert gap.source.endswith("poem.txt")


def test_unreadable_lines_are_told_with_their_number(begin: Begin, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.log"
    write(log, *(squid(n) for n in range(30)), "torn", squid(31))
    watch = begin(log)
    watch.step(1.0, CLOCK)
    (gap,) = watch.coverage().gaps
    assert "31" in gap.reason
    assert watch.counts["observed"] == 31


def test_a_ledger_that_cannot_be_written_is_tried_again(begin: Begin, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.log"
    write(log, *(squid(n) for n in range(12)))
    watch = begin(log)
    watch._ledger._database.execute("pragma max_page_count = 1")
    watch._ledger._database.execute("pragma query_only = on")
    assert watch.step(1.0, CLOCK) == ()
    assert "nothing was committed" in watch.coverage().gaps[0].reason
    watch._ledger._database.execute("pragma query_only = off")
    watch._ledger._database.execute("pragma max_page_count = 100000")
    write(log, squid(13))
    assert sum(sighting.count for sighting in watch.step(2.0, CLOCK)) == 13
    assert watch.coverage().gaps == ()


def asked(number: int) -> str:
    return f"[{CLOCK + number}] unbound[7:0] info: 10.0.0.7 claude.ai. A IN"


def refused(number: int) -> str:
    return f"[{CLOCK + number}] unbound[7:0] info: claude.ai. always_nxdomain 10.0.0.7@4711 claude.ai. A IN"


def attempts(watch: LogWatch) -> dict[str, int]:
    return {sighting.presence: sighting.count for sighting in watch._ledger.sightings()}


def test_a_refusal_that_is_written_later_makes_the_question_an_attempt(begin: Begin, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "unbound.log"
    form = built_in()["unbound"]
    write(log, asked(0))
    watch = begin(log, form=form)
    assert watch.step(1.0, CLOCK) == ()
    write(log, refused(0))
    assert watch.step(2.0, CLOCK) == ()
    (sighting,) = watch.step(9.0, CLOCK)
    assert (sighting.presence, sighting.count, sighting.sources) == ("attempted", 1, (f"{log}:1",))
    write(log, asked(60))
    assert watch.step(10.0, CLOCK) == ()
    (sighting,) = watch.finish(CLOCK)
    assert (sighting.presence, sighting.count) == ("used", 1)


def test_killed_between_question_and_refusal(begin: Begin, tmp_path: Path) -> None:
    chooser = random.Random(6)
    log = tmp_path / "logs" / "unbound.log"
    form = built_in()["unbound"]
    log.parent.mkdir()
    log.touch()
    watch = begin(log, form=form)
    questions = 0
    for number in range(0, 4_000, 40):
        for line in (asked(number), refused(number)):
            write(log, line)
            match chooser.randrange(4):
                case 0:
                    watch.step(number + 1.0, CLOCK)
                case 1:
                    watch._commit = lambda: ()  # type: ignore[method-assign]
                    watch.step(number + 1.0, CLOCK)
                    watch = begin(log, form=form)
                case 2:
                    watch.step(number + 1.0, CLOCK)
                    watch = begin(log, form=form)
        questions += 1
    watch.step(9_000.0, CLOCK)
    watch.step(9_010.0, CLOCK)
    assert attempts(watch) == {"attempted": questions}
