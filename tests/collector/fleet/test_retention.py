"""What goes when, and what stays."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aimscope_collector.door import Veiled
from aimscope_collector.retention import Retention, cutoffs
from aimscope_collector.store import audit, expiry, interning, settings
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import ASSET
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sending import ALERT, OUTBOX
from aimscope_collector.store.tables.sightings import COVERAGE, DETAIL, EVIDENCE, RUN, SIGHTING, SUBJECT, USAGE_DAY
from tests.collector.fleet.planted import DAY, NOW, Planted


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    return Planted(database)


def counts(fleet: Planted) -> dict[str, int]:
    tables = (SIGHTING, DETAIL, COVERAGE, RUN, USAGE_DAY, ALERT, OUTBOX, FINDING)
    with fleet.engine.connect() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in tables
        }


def plant(fleet: Planted, at: int, name: str) -> None:
    agent = fleet.agent(name)
    fleet.saw(agent, "cursor", "mcp_server", client="x", name=name, at=at, details={"remote": "true"})
    fleet.looked(agent, "mcp", "mcp_server", at=at)
    with writing(fleet.engine) as connection:
        day = cutoffs(Retention(coverage=1), at + DAY).coverage_day
        connection.execute(USAGE_DAY.insert().values(day=day, service="x", unit=0, assets=1, subjects=0))
        facts = {"severity": "low", "text": "", "facts": "{}"}
        connection.execute(ALERT.insert().values(rule="r", key=name, at=at, **facts))
        for event, delivered in ((f"{name}-sent", at), (f"{name}-waits", None)):
            times = {"created_at": at, "next_at": at, "delivered_at": delivered}
            connection.execute(OUTBOX.insert().values(event=event, destination="d", payload="{}", **times))


def test_what_is_old_goes_and_what_is_not_stays(fleet: Planted) -> None:
    plant(fleet, NOW - 500 * DAY, "old")
    plant(fleet, NOW - 399 * DAY, "kept")
    fleet.reconcile()
    before = counts(fleet)
    with fleet.engine.connect() as connection:
        entries = len(audit.entries(connection))
    gone = expiry.expire(fleet.engine, cutoffs(Retention(delivered=450), NOW), now=NOW)
    assert gone == {"sighting": 1, "coverage": 1, "detail": 1, "alert": 1, "outbox": 1}
    after = counts(fleet)
    assert {table: before[table] - after[table] for table in gone} == gone
    assert (after["run"], after["usage_day"], after["finding"]) == (2, 2, before["finding"])
    assert after["outbox"] == 3
    with fleet.engine.connect() as connection:
        (entry,) = audit.entries(connection)[entries:]
    assert (entry.action, entry.facts["sighting"]) == ("retention.expired", 1)


def test_nothing_over_is_nothing_written(fleet: Planted) -> None:
    plant(fleet, NOW, "new")
    assert expiry.expire(fleet.engine, cutoffs(Retention(), NOW), now=NOW) == {}
    with fleet.engine.connect() as connection:
        assert audit.entries(connection) == []


def test_runs_and_use_go_in_the_end(fleet: Planted) -> None:
    plant(fleet, NOW - 1_200 * DAY, "ancient")
    gone = expiry.expire(fleet.engine, cutoffs(Retention(), NOW), now=NOW)
    assert {"run", "usage_day"} <= gone.keys()


def test_what_waits_to_be_delivered_waits(fleet: Planted) -> None:
    plant(fleet, NOW - 5_000 * DAY, "ancient")
    expiry.expire(fleet.engine, cutoffs(Retention(), NOW), now=NOW)
    with fleet.engine.connect() as connection:
        assert connection.execute(sa.select(OUTBOX.c.event)).scalars().all() == ["ancient-waits"]


def _named(fleet: Planted) -> tuple[int, int, int]:
    """Evidence, people and devices that gateways saw."""
    tables = (EVIDENCE, SUBJECT, ASSET)
    with fleet.engine.connect() as connection:
        where = (sa.true(), SUBJECT.c.id != 0, ASSET.c.source == "gateway")
        count = [
            sa.select(sa.func.count()).select_from(one).where(which) for one, which in zip(tables, where, strict=True)
        ]
        evidence, people, devices = (connection.execute(each).scalar_one() for each in count)
    return evidence, people, devices


def _wanted(agent: int, name: str) -> interning.Wanted:
    one = interning.Evidence(key=name.encode().ljust(16), service=name, kind="dns.query", fields="{}")
    veiled = Veiled(f"p-{name}", b"sealed")
    device = Veiled(f"d-{name}", b"sealed")
    return interning.Wanted(
        agent=agent,
        at=NOW,
        evidence={one.key: (one, one)},
        subjects={veiled.pseudonym: lambda: veiled},
        assets={device.pseudonym: lambda: device},
    )


def _expire(fleet: Planted, now: int) -> dict[str, int]:
    return expiry.expire(fleet.engine, cutoffs(Retention(), now), now=now)


def test_what_nobody_names_any_more_goes_the_day_after(fleet: Planted) -> None:
    agent = fleet.agent("a")
    with writing(fleet.engine) as connection:
        interning.intern(connection, _wanted(agent, "x"))
        interning.intern(connection, _wanted(agent, "erased"))
        connection.execute(SUBJECT.update().where(SUBJECT.c.pseudonym == "p-erased").values(erased_at=NOW))
        before = settings.number(connection, interning.VERSION)
    assert _expire(fleet, NOW) == {}
    assert _expire(fleet, NOW + 60) == {}
    assert _named(fleet) == (2, 2, 2)
    with fleet.engine.connect() as connection:
        assert settings.number(connection, interning.VERSION) > before, "collectors forget the ids"
    assert _expire(fleet, NOW + DAY) == {"evidence": 2, "subject": 1, "asset": 2}
    assert _named(fleet) == (0, 1, 0)
    with writing(fleet.engine) as connection:
        again = interning.intern(connection, _wanted(agent, "x"))
    assert (len(again.evidence), len(again.subjects), len(again.assets)) == (1, 1, 1)


def test_what_is_named_again_stays(fleet: Planted) -> None:
    agent = fleet.agent("a")
    with writing(fleet.engine) as connection:
        first = interning.intern(connection, _wanted(agent, "x"))
    _expire(fleet, NOW)
    with writing(fleet.engine) as connection:
        assert interning.intern(connection, _wanted(agent, "x")) == first
    assert _expire(fleet, NOW + DAY) == {}
    assert _named(fleet) == (1, 1, 1)


def test_what_a_total_names_stays_whoever_wrote_it(fleet: Planted) -> None:
    agent = fleet.agent("a")
    with writing(fleet.engine) as connection:
        found = interning.intern(connection, _wanted(agent, "x"))
    _expire(fleet, NOW)
    ids = {
        "evidence": next(iter(found.evidence.values())),
        "subject": next(iter(found.subjects.values())),
        "asset": next(iter(found.assets.values())),
    }
    with writing(fleet.engine) as connection:
        total = {"month": 202611, "agent": agent, "epoch": 1, "count": 1, "first": NOW, "last": NOW, "days": 1}
        connection.execute(SIGHTING.insert().values(**total, **ids, identity=0, presence=0))
    assert _expire(fleet, NOW + DAY) == {}
    assert _named(fleet) == (1, 1, 1)
    with fleet.engine.connect() as connection:
        assert connection.execute(sa.select(EVIDENCE.c.idle_since)).scalars().all() == [None]
