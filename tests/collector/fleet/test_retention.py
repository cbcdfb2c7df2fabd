"""What goes when, and what stays."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aimscope_collector.retention import Retention, cutoffs
from aimscope_collector.store import audit, expiry
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sending import ALERT, OUTBOX
from aimscope_collector.store.tables.sightings import COVERAGE, DETAIL, RUN, SIGHTING, USAGE_DAY
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
