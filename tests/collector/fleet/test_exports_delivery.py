"""Deliveries: in order, at least once, held back by a failure, none lost to a refusal, none sent by two at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector import keys
from aimscope_collector.deliver import Failure
from aimscope_collector.deliver.carrying import Batch, Refused, TooLarge, cut
from aimscope_collector.deliver.destination import Destination, Stamp
from aimscope_collector.deliver.exporter import Exporter
from aimscope_collector.deliver.rounds import MOST_REFUSED
from aimscope_collector.events import DeviceFacts, Event
from aimscope_collector.formats import Format, lines
from aimscope_collector.store import exports, journal
from aimscope_collector.store.database import writing
from aimscope_collector.store.exports import LEASE
from aimscope_collector.store.journal import Draft, Filter
from tests.collector.fleet.planted import DAY, NOW, Planted

STAMP = Stamp(product_version="1.2", catalogue="c7", organisation="Corp", collector="host.corp.example")


def render(event: Event, options: Mapping[str, str]) -> bytes:
    if event.message == "unwritable":
        raise ValueError("what a format cannot write")
    said = {"uid": event.uid, "about": event.message, "sequence": event.sequence, **options}
    if event.device is not None:
        said["device"] = event.device.name or event.device.uid
    return json.dumps(said).encode()


PLAIN = Format(
    name="plain",
    title="Plain",
    content_type="application/x-ndjson",
    carriers=frozenset({"file", "https", "syslog", "webhook"}),
    tested="parser",
    render=render,
    body=lines,
)


class Receiver:
    """A receiver in memory: keeps what it takes, and fails as it is told, for a whole batch or for records."""

    def __init__(self, *, settles: int = 0, one_each: bool = False, most_records: int = 10) -> None:
        self.settles = settles
        self.one_each = one_each
        self.most_records = most_records
        self.most_bytes = 1_000_000
        self.got: list[str] = []
        self.batches: list[list[str]] = []
        self.fails: Callable[[list[str]], Failure | None] = lambda _: None
        self.refuses: Callable[[str], Failure | None] = lambda _: None
        self.broken = False
        self.confirmed = True

    def send(self, batch: Batch, *, now: int) -> dict[int, Failure]:
        records = [json.loads(record) for record in batch.records]
        names = [f"{one['about']}.{one['sequence']}" for one in records]
        assert batch.body.count(b"\n") == len(records)
        assert [one["uid"] for one in records] == list(batch.uids)
        failure = self.fails(names)
        if failure is not None:
            raise failure
        self.batches.append(names)
        found = {at: why for at, name in enumerate(names) if (why := self.refuses(name))}
        self.got += [name for at, name in enumerate(names) if at not in found]
        return found

    def check(self) -> bool:
        if self.broken:
            self.broken = False
            raise Failure("the connection was closed by the receiver")
        return self.confirmed

    def close(self) -> None:
        self.batches.append(["closed"])


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


class Export:
    """A journal, and exporters over it."""

    def __init__(self, database: sa.Engine) -> None:
        self.engine = database
        self.clock = Clock()

    def made(self, receiver: Receiver, *, holder: str = "h", **more: Any) -> Exporter:
        one = Destination(name="siem", format=PLAIN, carrier=receiver, carried="https", **more)
        made = Exporter(self.engine, [one], stamp=STAMP, holder=holder, now=self.clock)
        made.begin()
        return made

    def tell(self, *abouts: str, counters: bool = False, device: str = "", type_: Any = "ai.finding") -> None:
        with writing(self.engine) as connection:
            for about in abouts:
                event = Event(
                    uid="",
                    type=type_,
                    activity="update",
                    at=self.clock.now,
                    message=about,
                    device=DeviceFacts(uid=device) if device else None,
                )
                journal.append(
                    connection, [Draft(about=about, event=event, said="", counters=counters)], now=self.clock.now
                )

    @property
    def state(self) -> exports.State:
        with self.engine.connect() as connection:
            found = exports.state(connection, "siem")
        assert found is not None
        return found

    def dead(self) -> list[tuple[str, str]]:
        with self.engine.connect() as connection:
            return [(one.about, one.why) for one in exports.dead_letters(connection, "siem")]


@pytest.fixture
def export(database: sa.Engine) -> Export:
    return Export(database)


def names(text: str) -> list[str]:
    return text.split()


def test_everything_arrives_once_and_in_order(export: Export) -> None:
    receiver = Receiver(most_records=3)
    exporter = export.made(receiver)
    export.tell(*"abacabdd")
    assert exporter.round("siem").sent == 8
    assert receiver.got == names("a.1 b.1 a.2 c.1 a.3 b.2 d.1 d.2")
    assert [len(batch) for batch in receiver.batches] == [3, 3, 2]
    assert exporter.round("siem").sent == 0
    assert (export.state.delivered, export.state.delivered_at, export.state.failed) == (8, NOW, 0)


@pytest.mark.parametrize(
    ("since", "expected"),
    [(0, "new.1"), (DAY, "day.1 new.1"), (10 * DAY, "old.1 day.1 new.1"), (None, "old.1 day.1 new.1")],
)
def test_the_first_delivery_reaches_back_as_far_as_it_is_told(export: Export, since: int | None, expected: str) -> None:
    export.clock.now = NOW - 5 * DAY
    export.tell("old")
    export.clock.now = NOW - DAY
    export.tell("day")
    export.clock.now = NOW
    receiver = Receiver()
    exporter = export.made(receiver, since=since)
    export.tell("new")
    exporter.round("siem")
    assert receiver.got == names(expected)


def test_a_failure_holds_back_what_comes_later_and_is_tried_again_ever_later(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    export.tell("a", "b", "a")
    receiver.fails = lambda _: Failure("503", retry_after=0)
    waits = []
    for _ in range(12):
        assert exporter.round("siem").failure == "503"
        assert exporter.round("siem").elsewhere  # it is left alone
        waits.append(export.state.next_at - export.clock.now)
        export.clock.now = export.state.next_at
    assert waits[:4] == [10, 20, 40, 80]
    assert waits[-1] == 3_600
    receiver.fails = lambda _: None
    export.tell("b")
    exporter.round("siem")
    assert receiver.got == names("a.1 b.1 a.2 b.2")
    state = export.state
    assert (state.attempts, state.failure, state.failing_since, state.failed) == (0, "", None, 12)


def test_retry_after_is_waited_for(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    export.tell("a")
    receiver.fails = lambda _: Failure("429", retry_after=700)
    exporter.round("siem")
    assert export.state.next_at == NOW + 700


def test_what_is_refused_for_good_is_kept_aside_and_the_rest_goes_on(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    export.tell("a", "bad", "b", "a", "bad", "c")
    receiver.fails = lambda batch: Refused("the receiver answered 400") if any("bad" in one for one in batch) else None
    assert exporter.round("siem").dead == 2
    assert receiver.got == names("a.1 b.1 a.2 c.1")
    assert export.dead() == [("bad", "the receiver answered 400")] * 2
    assert exporter.round("siem") == exporter.round("siem")
    receiver.fails = lambda _: None
    with writing(export.engine) as connection:
        assert exports.retry(connection, "siem") == 2
    assert exporter.round("siem").sent == 2
    assert receiver.got[-2:] == names("bad.1 bad.2")
    assert export.dead() == []


def test_a_dead_letter_that_is_refused_again_stays_one(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    export.tell("bad")
    receiver.fails = lambda _: Refused("400")
    exporter.round("siem")
    with writing(export.engine) as connection:
        exports.retry(connection, "siem")
    exporter.round("siem")
    exporter.round("siem")
    assert export.dead() == [("bad", "400")]


def test_a_batch_that_is_too_large_goes_in_parts(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    export.tell(*"abcdefgh")
    receiver.fails = lambda batch: TooLarge("413") if len(batch) > 3 else None
    assert exporter.round("siem").sent == 8
    assert receiver.got == [f"{one}.1" for one in "abcdefgh"]
    assert export.dead() == []


def test_a_failure_in_the_middle_keeps_what_was_taken_before(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    export.tell(*"abcdef")

    def fails(batch: list[str]) -> Failure | None:
        if len(batch) > 1:
            return TooLarge("413")
        return Failure("503") if batch == ["d.1"] else Refused("400") if batch == ["b.1"] else None

    receiver.fails = fails
    outcome = exporter.round("siem")
    assert (outcome.failure, outcome.sent, outcome.dead) == ("503", 2, 1)
    assert receiver.got == names("a.1 c.1")
    receiver.fails = lambda _: None
    export.clock.now += 60
    exporter.round("siem")
    assert receiver.got == names("a.1 c.1 d.1 e.1 f.1")


def test_a_receiver_that_refuses_everything_is_held_to_be_wrong_itself(export: Export) -> None:
    receiver = Receiver(most_records=100)
    exporter = export.made(receiver)
    export.tell(*(f"n{n}" for n in range(200)))
    asked: list[int] = []

    def fails(batch: list[str]) -> Failure:
        asked.append(len(batch))
        return Refused("400: incorrect index")

    receiver.fails = fails
    assert "refuses every event" in exporter.round("siem").failure
    assert export.dead() == []
    assert len(asked) < 10 * MOST_REFUSED
    receiver.fails = lambda _: None
    export.clock.now += 60
    assert exporter.round("siem").sent == 200


def test_refusals_one_by_one_end_in_waiting_too(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    receiver.fails = lambda _: Refused("400")
    for number in range(MOST_REFUSED + 5):
        export.tell(f"n{number}")
        exporter.round("siem")
        export.clock.now += 4_000
    assert len(export.dead()) == MOST_REFUSED - 1


def test_what_was_not_taken_for_a_week_is_kept_aside(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    receiver.fails = lambda _: Failure("503")
    export.tell("a", "b")
    exporter.round("siem")
    for _ in range(6):
        export.clock.now += DAY
        exporter.round("siem")
        assert export.dead() == []
    export.tell("c")
    export.clock.now += DAY + 1
    assert exporter.round("siem").dead == 2
    assert export.dead() == [("b", "not taken for a week: 503"), ("a", "not taken for a week: 503")]
    receiver.fails = lambda _: None
    export.clock.now += 4_000
    exporter.round("siem")
    assert receiver.got == ["c.1"]


def test_where_each_record_is_answered_no_two_events_of_a_thing_are_under_way(export: Export) -> None:
    receiver = Receiver(one_each=True)
    exporter = export.made(receiver)
    export.tell("a", "b", "a", "c", "b")
    receiver.refuses = lambda name: Refused("400") if name == "b.1" else None
    exporter.round("siem")
    assert receiver.batches == [names("a.1 b.1"), names("a.2 c.1 b.2")]
    assert export.dead() == [("b", "400")]
    receiver.batches.clear()
    export.tell("d", "e", "f", "e")
    receiver.refuses = lambda name: Failure("429", retry_after=30) if name == "e.1" else None
    assert exporter.round("siem").failure == "429"
    receiver.refuses = lambda _: None
    export.clock.now += 60
    exporter.round("siem")
    assert receiver.batches == [names("d.1 e.1 f.1"), names("e.1 f.1"), names("e.2")]


def test_what_nobody_confirms_is_sent_again_when_the_connection_breaks_too_soon(export: Export) -> None:
    receiver = Receiver(settles=10)
    exporter = export.made(receiver)
    export.tell("a", "b")
    assert exporter.round("siem").sent == 2
    assert export.state.delivered == 0
    export.clock.now += 5
    export.tell("c")
    exporter.round("siem")
    assert receiver.got == names("a.1 b.1 c.1")
    export.clock.now += 6
    exporter.round("siem")
    assert export.state.delivered == 2  # a and b; c is in flight
    receiver.broken = True
    export.tell("d")
    assert "closed" in exporter.round("siem").failure
    export.clock.now += 30
    exporter.round("siem")
    assert receiver.got == names("a.1 b.1 c.1 c.1 d.1")
    export.clock.now += 30
    receiver.confirmed = False
    exporter.round("siem")
    assert export.state.delivered == 2  # the receiver's machine has not confirmed the bytes
    receiver.confirmed = True
    exporter.round("siem")
    assert export.state.delivered == 4


def test_what_is_in_flight_when_a_collector_ends_is_sent_by_the_next(export: Export) -> None:
    receiver = Receiver(settles=10)
    exporter = export.made(receiver)
    export.tell("a")
    exporter.round("siem")
    exporter.end()
    export.made(receiver, holder="other").round("siem")
    assert receiver.got == ["a.1", "a.1"]


def test_two_collectors_do_not_deliver_to_one_destination_at_once(export: Export) -> None:
    first, second = Receiver(), Receiver()
    one, other = export.made(first, holder="one"), export.made(second, holder="other")
    export.tell("a")
    assert one.round("siem").sent == 1
    export.tell("b")
    assert other.round("siem").elsewhere
    export.clock.now += LEASE - 1
    assert one.round("siem").sent == 1
    export.clock.now += LEASE - 1
    export.tell("c")
    assert other.round("siem").elsewhere
    export.clock.now += 1  # the first one died
    assert other.round("siem").sent == 1
    assert (first.got, second.got) == (names("a.1 b.1"), ["c.1"])


def test_two_collectors_that_try_all_the_time_send_everything_once_and_in_order(export: Export) -> None:
    receiver = Receiver(most_records=3)
    several = [export.made(receiver, holder=holder) for holder in ("one", "other", "third")]
    written = threading.Event()

    def deliver(exporter: Exporter) -> None:
        while not written.is_set():
            exporter.round("siem")
        exporter.round("siem")
        exporter.end()

    threads = [threading.Thread(target=deliver, args=(one,)) for one in several]
    for thread in threads:
        thread.start()
    for number in range(60):
        export.tell(f"f{number % 7}")
    written.set()
    for thread in threads:
        thread.join()
    for one in several:
        one.round("siem")
        one.end()
    assert receiver.got == [f"f{number % 7}.{number // 7 + 1}" for number in range(60)]


def test_a_collector_that_ends_stops_after_the_batch_at_hand(export: Export) -> None:
    receiver = Receiver(most_records=2)
    exporter = export.made(receiver)
    export.tell(*"abcdef")
    receiver.fails = lambda _: exporter.stop()
    assert exporter.round("siem").sent == 2
    exporter.end()
    other = Receiver()
    export.made(other, holder="other").round("siem")
    assert other.got == names("c.1 d.1 e.1 f.1")


def test_a_collector_that_lost_its_lease_while_it_sent_moves_nothing(export: Export) -> None:
    slow, fast = Receiver(), Receiver()
    one, other = export.made(slow, holder="one"), export.made(fast, holder="other")
    export.tell("a", "b")

    def takes_long(_: list[str]) -> None:
        export.clock.now += LEASE + 1
        assert other.round("siem").sent == 2

    slow.fails = takes_long
    assert one.round("siem").failure == "another collector delivers to it"
    assert (slow.got, fast.got) == (names("a.1 b.1"), names("a.1 b.1"))
    assert (export.state.delivered, export.state.failed) == (2, 0)


def test_a_period_is_replayed_before_anything_else_and_only_that(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    for day in range(4):
        export.clock.now = NOW + day * DAY
        export.tell(f"d{day}")
        exporter.round("siem")
    export.tell("new")
    receiver.got.clear()
    with writing(export.engine) as connection:
        since, until = NOW + DAY, NOW + 3 * DAY
        assert exports.replay(connection, "siem", since=since, until=until, wanted=Filter()) == 2
    exporter.round("siem")
    assert receiver.got == names("d1.1 d2.1 new.1")
    assert export.state.replay_cursor is None
    with writing(export.engine) as connection:
        assert exports.replay(connection, "siem", since=NOW + 50 * DAY, until=NOW + 60 * DAY, wanted=Filter()) == 0
    exporter.round("siem")
    assert receiver.got == names("d1.1 d2.1 new.1")


def test_a_replay_over_a_way_without_confirmation_ends_too(export: Export) -> None:
    receiver = Receiver(settles=10)
    exporter = export.made(receiver)
    export.tell("a", "b")
    for _ in range(3):
        exporter.round("siem")
        export.clock.now += 20
    with writing(export.engine) as connection:
        exports.replay(connection, "siem", since=NOW, until=export.clock.now, wanted=Filter())
    export.tell("c")
    for _ in range(4):
        exporter.round("siem")
        export.clock.now += 20
    assert receiver.got == names("a.1 b.1 a.1 b.1 c.1")
    assert (export.state.replay_cursor, export.state.delivered) == (None, 5)


def test_mere_numbers_beyond_the_days_budget_are_held_back_and_counted(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver, counters=3)
    export.tell(*"abcde", counters=True)
    export.tell("real")
    export.tell(*"fg", counters=True)
    exporter.round("siem")
    exporter.round("siem")
    assert receiver.got == names("a.1 b.1 c.1 real.1")
    assert (export.state.held_back, export.state.budget_used) == (4, 3)
    export.clock.now += DAY
    export.tell(*"hi", counters=True)
    exporter.round("siem")
    assert receiver.got[4:] == names("h.1 i.1")


def test_filters_pass_over_what_is_not_wanted(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver, wanted=Filter(types=("ai.coverage",)))
    export.tell(*"abc")
    exporter.round("siem")
    assert receiver.got == []
    with export.engine.connect() as connection:
        assert export.state.cursor == journal.head(connection)  # what was passed over is not looked at again
    export.tell("lost", type_="ai.coverage")
    exporter.round("siem")
    assert receiver.got == ["lost.1"]


def test_an_event_a_format_cannot_write_is_a_dead_letter_and_no_end(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver)
    export.tell("a", "unwritable", "b")
    exporter.round("siem")
    assert receiver.got == names("a.1 b.1")
    [(about, why)] = export.dead()
    assert (about, "cannot be written as plain" in why) == ("unwritable", True)


def test_preview_shows_what_will_be_sent_and_sends_nothing(export: Export) -> None:
    receiver = Receiver()
    exporter = export.made(receiver, options={"index": "ai"})
    export.tell(*"abc")
    waits, shown = exporter.preview("siem", limit=2, names=True)
    assert waits
    assert [json.loads(one.record)["about"] for one in shown] == ["a", "b"]
    assert json.loads(shown[0].record)["index"] == "ai"
    assert receiver.got == []
    exporter.round("siem")
    waits, shown = exporter.preview("siem", limit=2, names=True)
    assert (waits, [json.loads(one.record)["about"] for one in shown]) == (False, ["b", "c"])


@pytest.mark.parametrize("by_name", [False, True])
def test_devices_are_named_only_where_a_destination_may_have_them(export: Export, by_name: bool) -> None:
    from nacl.public import PrivateKey

    planted = Planted(export.engine)
    planted.agent("laptop-7")
    pseudonym = planted.device("laptop-7").pseudonym
    key = PrivateKey(b"d" * 32)
    receiver = Receiver()
    one = Destination(name="siem", format=PLAIN, carrier=receiver, carried="https", names=by_name)
    exporter = Exporter(
        export.engine,
        [one],
        stamp=STAMP,
        holder="h",
        now=export.clock,
        opener=lambda: lambda sealed: keys.opened(key, sealed),
    )
    exporter.begin()
    export.tell("a", device=pseudonym)
    export.tell("b", device="d-unknown")
    _, shown = exporter.preview("siem", limit=2, names=True)
    expected = "laptop-7" if by_name else pseudonym
    assert [json.loads(one.record)["device"] for one in shown] == [expected, "d-unknown"]
    _, shown = exporter.preview("siem", limit=1, names=False)
    assert json.loads(shown[0].record)["device"] == pseudonym
    with export.engine.connect() as connection:
        kept = connection.execute(sa.text("select payload from journal")).scalars().all()
    assert "laptop-7" not in "".join(kept)


def test_events_say_where_they_come_from(export: Export) -> None:
    exporter = export.made(Receiver())
    export.tell("a")
    with export.engine.connect() as connection:
        entries = journal.read(connection, after=0, wanted=Filter())
    [event] = exporter.events(exporter.destinations["siem"], entries)
    stamped = (event.product_version, event.catalogue, event.organisation, event.collector)
    assert stamped == ("1.2", "c7", "Corp", "host.corp.example")
    assert msgspec.structs.replace(event, product_version="", catalogue="", organisation="", collector="aimscope") == (
        entries[0].event()
    )


def test_dead_letters_are_bounded_and_what_goes_is_counted(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_DEAD", 3)
    exporter = export.made(Receiver())
    export.tell(*["unwritable"] * 5)
    exporter.round("siem")
    assert len(export.dead()) == 3
    assert export.state.dropped == 2


def test_batches_are_cut_by_number_and_by_size() -> None:
    def sizes(records: Iterable[int], **more: int) -> int:
        return cut([b"x" * size for size in records], **{"most_records": 100, "most_bytes": 1_000, **more})

    assert sizes([10] * 5, most_records=3) == 3
    assert sizes([400, 400, 400]) == 2
    assert sizes([5_000, 10]) == 1  # one at least: the receiver may take it
    assert sizes([10, 10]) == 2
