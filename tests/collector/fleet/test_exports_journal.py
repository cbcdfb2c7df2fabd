"""Events are written with the change they tell, once, in their order; mere numbers stay within bounds."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector.alerts import AlertPolicy
from aimscope_collector.events import Event, EventType
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.store import (
    agents,
    audit,
    decisions,
    events_of_agents,
    events_of_devices,
    events_of_findings,
    exports,
    journal,
)
from aimscope_collector.store.database import writing
from aimscope_collector.store.findings import Changes
from aimscope_collector.store.journal import Draft, Filter
from aimscope_collector.store.tables.exporting import JOURNAL
from aimscope_collector.store.tables.fleet import AGENT
from aimscope_collector.store.tables.review import FINDING
from tests.collector.example import SERVICES
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted
from tests.collector.fleet.test_review_store import decision, finding, found

EVERYTHING = Filter(
    types=("ai.finding", "ai.inventory", "ai.observation", "ai.agent.health", "ai.coverage", "ai.audit")
)


def told(database: sa.Engine) -> list[Event]:
    with database.connect() as connection:
        return [entry.event() for entry in journal.read(connection, after=0, wanted=EVERYTHING, limit=100_000)]


def tell(database: sa.Engine, *ids: str, now: int = NOW) -> list[Event]:
    with writing(database) as connection:
        return events_of_findings.tell(connection, ids, now=now)


def change(database: sa.Engine, name: str, **values: Any) -> None:
    with writing(database) as connection:
        connection.execute(FINDING.update().where(FINDING.c.id == name).values(**values))


def reconcile(planted: Planted, *, now: int = NOW, inventory: Inventory | None = None) -> None:
    """As the collector does."""

    def follow(connection: sa.Connection, changes: Changes) -> None:
        decisions.reconsider(connection, now=now, findings=(*changes.new, *changes.changed))
        events_of_findings.tell(connection, (*changes.new, *changes.changed, *changes.gone), now=now)

    Reconciler(planted.engine, door=DOOR, follow=follow).run(Knowledge(inventory, SERVICES), now=now)


def test_a_finding_keeps_its_uid_from_the_first_event_to_the_last(database: sa.Engine) -> None:
    planted = Planted(database)
    laptop = planted.agent("laptop", "emea")
    planted.saw(laptop, "cursor", "application", name="Cursor", presence="installed")
    reconcile(planted)
    reconcile(planted)
    empty = Inventory(aimscope_inventory=1)
    reconcile(planted, inventory=empty, now=NOW + 1)
    with writing(database) as connection:
        connection.execute(sa.text("delete from sighting"))
    reconcile(planted, inventory=empty, now=NOW + 2)
    reconcile(planted, inventory=empty, now=NOW + 3)
    events = told(database)
    assert [(one.activity, one.sequence, one.finding.verdict) for one in events if one.finding] == [
        ("create", 1, "observed"),
        ("update", 2, "unregistered"),
        ("close", 3, "unregistered"),
    ]
    assert len({one.finding.uid for one in events if one.finding}) == 1
    assert len({one.uid for one in events}) == 3
    first = events[0].finding
    assert first is not None
    assert (first.service, first.unit, first.assets) == ("cursor", "emea", None)  # one device tells who it is
    assert [(one.kind, one.fields, one.presence) for one in first.indicators] == [
        ("application", {"name": "Cursor"}, "installed")
    ]
    assert (events[1].severity != "informational", events[2].severity) == (True, "informational")
    assert "found no more" in events[2].message


def test_what_comes_back_is_an_update_of_the_same_finding(database: sa.Engine) -> None:
    found(database, finding("f-1"))
    tell(database, "f-1")
    change(database, "f-1", present=0)
    tell(database, "f-1")
    change(database, "f-1", present=1)
    tell(database, "f-1")
    assert [(one.activity, one.sequence) for one in told(database)] == [("create", 1), ("close", 2), ("update", 3)]


def test_nothing_is_told_twice_and_nothing_of_a_change_that_was_undone(database: sa.Engine) -> None:
    found(database, finding("f-1"), finding("f-2", unit="apac", present=0))
    assert [one.activity for one in tell(database, "f-1", "f-2", "f-none")] == ["create"]
    assert tell(database, "f-1", "f-2") == []
    change(database, "f-1", count=99, last=NOW + 5, assets=70)
    assert tell(database, "f-1") == []

    def undone() -> None:
        with writing(database) as connection:
            connection.execute(FINDING.update().values(verdict="prohibited"))
            assert len(events_of_findings.tell(connection, ["f-1"], now=NOW)) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert len(told(database)) == 1
    change(database, "f-1", verdict="prohibited")
    assert [one.sequence for one in tell(database, "f-1")] == [2]


def test_a_decision_is_told_for_each_finding_it_covers_and_taking_it_twice_once(database: sa.Engine) -> None:
    found(database, finding("f-1"), finding("f-2", unit="apac"), finding("f-3", unit="amer"), finding("f-4", "cursor"))
    everywhere = decision("d1", "tolerate", None, except_units=("amer",), until=NOW + DAY)
    for _ in range(2):
        with writing(database) as connection:
            decisions.decide(connection, [everywhere], now=NOW)
    events = told(database)
    assert sorted((one.finding.uid, one.finding.state, one.severity) for one in events if one.finding) == [
        ("f-1", "tolerated", "informational"),
        ("f-2", "tolerated", "informational"),
    ]
    assert {(one.decision.uid, one.decision.action, one.decision.by) for one in events if one.decision} == {
        ("d1", "tolerate", "ann")
    }
    with writing(database) as connection:
        decisions.reconsider(connection, now=NOW + 2 * DAY)
    later = told(database)[2:]
    assert {one.finding.uid: one.finding.state for one in later if one.finding} == {
        "f-1": "under_review",
        "f-2": "under_review",
    }


def test_small_groups_and_moments_are_told_as_policy_shows_them(database: sa.Engine) -> None:
    found(database, finding("f-1", assets=10, subjects=4, last=NOW), finding("f-2", unit="x", assets=10, subjects=5))
    one, other = (event.finding for event in tell(database, "f-1", "f-2"))
    assert one is not None
    assert other is not None
    assert (one.assets, one.subjects, one.last) == (None, None, NOW - NOW % DAY)
    assert (other.assets, other.subjects) == (10, 5)


def fleet_findings(database: sa.Engine, services: int, units: int) -> list[str]:
    """What 20,000 agents come to: a finding for each service and unit."""
    rows = [
        finding(f"f-{service}-{unit}", f"s{service}", f"u{unit}", score=1 + (service * 7 + unit) % 25, assets=40)
        for service, unit in itertools.product(range(services), range(units))
    ]
    with writing(database) as connection:
        connection.execute(FINDING.insert(), rows)
    return [row["id"] for row in rows]


def test_numbers_alone_stay_within_a_days_budget_on_a_fleet_of_20000_agents(database: sa.Engine) -> None:
    """60 services in 50 units; each agent reports eight times a day, so every finding's numbers change all the time."""
    ids = fleet_findings(database, services=60, units=50)
    tell(database, *ids, now=NOW)
    assert len(told(database)) == 3_000
    budget, days = 1_000, 4
    for day in range(1, days + 1):
        for hour in range(0, 24, 3):
            now = NOW - NOW % DAY + day * DAY + hour * 3_600
            with writing(database) as connection:
                connection.execute(FINDING.update().values({"count": FINDING.c["count"] + 20_000, "last": now}))
                assert len(events_of_findings.tell(connection, ids, now=now)) == 0
                events_of_findings.tell_counters(connection, now=now, budget=budget)
    with database.connect() as connection:
        rows = connection.execute(sa.select(JOURNAL.c.about, JOURNAL.c.at).where(JOURNAL.c.counters == 1)).all()
    assert len(rows) == budget * days
    per_day = {(about, at // DAY) for about, at in rows}
    assert len(per_day) == len(rows)  # at most one for a finding and day
    assert len({about for about, _ in rows}) == 3_000  # none starves: whose numbers are the oldest comes first


def test_a_finding_told_of_today_is_not_told_again_for_its_numbers(database: sa.Engine) -> None:
    found(database, finding("f-1"))
    tell(database, "f-1")
    change(database, "f-1", count=5)
    for now, expected in ((NOW + 60, 0), (NOW + DAY, 1), (NOW + DAY + 60, 0), (NOW + 2 * DAY, 0)):
        with writing(database) as connection:
            assert len(events_of_findings.tell_counters(connection, now=now, budget=10)) == expected
    assert told(database)[-1].finding.count == 5  # type: ignore[union-attr]


def test_agents_are_told_of_when_what_they_are_changes(database: sa.Engine) -> None:
    planted = Planted(database)
    for name in ("a", "b", "c"):
        planted.agent(name, "emea", approved_at=None if name == "c" else NOW)

    def look(now: int) -> list[tuple[str, str, str]]:
        with writing(database) as connection:
            events = events_of_agents.tell_agents(connection, now=now)
        return [(one.agent.uid, one.agent.status, one.activity) for one in events if one.agent]

    assert look(NOW) == [("u-a", "enrolled", "create"), ("u-b", "enrolled", "create")]
    assert look(NOW + 60) == []
    later = NOW + 3 * DAY
    with writing(database) as connection:
        connection.execute(AGENT.update().where(AGENT.c.uid == "u-b").values(last_seen=later))
    assert look(later) == [("u-a", "silent", "update")]
    assert look(later) == []
    with writing(database) as connection:
        connection.execute(AGENT.update().values(last_seen=later, clone_at=sa.null()))
        connection.execute(AGENT.update().where(AGENT.c.uid == "u-b").values(clone_at=later))
    assert look(later + 60) == [("u-a", "back", "update"), ("u-b", "cloned", "update")]
    with writing(database) as connection:
        agents.revoke(connection, uid="u-b", by="ann", why="stolen", now=later + 70)
    assert look(later + 80) == [("u-b", "revoked", "close")]
    health = told(database)[-1]
    assert (health.agent.why, health.device.unit) == ("stolen", "emea")  # type: ignore[union-attr]


def test_a_fleet_that_falls_silent_at_once_is_told_over_several_looks(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_of_agents, "MOST_AT_A_LOOK", 2)
    planted = Planted(database)
    for name in "abcde":
        planted.agent(name, approved_at=NOW)
    counts = []
    for _ in range(4):
        with writing(database) as connection:
            counts.append(len(events_of_agents.tell_agents(connection, now=NOW)))
    assert counts == [2, 2, 1, 0]


def test_coverage_that_is_lost_and_returns() -> None:
    policy = AlertPolicy()

    def changes(then: int, latest: int, known: dict[str, Any] | None = None) -> list[Draft]:
        return events_of_agents.changes_of_coverage(known or {}, {"dns": then}, {"dns": latest}, policy=policy, now=NOW)

    assert changes(100, 95) == []
    assert changes(2, 0) == []  # two machines are no fleet
    [lost] = changes(100, 70)
    assert (lost.event.activity, lost.said, lost.counts) == ("create", "lost", "100")
    known = {"sensor:dns": journal.Told(1, lost.said or "", lost.counts or "", NOW)}
    assert changes(70, 60, known) == []
    assert changes(60, 79, known) == []
    [back] = changes(70, 95, known)
    assert (back.event.activity, back.said) == ("close", "complete")


def test_entries_of_the_audit_log_are_told_in_order_and_none_twice(database: sa.Engine) -> None:
    def act(number: int) -> None:
        with writing(database) as connection:
            audit.record(connection, at=NOW, actor="ann", action="x.y", about=f"n{number}", facts={"n": number})

    def look(limit: int = 100) -> list[int]:
        with writing(database) as connection:
            return [one.sequence for one in events_of_agents.tell_audit(connection, now=NOW, limit=limit)]

    act(0)
    assert look() == []  # what was before the first look is no news
    for number in range(5):
        act(number)
    assert [look(2), look(2), look(2), look(2)] == [[2, 3], [4, 5], [6], []]
    assert [one.audit.about for one in told(database) if one.audit] == [f"n{n}" for n in range(5)]


def test_ai_that_is_new_on_a_device_is_told_once(database: sa.Engine) -> None:
    planted = Planted(database)
    laptop, other = planted.agent("laptop", "emea"), planted.agent("other")
    planted.saw(laptop, "cursor", "application", name="Cursor")

    def look() -> list[Event]:
        with writing(database) as connection:
            if events_of_devices.begin(connection):
                return []
            rows = events_of_devices.unsaid(connection)
            known = {one.id: one for one in SERVICES}
            return events_of_devices.tell(connection, rows, services=known, now=NOW)

    assert look() == []  # what is known at the beginning is no news
    assert look() == []
    planted.saw(laptop, "cursor", "application", name="Cursor 2", epoch=2)
    assert look() == []
    planted.saw(laptop, "chatgpt", "dns.query", name="chatgpt.com", presence="attempted")
    planted.saw(other, "cursor", "application", name="Cursor", subject="ann")
    first, second = look()
    assert (first.type, second.type) == ("ai.observation", "ai.inventory")
    assert (first.device.unit, first.observation.name) == ("emea", "ChatGPT")  # type: ignore[union-attr]
    text = msgspec.json.encode([first, second]).decode()
    assert "laptop" not in text
    assert "ann" not in text
    assert look() == []


def draft(about: str, *, counters: bool = False, unit: str = "", at: int = NOW) -> Draft:
    event = Event(uid="", type="ai.finding", activity="update", at=at)
    return Draft(about=about, event=event, said="x", counters=counters, unit=unit)


def test_a_full_journal_loses_the_oldest_numbers_first_and_says_what_a_destination_lacks(database: sa.Engine) -> None:
    with writing(database) as connection:
        exports.ensure(connection, "down", since=0, now=NOW)
        exports.ensure(connection, "elsewhere", since=0, now=NOW)
        journal.append(connection, [draft(f"finding:{n}", counters=n % 2 == 1) for n in range(20)], now=NOW)
    filters = {"down": Filter(), "elsewhere": Filter(types=("ai.audit",))}

    def trim(most: int, now: int = NOW) -> list[str]:
        while True:
            with writing(database) as connection:
                if not journal.trim(connection, now=now, filters=filters, most=most):
                    rows = connection.execute(sa.select(JOURNAL.c.about).order_by(JOURNAL.c.id))
                    return [row.about.removeprefix("finding:") for row in rows]

    assert trim(20) == [str(n) for n in range(20)]
    assert trim(13) == [*["0", "2", "4", "6", "8", "10", "12", "14", "15", "16", "17", "18", "19"]]
    assert trim(8) == [*["4", "6", "8", "10", "12", "14", "16", "18"]]
    with database.connect() as connection:
        states = exports.states(connection)
    assert (states["down"].dropped, states["elsewhere"].dropped) == (12, 0)
    assert trim(8, NOW + journal.LONGEST + 1) == []
    with writing(database) as connection:
        journal.append(connection, [draft("finding:new")], now=NOW)
        [left] = journal.read(connection, after=0, wanted=Filter())
    assert left.id > 20  # numbers are never drawn again: no destination's place comes to mean another event


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), "abcdef"),
        (Filter(types=("ai.coverage",)), "f"),
        (Filter(verdicts=("prohibited",)), "bf"),
        (Filter(min_risk="high"), "bcf"),
        (Filter(units=("EMEA",)), "ad"),
        (Filter(units=("emea/sales", "apac")), "bd"),
        (Filter(types=("ai.finding",), verdicts=("prohibited", "observed"), min_risk="medium"), "b"),
    ],
)
def test_filters(database: sa.Engine, wanted: Filter, expected: str) -> None:
    rows: list[tuple[str, str, Any, str]] = [
        ("a", "observed", "low", "emea"),
        ("b", "prohibited", "critical", "apac"),
        ("c", "unregistered", "high", "emeal"),
        ("d", "unregistered", "medium", "Emea/Sales"),
        ("e", "authorised", "low", ""),
        ("f", "", None, ""),
    ]
    with writing(database) as connection:
        for name, verdict, risk, unit in rows:
            type_: EventType = "ai.coverage" if name == "f" else "ai.finding"
            event = Event(uid="", type=type_, activity="update", at=NOW)
            journal.append(
                connection, [Draft(about=name, event=event, said="", verdict=verdict, risk=risk, unit=unit)], now=NOW
            )
        found = journal.read(connection, after=0, wanted=wanted)
        assert "".join(one.about for one in found) == expected
        assert journal.waiting(connection, after=0, wanted=wanted)[0] == len(expected)


