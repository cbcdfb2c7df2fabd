"""People decide while collectors judge: nobody waits crosswise, and nothing decided is lost."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.review import Decision
from aimscope_collector.store import decisions
from aimscope_collector.store.database import writing
from aimscope_collector.store.findings import Changes
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.planted import DOOR, NOW, Planted

ROUNDS = 12


def test_two_collectors_judge_and_decide_at_once(database: sa.Engine) -> None:
    fleet = Planted(database)
    for number in range(12):
        agent = fleet.agent(f"a{number}", f"unit{number}")
        fleet.saw(agent, "cursor", "application", id="dpkg:cursor")
        fleet.saw(agent, "otter", "dns.query", name="otter.ai")

    def follow(connection: sa.Connection, changes: Changes) -> None:
        decisions.reconsider(connection, now=NOW, findings=(*changes.new, *changes.changed))

    collectors = [Reconciler(database, door=DOOR, follow=follow) for _ in range(2)]
    prohibited, observed = Knowledge(inventory(use(status="prohibited")), SERVICES), Knowledge(None, SERVICES)
    collectors[0].run(observed, now=NOW)

    def judge(collector: Reconciler) -> None:
        for number in range(ROUNDS):
            collector.run((observed, prohibited)[number % 2], now=NOW + number)

    def decide(lane: int) -> None:
        for number in range(ROUNDS):
            one = Decision(
                uid=f"{lane}-{number}",
                service=("otter", "cursor")[(lane + number) % 2],
                action="tolerate",
                reason="x",
                by="ann",
                at=NOW,
                until=NOW + 10_000,
            )
            with writing(database) as connection:
                decisions.decide(connection, [one], now=NOW)

    work = [*(functools.partial(judge, each) for each in collectors), *(functools.partial(decide, n) for n in range(2))]
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(each) for each in work]:
            done.result()
    with database.connect() as connection:
        assert len([one for _, one in decisions.recent(connection) if one.by == "ann"]) == 2 * ROUNDS
