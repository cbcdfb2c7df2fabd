"""What the collector does on its own, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector import rolling_up
from aimscope_collector.alerts import Alert
from aimscope_collector.background import Background, Inbox
from aimscope_collector.reconciling import Reconciler
from aimscope_collector.review import Decision
from aimscope_collector.store import alerts, decisions, inventories, outbox, watching
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.sending import OUTBOX
from aimscope_collector.store.tables.sightings import USAGE_DAY
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted


class Collector:
    """A background whose clock a test sets."""

    def __init__(self, engine: sa.Engine, folder: Path) -> None:
        self.engine = engine
        self.now = NOW
        self.inbox = Inbox()

        def follow(connection: sa.Connection, changes: Any) -> None:
            decisions.reconsider(connection, now=self.now, findings=(*changes.new, *changes.changed))

        self.background = Background(
            engine,
            reconciler=Reconciler(engine, door=DOOR, follow=follow),
            inbox=self.inbox,
            services=SERVICES,
            matcher=lambda: pytest.fail("nothing is matched here"),
            catalogue=b"",
            signing=folder,
            now=lambda: self.now,
        )

    def keep(self, *rows: Any, effective_from: int = NOW) -> None:
        with writing(self.engine) as connection:
            inventories.keep(
                connection, inventory=inventory(*rows), author="a", note="", effective_from=effective_from, now=NOW
            )


@pytest.fixture
def collector(database: sa.Engine, tmp_path: Path) -> Collector:
    return Collector(database, tmp_path)


@pytest.fixture
def fleet(collector: Collector) -> Planted:
    planted = Planted(collector.engine)
    planted.saw(planted.agent("h1", "emea"), "cursor", "application", id="dpkg:cursor")
    return planted


def verdicts(fleet: Planted) -> dict[tuple[str, str, str], str]:
    return {key: row.verdict for key, row in fleet.findings().items()}


def test_an_inventory_is_judged_by_from_the_day_on_which_it_counts(collector: Collector, fleet: Planted) -> None:
    assert collector.background.judge() is True
    assert verdicts(fleet) == {("cursor", "emea", ""): "observed"}
    assert collector.background.judge() is False
    collector.keep(use(status="prohibited"), effective_from=NOW + DAY)
    assert collector.background.judge() is False
    collector.now += DAY
    assert collector.background.judge() is True
    assert verdicts(fleet) == {("cursor", "emea", ""): "prohibited"}


def test_what_was_reported_is_judged_and_rolled_up(collector: Collector, fleet: Planted) -> None:
    collector.background.judge()
    fleet.saw(fleet.agent("h2", "apac"), "cursor", "application", id="dpkg:cursor")
    collector.inbox.note([(202611, fleet.evidence("cursor", "application", id="dpkg:cursor"))])
    assert collector.background.judge() is True
    assert ("cursor", "apac", "") in fleet.findings()
    with collector.engine.connect() as connection:
        days = connection.execute(sa.select(USAGE_DAY)).all()
    assert {(row.day, row.service, row.assets) for row in days} == {(20261123, "cursor", 1)}
    assert len(days) == 2
    rolling_up.roll_up_all(collector.engine)


def test_a_decision_that_ends_reopens_by_itself(collector: Collector, fleet: Planted) -> None:
    collector.background.judge()
    with writing(collector.engine) as connection:
        decided = Decision(uid="d1", service="cursor", action="tolerate", reason="x", by="ann", at=NOW, until=NOW + DAY)
        decisions.decide(connection, [decided], now=NOW)
    collector.now += 2 * DAY
    collector.background.reconsider()
    with collector.engine.connect() as connection:
        assert [one.state for one in decisions.standings(connection, now=collector.now).values()] == ["under_review"]


def test_a_failure_leaves_what_waits_for_the_next_time(collector: Collector, fleet: Planted) -> None:
    collector.background.judge()
    collector.inbox.touch(frozenset({"cursor"}))
    collector.engine.dispose()
    broken = collector.background._reconciler
    collector.background._reconciler = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        collector.background.judge()
    collector.background._reconciler = broken
    assert collector.background.judge() is True


def test_somebody_is_told_once_of_what_is_new(collector: Collector, fleet: Planted) -> None:
    def look() -> list[Alert]:
        with writing(collector.engine) as connection:
            return watching.look(connection, now=collector.now, destinations=["mail"])

    collector.background.judge()
    look()
    fleet.saw(fleet.agent("h2", "apac"), "chatgpt", "application", id="dpkg:chatgpt", presence="used")
    fleet.reconcile(now=collector.now)
    told = look()
    assert {alert.rule for alert in told} >= {"new_service"}
    assert look() == []
    with collector.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(OUTBOX)).scalar_one() >= len(told)
        assert alerts.told(connection)
        assert outbox.status(connection)[0].destination == "mail"