def test_writers_at_once_draw_numbers_in_the_order_of_their_commits(database: sa.Engine) -> None:
    """Whoever reads up to a number has missed none below it."""
    seen: list[int] = []
    missed: list[int] = []
    stop = threading.Event()

    def write(name: int) -> None:
        for _ in range(15):
            with writing(database) as connection:
                journal.append(connection, [draft(f"finding:{name}"), draft(f"finding:x{name}")], now=NOW)

    def read() -> None:
        place = 0
        while not stop.is_set() or place < 120:
            with database.connect() as connection:
                for entry in journal.read(connection, after=place, wanted=Filter()):
                    if entry.id <= place:
                        missed.append(entry.id)
                    place = entry.id
                    seen.append(entry.id)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join(20)
    assert missed == []
    with database.connect() as connection:
        everything = [one.id for one in journal.read(connection, after=0, wanted=Filter(), limit=1_000)]
    assert seen == everything
    assert len(everything) == 120
    sequences: dict[str, list[int]] = {}
    for event, entry in zip(told(database), everything, strict=True):
        assert event.sequence
        del entry
    with database.connect() as connection:
        for one in journal.read(connection, after=0, wanted=Filter(), limit=1_000):
            sequences.setdefault(one.about, []).append(one.event().sequence)
    assert all(several == list(range(1, 16)) for several in sequences.values())
