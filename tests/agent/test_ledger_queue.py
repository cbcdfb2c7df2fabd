from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.reporting import DAY, NOW, Key, Model, event, key_of_total, look, run, state

from aimscope_agent import ledger as ledgers
from aimscope_agent.ledger import Batch, Ledger, LedgerError
from aimscope_signatures import wire
from aimscope_signatures.fold import merge
from aimscope_signatures.model import Sighting, Status


def begun(path: Path, **options: int) -> Ledger:
    return Ledger(path, now=NOW, epoch="e1", **options)


def drawn(ledger: Ledger, most: int = 1_000) -> Batch:
    batch = ledger.pending(NOW, most=most)
    assert batch is not None
    return batch


def drained(ledger: Ledger, collector: Model, most: int = 1_000) -> None:
    while (batch := ledger.pending(NOW, most=most)) is not None:
        collector.take(batch.report)
        assert ledger.acknowledge(batch.sequence)


def test_a_batch_stays_as_it_is_until_it_is_acknowledged(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    ledger.commit([event(), state()], {}, looks=[look(1)], runs=[run(1)])
    first = drawn(ledger)
    assert (len(first.report.cells), len(first.report.looks), len(first.report.runs), first.rows) == (2, 1, 1, 4)
    ledger.commit([event(1)], {})
    assert drawn(ledger) == first
    ledger.close()
    again = Ledger(tmp_path / "l.db", now=NOW, epoch="another")
    assert again.epoch == "e1"
    assert drawn(again) == first
    assert again.acknowledge(first.sequence)
    assert not again.acknowledge(first.sequence)
    assert again.acknowledged == first.sequence
    assert len(drawn(again).report.cells) == 1


def test_what_changes_on_the_way_is_sent_again(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    ledger.commit([event(0), event(1)], {})
    batch = drawn(ledger)
    ledger.commit([event(0)], {})
    ledger.acknowledge(batch.sequence)
    (cell,) = drawn(ledger).report.cells
    assert cell.count == 2


def test_a_rescan_counts_a_state_once_a_day_and_an_event_each_time(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    for hour in (0, 1, 2):
        ledger.commit([state(at=NOW + hour)], {})
    ledger.commit([state(at=NOW + DAY)], {})
    for _ in range(3):
        ledger.commit([event()], {})
    assert sorted((total.kind, total.count) for total in ledger.sightings()) == [
        ("service", 2),
        ("tls.client_hello", 3),
    ]


def test_what_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    for _ in range(2):
        ledger.commit([state()], {}, looks=[look(1)], runs=[run(1)])
        drained(ledger, Model())
    ledger.commit([state()], {}, looks=[look(1)], runs=[run(1)])
    assert ledger.waiting() == 0
    assert ledger.pending(NOW) is None


def test_a_look_is_sent_after_the_totals_it_rests_on(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    ledger.commit([state(number) for number in range(25)], {}, looks=[look(1)])
    sizes = []
    while (batch := ledger.pending(NOW, most=10)) is not None:
        sizes.append((len(batch.report.cells), len(batch.report.looks)))
        ledger.commit([state(number, at=NOW + len(sizes)) for number in (3, 24)], {})
        ledger.acknowledge(batch.sequence)
        if len(sizes) > 4:
            break
    told = next(place for place, (_, looks) in enumerate(sizes) if looks)
    assert sum(cells for cells, _ in sizes[: told + 1]) >= 25


def test_a_look_is_not_held_up_for_ever_by_totals_that_keep_coming(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    collector = Model()
    for step in range(40):
        ledger.commit([event(number) for number in range(30)], {}, looks=[look(step)])
        batch = drawn(ledger, most=10)
        collector.take(batch.report)
        ledger.acknowledge(batch.sequence)
    assert collector.looks
    assert len(collector.cells) == 30


def test_the_latest_run_decides_how_a_look_went_and_counters_take_the_larger(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    ledger.commit([], {}, looks=[look(2, Status.DENIED)])
    ledger.commit([], {}, looks=[msgspec.structs.replace(look(1), counts=(("files", 9),))])
    (told,) = drawn(ledger).report.looks
    assert (told.sequence, told.status, told.counts) == (2, Status.DENIED, (("files", 9),))


def test_rows_that_are_refused_stay_out_until_everything_is_sent(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    ledger.commit([event(0), event(1)], {})
    batch = drawn(ledger, most=1)
    assert ledger.leave_out(batch.sequence) == ("tls.client_hello of claude",)
    ledger.commit([event(0)], {})
    assert len(drawn(ledger).report.cells) == 1
    drained(ledger, Model())
    assert ledger.waiting() == 0
    ledger.everything_again()
    assert len(drawn(ledger).report.cells) == 2


def test_what_no_report_can_carry_as_it_is_holds_nothing_up(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    long = "x" * 5_000
    odd = [
        msgspec.structs.replace(event(), subject="\udcff name", evidence=(("server_name", "\ud800"),)),
        *(msgspec.structs.replace(event(), asset=long + end, details=(("path", long * 3),)) for end in "ab"),
        msgspec.structs.replace(event(), month="1969-12"),
        msgspec.structs.replace(event(), bytes_out=1 << 60),
    ]
    ledger.commit(odd, {}, looks=[msgspec.structs.replace(look(1), reason=long)])
    collector = Model()
    drained(ledger, collector)
    assert len({cell.asset for cell in collector.cells.values()}) == 3
    assert len(collector.cells) == 4  # all but the month no report knows
    assert len(collector.looks) == 1


def test_a_report_is_bounded_in_bytes(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    heavy = (("note", "ä" * 1_000),) * 1
    ledger.commit([msgspec.structs.replace(event(number), details=heavy) for number in range(900)], {})
    batch = drawn(ledger)
    assert 0 < len(batch.report.cells) < 900
    assert len(msgspec.json.encode(batch.report)) <= 1 << 20


def test_too_many_totals_are_kept_without_telling_people_apart(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db", most=3)
    people = [event(subject=f"user{number}") for number in range(10)]
    ledger.commit(people, {})
    assert sum(total.count for total in ledger.sightings()) == 10
    assert len(ledger.sightings()) == 4
    assert (ledger.collapsed, ledger.refused) == (7, 0)
    ledger.commit([event(number) for number in range(1, 9)], {})
    assert len(ledger.sightings()) == 6
    assert ledger.refused == 6


def test_old_months_are_dropped_once_they_are_known(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    old = NOW - 90 * DAY
    ledger.commit([event(0, at=old), state()], {}, looks=[look(1, day=20260601)])
    assert ledger.forget("2026-09") == 0
    drained(ledger, Model())
    ledger.commit([event(1, at=old)], {})
    assert ledger.forget("2026-09") == 2
    assert {total.month for total in ledger.sightings()} == {"2026-06", "2026-09"}


def test_runs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ledgers._MOST, "run", 5)
    ledger = begun(tmp_path / "l.db")
    for number in range(9):
        ledger.commit([], {}, runs=[run(number)])
    assert [each.sequence for each in drawn(ledger).report.runs] == [4, 5, 6, 7, 8]


def test_scans_are_numbered_across_restarts(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    assert (ledger.begin_scan(), ledger.begin_scan()) == (1, 2)
    ledger.close()
    assert begun(tmp_path / "l.db").begin_scan() == 3


def test_a_ledger_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    total = event()
    with sqlite3.connect(path) as old:
        old.execute(
            "create table cell (key text primary key, month text not null, service text not null,"
            " kind text not null, sighting text not null) without rowid"
        )
        old.execute("create table place (source text primary key, place blob not null) without rowid")
        key = msgspec.json.encode(["claude", total.kind, "ann", total.month, total.asset, total.evidence]).decode()
        text = msgspec.json.encode(total).decode()
        old.execute("insert into cell values (?, ?, ?, ?, ?)", [key, total.month, total.service, total.kind, text])
        old.execute("insert into place values ('a', x'31')")
        old.execute("pragma user_version = 1")
    old.close()
    ledger = begun(path)
    assert ledger.set_aside is None
    assert ledger.places() == {"a": b"1"}
    ledger.commit([event()], {})
    (cell,) = drawn(ledger).report.cells
    assert cell.count == 2


def test_a_flipped_bit_in_a_total_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    ledger = begun(path)
    ledger.commit([event() for _ in range(3)], {})
    ledger.close()
    data = path.read_bytes()
    assert data.count(b'"count":3') == 1
    path.write_bytes(data.replace(b'"count":3', b'"count":7'))
    again = Ledger(path, now=NOW, epoch="e2")
    assert again.set_aside is not None
    assert again.epoch == "e2"
    assert again.sightings() == ()


def test_a_ledger_for_this_machine_alone_does_not_report(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", now=NOW)
    ledger.commit([event()], {})
    with pytest.raises(LedgerError, match="no epoch"):
        ledger.pending(NOW)


def test_where_there_is_no_room_descriptions_go_before_totals(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l.db")
    heavy = [msgspec.structs.replace(state(number), details=(("note", "x" * 900),)) for number in range(300)]
    ledger.commit(heavy, {})
    pages = ledger._database.execute("pragma page_count").fetchone()[0]
    ledger._database.execute(f"pragma max_page_count = {pages}")
    ledger.commit([state(number) for number in range(300, 500)], {"log": b"1"})
    assert ledger.slimmed
    assert len(ledger.sightings()) == 500
    with pytest.raises(LedgerError, match="nothing was committed"):
        ledger.commit([state(number) for number in range(500, 5_000)], {"log": b"2"})
    assert len(ledger.sightings()) == 500
    assert ledger.places() == {"log": b"1"}
    ledger._database.execute("pragma max_page_count = 1000000")
    ledger.commit([state(number) for number in range(500, 5_000)], {"log": b"2"})
    assert len(ledger.sightings()) == 5_000


Op = tuple[str, int]
OPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("event", "state", "look", "send", "send", "lost", "crash", "withdraw", "replay"),
                *("check_in", "backup", "restore", "refused"),
            ]
        ),
        st.integers(0, 3),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(OPS)
def test_after_any_schedule_the_collector_knows_the_truth(  # noqa: PLR0915 - one table of moves
    tmp_path_factory: pytest.TempPathFactory, ops: list[Op]
) -> None:
    path = tmp_path_factory.mktemp("schedule") / "l.db"
    ledger = begun(path)
    collector, backup = Model(), Model()
    past: list[wire.Report] = []
    truth: dict[Key, Sighting] = {}
    latest: dict[str, int] = {}

    def see(sighting: Sighting) -> None:
        key = key_of_total(sighting)
        truth[key] = merge(truth[key], sighting) if key in truth else sighting
        ledger.commit([sighting], {})

    def heed(pace: wire.Pace, sequence: int = 0) -> None:
        if pace.full_state:
            ledger.everything_again()
        elif sequence:
            ledger.acknowledge(sequence, highest=pace.committed)

    for step, (op, number) in enumerate(ops):
        match op:
            case "event":
                see(event(number, at=NOW + step * 1_000))
            case "state":
                see(state(number, at=NOW + number * DAY + step))
            case "look":
                latest[f"s{number}"] = scan = ledger.begin_scan()
                ledger.commit([], {}, looks=[look(scan, sensor=f"s{number}")])
            case "send" | "lost" | "refused":
                batch = ledger.pending(NOW + step, most=1 + number * 2)
                if batch is not None and op != "refused":
                    pace = collector.take(batch.report)
                    past.append(batch.report)
                    if op == "send":
                        heed(pace, batch.sequence)
            case "crash":
                ledger.close()
                ledger = begun(path)
            case "withdraw":  # a report is refused, and so was not committed
                batch = ledger.pending(NOW + step)
                if batch is not None and batch.sequence not in {report.sequence for report in past}:
                    ledger.withdraw()
            case "replay":
                for report in past[-number - 1 :]:
                    collector.take(report)
            case "check_in":
                heed(collector.check_in(ledger.epoch, ledger.acknowledged))
            case "backup":
                backup = collector.copy()
            case "restore":
                collector = backup.copy()
    for _ in range(3):
        heed(collector.check_in(ledger.epoch, ledger.acknowledged))
        while (batch := ledger.pending(NOW, most=7)) is not None:
            heed(collector.take(batch.report), batch.sequence)
    assert collector.counts("e1") == {
        key: (total.count, total.first, total.last, total.days, total.bytes_out) for key, total in truth.items()
    }
    assert {sensor: each.sequence for (_, sensor, _, _), each in collector.looks.items()} == latest
    assert ledger.waiting() == 0
    ledger.close()
