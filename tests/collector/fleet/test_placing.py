"""Rules of units, tags, groups and patterns of the inventory take effect when agents say who they are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector.assets import UnitRule
from aimscope_collector.background import Background, Inbox
from aimscope_collector.ingest.context import flush, relearn
from aimscope_collector.reconciling import Reconciler
from aimscope_collector.store import assets, inventories, placing, units
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import ASSET
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.at_the_door import DOOR, NOW, Agent, context_of, rows, running, token
from tests.collector.fleet.planted import NOW as FLEET_NOW
from tests.collector.fleet.planted import Planted

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


def test_a_rule_that_is_taken_away_takes_its_placement_along_and_the_next_one_that_fits_counts(
    database: sa.Engine, tmp_path: Path
) -> None:
    moved: list[frozenset[int]] = []

    async def main() -> None:
        context = msgspec.structs.replace(context_of(database, tmp_path), moved=moved.append)
        async with running(context) as client:
            agents = [Agent(client, name) for name in ("plain", "tagged", "token")]
            with writing(database) as connection:
                units.ensure(connection, path="own", actor="ann", now=NOW)
            given: tuple[dict[str, Any], ...] = ({}, {"tags": ["unit=emea"]}, {"unit": "own"})
            for agent, more in zip(agents, given, strict=True):
                await agent.enrol(token(database, **more), name=f"lab-{agent.uid}")

            async def placed(*rules: tuple[str, str, str]) -> list[tuple[Any, ...]]:
                _rules(database, *rules)
                await relearn(context)
                for agent in agents:
                    await agent.check_in(name=f"lab-{agent.uid}")
                await flush(context)
                return rows(database, f"{PLACED} order by asset.id")

            both = [("host", "lab-*", "lab"), ("host", "lab*", "other"), ("host", "none", "emea")]
            own = ("own", "token")
            assert await placed(*both) == [("lab", "rule"), ("lab", "rule"), own]
            assert await placed(*both[1:]) == [("other", "rule"), ("other", "rule"), own]
            moved.clear()
            assert await placed(*both[2:]) == [(None, ""), ("emea", "tag"), own]
            assert sorted(set().union(*moved)) == [1, 2]
            moved.clear()
            assert await placed(*both[2:]) == [(None, ""), ("emea", "tag"), own]
            assert not moved

    asyncio.run(main())


def test_what_a_person_took_back_goes_to_the_token_again(database: sa.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            with writing(database) as connection:
                units.ensure(connection, path="own", actor="ann", now=NOW)
            agent = Agent(client, "one")
            await agent.enrol(token(database, unit="own"), name="lab-7")
            for unit, expected in ((None, ("own", "token")), ("lab", ("lab", "person"))):
                with writing(database) as connection:
                    wanted = None if unit is None else units.ensure(connection, path=unit, actor="ann", now=NOW)
                    names = [DOOR.device("lab-7").pseudonym]
                    assets.assign(connection, pseudonyms=names, unit=wanted, actor="ann", now=NOW)
                _rules(database, ("host", "nothing", f"u{unit}"))
                await relearn(context)
                await agent.check_in(name="lab-7")
                await flush(context)
                assert rows(database, PLACED) == [expected]

    asyncio.run(main())


def test_devices_that_say_nothing_lose_a_unit_that_no_rule_gives_any_more(database: sa.Engine) -> None:
    fleet = Planted(database)
    _rules(database, ("host", "a*", "gone"), ("host", "b*", "stays"))
    long_ago = NOW - 86_400
    for name, unit, by, seen in (
        ("silent", "gone", "rule", long_ago),
        ("lives", "gone", "rule", NOW),
        ("other", "stays", "rule", long_ago),
        ("person", "gone", "person", long_ago),
    ):
        fleet.agent(name, unit, seen=seen)
        with writing(database) as connection:
            connection.execute(ASSET.update().where(ASSET.c.id == fleet.device(name).id).values(unit_by=by))
    with writing(database) as connection:
        stays = units.ensure(connection, path="stays", actor="ann", now=NOW)
        assert placing.undo_of_silent(connection, units={stays}, before=NOW - 3_600) == 1
        assert placing.undo_of_silent(connection, units={stays}, before=NOW - 3_600) == 0
    placed = {name: (fleet.device(name).unit, fleet.device(name).unit_by) for name in ("silent", "lives", "other")}
    assert placed["silent"] == (None, "")
    assert placed["lives"][1] == placed["other"][1] == "rule"
    assert fleet.device("person").unit_by == "person"


def test_findings_move_with_their_device_at_once(database: sa.Engine, tmp_path: Path) -> None:
    fleet = Planted(database)
    agent = fleet.agent("lab-7", "emea")
    fleet.saw(agent, "cursor", "application", id="dpkg:cursor")
    fleet.saw(fleet.agent("other", "emea"), "chatgpt", "application", id="dpkg:chatgpt")
    inbox = Inbox()
    background = Background(
        database,
        reconciler=Reconciler(database, door=DOOR),
        inbox=inbox,
        services=SERVICES,
        matcher=lambda: pytest.fail("nothing is matched here"),
        catalogue=b"",
        signing=tmp_path,
        now=lambda: FLEET_NOW,
    )
    background.judge()
    apac = fleet.unit("apac")
    with writing(database) as connection:
        connection.execute(ASSET.update().where(ASSET.c.id == fleet.device("lab-7").id).values(unit=apac))
    assert background.judge() is False
    inbox.moved([agent])
    assert background.judge() is True
    assert {key[:2] for key in fleet.findings()} == {("cursor", "apac"), ("chatgpt", "emea")}
