"""People decide while collectors judge: nobody waits crosswise, and nothing decided is lost."""

from __future__ import annotations

import threading
import time

import sqlalchemy as sa

from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.review import Decision
from aimscope_collector.store import database as databases
from aimscope_collector.store import decisions
from aimscope_collector.store.database import is_sqlite, writing
from aimscope_collector.store.findings import Changes
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.planted import DOOR, NOW, Planted


def test_two_collectors_judge_and_decide_about_one_finding_at_once(database: sa.Engine, where: str) -> None:
    fleet = Planted(database)
    fleet.saw(fleet.agent("a", "emea"), "cursor", "application", id="dpkg:cursor")
    other = database if is_sqlite(database) else databases.connect(where)
    refused: list[BaseException] = []

    def decide() -> None:
        one = Decision(uid="d1", service="cursor", action="tolerate", reason="x", by="ann", at=NOW, until=NOW + 86_400)
        try:
            with writing(other) as connection:
                decisions.decide(connection, [one], now=NOW)
        except sa.exc.SQLAlchemyError as error:
            refused.append(error)

    def waits() -> bool:
        if is_sqlite(database):
            return databases._TURNS[database].waiting > 0
        with database.connect() as connection:
            blocked = "select count(*) from pg_locks where not granted"
            return bool(connection.exec_driver_sql(blocked).scalar_one())

    deciding = threading.Thread(target=decide)

    def follow(connection: sa.Connection, changes: Changes) -> None:
        if changes.changed:
            deciding.start()
            while not waits():
                time.sleep(0.01)
        decisions.reconsider(connection, now=NOW, findings=(*changes.new, *changes.changed))

    reconciler = Reconciler(database, door=DOOR, follow=follow)
    reconciler.run(Knowledge(None, SERVICES), now=NOW)
    reconciler.run(Knowledge(inventory(use(status="prohibited")), SERVICES), now=NOW)
    deciding.join()
    assert refused == []
    with database.connect() as connection:
        assert [one.uid for _, one in decisions.recent(connection)] == ["d1"]
        (standing,) = decisions.standings(connection, now=NOW).values()
    assert standing.state == "tolerated"
    assert {row.verdict for row in fleet.findings().values()} == {"prohibited"}
    other.dispose()
