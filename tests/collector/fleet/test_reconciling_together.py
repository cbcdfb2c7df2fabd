"""Several at once: collectors that reconcile together, and what is reported meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.store import findings
from aimscope_collector.store.findings import Changes
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.planted import DOOR, NOW, Planted

KNOWLEDGE = Knowledge(inventory(use()), SERVICES)


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    planted = Planted(database)
    for number in range(4):
        agent = planted.agent(f"a{number}", f"unit{number % 2}")
        planted.saw(agent, "cursor", "application", id="dpkg:cursor")
        planted.saw(agent, "otter", "dns.query", name="otter.ai")
    return planted


def test_collectors_that_reconcile_at_once_agree(fleet: Planted) -> None:
    collectors = [Reconciler(fleet.engine, door=DOOR) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda each: each.run(KNOWLEDGE, now=NOW), collectors * 4))
    assert sum(len(outcome.changes.new) for outcome in outcomes) == 4
    assert {row.assets for row in fleet.findings().values()} == {2}


def test_what_arrives_while_it_runs_is_judged_the_next_time(fleet: Planted) -> None:
    arrived = threading.Event()

    def report(_: sa.Connection, changes: Changes) -> None:
        if not arrived.is_set():
            arrived.set()
            reconciler.touch(["cursor"])

    reconciler = Reconciler(fleet.engine, door=DOOR, follow=report)
    reconciler.touch(["otter"])
    reconciler.catch_up(KNOWLEDGE, now=NOW)
    assert reconciler.touched() == {"cursor"}
    reconciler.catch_up(KNOWLEDGE, now=NOW)
    assert {key[0] for key in fleet.findings()} == {"cursor", "otter"}
    assert reconciler.catch_up(KNOWLEDGE, now=NOW) is None


def test_what_follows_is_in_the_same_transaction(fleet: Planted) -> None:
    def fail(connection: sa.Connection, changes: Changes) -> None:
        assert len(findings.rows(connection)) == len(changes.new) == 2
        raise RuntimeError

    reconciler = Reconciler(fleet.engine, door=DOOR, follow=fail)
    reconciler.touch(["otter"])
    with pytest.raises(RuntimeError):
        reconciler.catch_up(KNOWLEDGE, now=NOW)
    assert fleet.findings() == {}
    assert reconciler.touched() == {"otter"}
