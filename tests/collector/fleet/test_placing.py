"""Rules of units, tags, groups and patterns of the inventory take effect when agents say who they are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.assets import UnitRule
from aimscope_collector.ingest.context import flush, relearn
from aimscope_collector.store import inventories, units
from aimscope_collector.store.database import writing
from tests.collector.example import inventory, use
from tests.collector.fleet.at_the_door import NOW, Agent, context_of, rows, running, token

PLACED = "select unit.path, asset.unit_by from asset left join unit on unit.id = asset.unit where asset.managed"


def _rules(database: sa.Engine, *rules: tuple[str, str, str]) -> None:
    with writing(database) as connection:
        made = [
            UnitRule(number, what, pattern, units.ensure(connection, path=unit, actor="ann", now=NOW))  # type: ignore[arg-type]
            for number, (what, pattern, unit) in enumerate(rules)
        ]
        units.replace_rules(connection, rules=made, actor="ann", now=NOW)


def _rows_of_inventory(database: sa.Engine, *hosts: str) -> None:
    with writing(database) as connection:
        found = inventory(use(hosts=hosts))
        inventories.keep(connection, inventory=found, author="ann", note="", effective_from=NOW, now=NOW)


@pytest.mark.parametrize(
    ("rule", "said", "placed"),
    [
        (("host", "lab-*", "lab"), {"name": "lab-7"}, ("lab", "rule")),
        (("host", "lab-*", "lab"), {"name": "laboratory"}, (None, "")),
        (("subnet", "10.1.0.0/16", "site"), {"addresses": ["fe80::1", "10.1.2.3"]}, ("site", "rule")),
        (("subnet", "10.1.0.0/16", "site"), {"addresses": ["10.2.2.3"]}, (None, "")),
        (("subnet", "127.0.0.0/8", "site"), {"addresses": ["127.0.0.1"]}, (None, "")),
    ],
)
def test_a_rule_places_a_machine_that_enrols_and_one_that_checks_in(
    database: sa.Engine, tmp_path: Path, rule: tuple[str, str, str], said: dict[str, Any], placed: tuple[Any, str]
) -> None:
    _rules(database, rule)

    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database), **{"name": "other", **said})
            assert rows(database, PLACED) == [placed]
            with writing(database) as connection:
                connection.exec_driver_sql("update asset set unit = null, unit_by = ''")
            await agent.check_in(**{"name": "other", **said})
            await flush(context)
            assert rows(database, PLACED) == [placed]

    asyncio.run(main())


def test_a_rule_made_later_takes_effect_at_the_next_check_in_and_a_person_counts_more(
    database: sa.Engine, tmp_path: Path
) -> None:
    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database), name="lab-7")
            await agent.check_in(name="lab-7")
            await flush(context)
            assert rows(database, PLACED) == [(None, "")]
            _rules(database, ("host", "lab-*", "lab"))
            await relearn(context)
            await agent.check_in(name="lab-7")
            await flush(context)
            assert rows(database, PLACED) == [("lab", "rule")]
            with writing(database) as connection:
                connection.exec_driver_sql("update asset set unit_by = 'person'")
            _rules(database, ("host", "lab-*", "emea"))
            await relearn(context)
            await agent.check_in(name="lab-7")
            await flush(context)
            assert rows(database, PLACED) == [("lab", "person")]

    asyncio.run(main())


def test_tags_of_the_token_and_groups_of_the_list_place_a_machine(database: sa.Engine, tmp_path: Path) -> None:
    _rules(database, ("group", "vip", "board"))

    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database, tags=["unit=board"]), name="lab-7")
            assert rows(database, PLACED) == [("board", "tag")]
            with writing(database) as connection:
                connection.exec_driver_sql("update asset set groups = '[\"vip\"]'")
            await agent.check_in(name="lab-7")
            await flush(context)
            assert rows(database, PLACED) == [("board", "rule")]

    asyncio.run(main())


def test_patterns_of_the_inventory_are_compared_with_clear_names_which_are_not_kept(
    database: sa.Engine, tmp_path: Path
) -> None:
    _rows_of_inventory(database, "lab-*", "*", "srv-1", "10.9.0.0/16")

    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database), name="lab-7")
            assert rows(database, "select fits from asset where managed") == [('["*","lab-*"]',)]
            _rows_of_inventory(database, "srv-*")
            await relearn(context)
            await agent.check_in(name="lab-7", addresses=["10.9.1.1"])
            await flush(context)
            assert rows(database, "select fits from asset where managed") == [("[]",)]

    asyncio.run(main())
    said = [
        str(row) for table in ("asset", "asset_address", "agent") for row in rows(database, f"select * from {table}")
    ]
    assert not [text for text in said if "lab-7" in text or "10.9.1.1" in text]


def test_what_has_not_changed_is_not_placed_again(database: sa.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database), name="lab-7")
            await agent.check_in(name="lab-7")
            await flush(context)
            await relearn(context)
            await agent.check_in(name="lab-7")
            assert not context.presence.take().said

    asyncio.run(main())
