"""A revoked machine that enrols again is served by the collector that is running."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa

from aimscope_collector.ingest.context import refresh
from aimscope_collector.store import agents
from aimscope_collector.store.database import writing
from tests.collector.fleet.at_the_door import FACT, NOW, Agent, cell, context_of, rows, running, token


def test_a_revoked_machine_comes_again_with_a_new_identity_and_is_one_device(
    database: sa.Engine, tmp_path: Path
) -> None:
    async def main() -> None:
        context, other = context_of(database, tmp_path), context_of(database, tmp_path)
        async with running(context) as client, running(other) as elsewhere:
            first = Agent(client, "one", "a" * 64)
            await first.enrol(token(database))
            assert (await first.report(facts=[FACT], cells=[cell()])).status_code == 200
            with writing(database) as connection:
                agents.revoke(connection, "one", why="lost", by="ann", now=NOW)
            await refresh(context)
            assert (await first.check_in()).status_code == 401
            refused = await first.enrol(token(database))
            assert refused.json()["type"].endswith("revoked"), "the same identity stays out, whatever the token"
            again = Agent(client, "two", "a" * 64)
            assert (await again.enrol(token(database), name="host-one")).status_code == 200
            for desk in (client, elsewhere):
                again.client = desk
                assert (await again.check_in()).status_code == 200
                assert (await again.report(2, facts=[FACT], cells=[cell()])).status_code == 200
            first.client = elsewhere
            assert (await first.check_in()).status_code == 401
            await refresh(other)
            assert (await first.check_in()).status_code == 401
            assert (await again.check_in()).status_code == 200
        assert rows(database, "select count(distinct asset), count(*) from agent") == [(1, 2)]

    asyncio.run(main())
