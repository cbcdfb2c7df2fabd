"""One look after the other at a database that changes: what changed is told, once, and survives whoever looks."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.store import alerts as store
from aimscope_collector.store import watching
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sending import ALERT, OUTBOX
from aimscope_collector.store.tables.sightings import COVERAGE

DAY = 86_400
NOW = 20_000 * DAY + 1  # 2024-10-04


def finding(name: str, service: str = "chatgpt", unit: str = "emea", **more: Any) -> dict[str, Any]:
    row = {
        "id": name,
        "service": service,
        "unit": unit,
        "condition": "",
        "verdict": "unregistered",
        "name": service,
        "vendor": "",
        "category": "",
        "row": "",
        "reasons": "[]",
        "presence": 4,
        "assets": 1,
        "subjects": 1,
        "agents": 1,
        "count": 1,
        "last": 5,
        "bytes_out": None,
        "opened_at": 1,
        "changed_at": 1,
        "present": 1,
    }
    return row | more


def look(database: sa.Engine, now: int = NOW) -> list[str]:
    with writing(database) as connection:
        return [alert.rule for alert in watching.look(connection, now=now, destinations=["hook"])]


def found(database: sa.Engine, *rows: dict[str, Any]) -> None:
    with writing(database) as connection:
        connection.execute(FINDING.insert(), list(rows))


def change(database: sa.Engine, name: str, **values: Any) -> None:
    with writing(database) as connection:
        connection.execute(FINDING.update().where(FINDING.c.id == name).values(**values))


def test_each_change_is_told_once(database: sa.Engine) -> None:
    found(database, finding("f-1", bytes_out=7))
    assert look(database) == [], "the first look"
    assert look(database) == []
    found(database, finding("f-2", unit="apac"), finding("f-3", service="cursor"))
    assert look(database) == ["new_service", "new_unit"]
    change(database, "f-1", bytes_out=200_000_000, verdict="prohibited", last=6)
    assert look(database) == ["prohibited_use", "volume"]
    assert look(database) == []
    change(database, "f-1", last=7)
    assert look(database, NOW + 8 * DAY) == ["prohibited_use"]
    change(database, "f-3", present=0)
    assert look(database) == []
    change(database, "f-3", present=1)
    assert look(database, NOW + 30 * DAY) == [], "back, and not new"
    with database.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(OUTBOX)).scalar_one() == 5


def test_an_empty_fleet_has_its_first_look_too(database: sa.Engine) -> None:
    assert look(database) == []
    found(database, finding("f-1"))
    assert look(database) == ["new_service"]


def test_what_was_not_committed_is_told_by_the_next_look(database: sa.Engine) -> None:
    look(database)
    found(database, finding("f-1"))

    def killed() -> None:
        with writing(database) as connection:
            assert watching.look(connection, now=NOW, destinations=["hook"])
            raise KeyError

    with pytest.raises(KeyError):
        killed()
    assert look(database) == ["new_service"]


@pytest.fixture
def agents(database: sa.Engine) -> None:
    """Six agents: one silent, one silent and revoked, one cloned."""
    with writing(database) as connection:
        connection.execute(UNIT.insert().values(id=1, path="emea"))
        for number in range(1, 7):
            seen = {"first_seen": 1, "last_seen": 1, "unit": 1}
            connection.execute(ASSET.insert().values(id=number, pseudonym=f"d-{number}", **seen))
            state: dict[str, Any] = {
                "approved_at": 1,
                "last_seen": NOW - 3 * DAY if number in (1, 2) else NOW,
                "revoked_at": 5 if number == 2 else None,
                "clone_at": NOW - 5 if number == 3 else None,
            }
            connection.execute(
                AGENT.insert().values(
                    id=number, uid=f"a{number}", asset=number, secret="x", machine="m", enrolled_at=1, **state
                )
            )


def test_silent_and_cloned_agents(database: sa.Engine, agents: None) -> None:
    assert look(database) == ["clone", "silent_agents"]
    assert look(database) == []
    with database.connect() as connection:
        said = {alert.rule: alert.facts for _, alert in store.told(connection)}
    assert said["silent_agents"] == {"unit": "emea", "silent": 1, "agents": 5, "some": "a1"}
    assert said["clone"] == {"agent": "a3"}


def test_coverage_that_was_lost_yesterday(database: sa.Engine, agents: None) -> None:
    look(database)
    with writing(database) as connection:
        for day, count in ((20241002, 6), (20241003, 2), (20241004, 0)):
            for number in range(1, 7):
                status = "complete" if number <= count else "denied"
                connection.execute(
                    COVERAGE.insert().values(
                        agent=number, epoch=1, sensor="processes", source="", day=day, sequence=1, status=status
                    )
                )
    assert look(database) == ["coverage_loss"]


def test_an_explosion_kept_by_ingest_goes_out(database: sa.Engine) -> None:
    with writing(database) as connection:
        connection.execute(
            ALERT.insert().values(
                rule="evidence_explosion", key="a1:1", at=NOW - 5, severity="warning", text="t", facts='{"agent":"a1"}'
            )
        )
    assert look(database) == look(database) == []
    with database.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(OUTBOX)).scalar_one() == 1
