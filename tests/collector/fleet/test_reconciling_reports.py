"""From what agents send to what a person reads: reports through the agents' door, then findings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa

from aimscope_collector.from_catalogue import services_of
from aimscope_collector.ingest.context import Context
from aimscope_collector.judging import Row
from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.store import assets, findings
from aimscope_collector.store.database import writing
from tests.collector.fleet.at_the_door import DOOR, FACT, NOW, Agent, cell, context_of, running, token

UNKNOWN = ["", "mcp_server", [["client", "cursor"], ["name", "crm"], ["package", "npm:crm-mcp"]]]


def reported(engine: sa.Engine, context: Context) -> list[Row]:
    knowledge = Knowledge(None, services_of(context.matcher().catalogue))
    Reconciler(engine, door=DOOR).run(knowledge, now=NOW)
    with engine.connect() as connection:
        return findings.rows(connection)


def test_reports_become_findings_and_a_gateways_client_the_agent_it_is(database: sa.Engine, tmp_path: Path) -> None:
    context = context_of(database, tmp_path)

    async def send() -> None:
        async with running(context) as client:
            gateway, laptop = Agent(client, "gateway"), Agent(client, "laptop")
            for agent in (gateway, laptop):
                assert (await agent.enrol(token(database))).status_code == 200
            assert (await laptop.check_in(name="laptop", addresses=["10.1.2.3", "127.0.0.1"])).status_code == 200
            own = [cell(count=3, subject="ann"), cell(1, presence="configured", details=[["remote", "true"]])]
            for _ in range(2):  # sent twice, counted once
                assert (await laptop.report(facts=[FACT, UNKNOWN], cells=own)).status_code == 200
            seen = [cell(count=5, asset="10.1.2.3"), cell(count=1, asset="10.1.2.99")]
            assert (await gateway.report(facts=[FACT], cells=seen)).status_code == 200

    asyncio.run(send())
    found = {(row.service, row.condition.partition(" ")[0]): row for row in reported(database, context)}
    assert set(found) == {("holly", ""), ("", "mcp")}
    holly = found["holly", ""]
    assert (holly.count, holly.assets, holly.agents, holly.subjects) == (9, 2, 2, 1)
    assert found["", "mcp"].name == "MCP server crm (npm:crm-mcp)"
    with writing(database) as connection:
        assert [each.pseudonym for each in assets.unmanaged(connection)] == [DOOR.address("10.1.2.99").pseudonym]
