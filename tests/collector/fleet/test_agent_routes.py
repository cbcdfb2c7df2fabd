"""The agents' routes as an agent meets them, on both databases."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from aimscope_collector.ingest.limits import Limits
from aimscope_collector.store import interning
from tests.collector.fleet.at_the_door import (
    DOOR,
    FACT,
    MONTH,
    NOW,
    Agent,
    cell,
    context_of,
    rows,
    running,
    token,
)

Story = Callable[[httpx.AsyncClient, Agent], Awaitable[None]]


def _tell(database: sa.Engine, tmp_path: Path, story: Story, limits: Limits | None = None) -> None:
    """A story of one enrolled agent."""

    async def main() -> None:
        async with running(context_of(database, tmp_path, limits=limits)) as client:
            agent = Agent(client, "one")
            assert (await agent.enrol(token(database))).status_code == 200
            await story(client, agent)

    asyncio.run(main())


def _problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"]


def test_a_report_is_kept_and_its_names_are_veiled(database: sa.Engine, tmp_path: Path) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        details = [["asked", "api.holly.example"], ["client", "10.9.8.7"], ["device", "alices-phone"]]
        cells = [
            cell(count=3, subject="Alice", bytes_out=70),
            cell(count=5, asset="10.9.8.7", subject="alice", details=details),
            cell(count=2),
        ]
        answer = await agent.report(facts=[FACT], cells=cells)
        assert answer.status_code == 200
        assert answer.json() == {"committed": 1, "next_check_in": 300, "now": NOW} | answer.json()
        assert "notice" not in answer.json()
        again = await agent.report(facts=[FACT], cells=cells)
        assert again.json()["committed"] == 1

    _tell(database, tmp_path, story)
    said = rows(database, "select month, count, bytes_out, presence, identity from sighting order by count")
    assert said == [(MONTH, 2, None, 4, 2), (MONTH, 3, 70, 4, 2), (MONTH, 5, None, 4, 2)]
    assert rows(database, "select pseudonym from subject") == [(DOOR.person("alice").pseudonym,)]
    assert (DOOR.address("10.9.8.7").pseudonym,) in rows(database, "select pseudonym from asset")
    assert rows(database, "select subject from sighting where count = 2") == [(0,)]
    assert rows(database, "select service, kind, fields, confirmed, held from evidence") == [
        (
            *("holly", "dns.query", '{"name":"api.holly.example"}', True),
            '[{"field":"name","operator":"domain","value":"holly.example"}]',
        )
    ]
    assert rows(database, "select details from detail") == [('{"asked":"api.holly.example"}',)]
    dump = _dump(database)
    assert "alice" not in dump.lower()
    assert "10.9.8.7" not in dump
    assert "host-one" not in dump


def _dump(engine: sa.Engine) -> str:
    from aimscope_collector.store.tables import METADATA

    with engine.connect() as connection:
        return repr([[*row] for table in METADATA.sorted_tables for row in connection.execute(table.select())])


def test_bad_rows_are_named_and_good_ones_kept(database: sa.Engine, tmp_path: Path) -> None:
    facts = [
        FACT,
        ["holly", "a.kind.of.tomorrow", []],
        ["holly", "dns.query", [["client", "10.0.0.1"]]],
        ["holly", "dns.query", [["name", "a\0b"]]],
        ["holly\n", "dns.query", []],
    ]
    cells = [cell(at) for at in range(len(facts))]
    cells += [cell(month=203001), cell(month=199001), cell(7), cell(identity="sure"), cell(first=9, last=8)]

    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        look = ["dns", "", 20251101, 1, "complete"]
        answer = await agent.report(
            facts=facts, cells=cells, looks=[look, ["d\0", *look[1:]], [*look[:2], 20301101, *look[3:]]]
        )
        notice = answer.json()["notice"]
        for why in (
            *("a fact of unknown kind (1)", "does not declare as evidence (1)", "a fact with a NUL character (1)"),
            *("a fact whose service is no id (1)", "a cell of a month far from now (2)", "a cell without a fact (5)"),
            *("a cell of unknown identity (1)", "a cell that ends before it begins (1)"),
            *("a look with a NUL character (1)", "a look on a day far from now (1)"),
        ):
            assert why in notice
        assert answer.json()["committed"] == 1

    _tell(database, tmp_path, story)
    assert rows(database, "select count(*) from sighting") == [(1,)]
    assert rows(database, "select count(*) from evidence") == [(1,)]
    assert rows(database, "select sensor, day, status from coverage") == [("dns", 20251101, "complete")]


def test_what_a_fact_is_depends_on_its_fields_only(database: sa.Engine, tmp_path: Path) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        fields = [["name", "x.example"], ["blocked", "True"]]
        facts = [["", "dns.query", fields], ["", "dns.query", fields[::-1], [["name", "equals", "a lie"]]]]
        profile = ["", "config_file", [["path", "/home/alice/.tool/config"]]]
        await agent.report(facts=[*facts, profile], cells=[cell(0), cell(1), cell(2)])

    _tell(database, tmp_path, story)
    assert rows(database, "select kind, fields, held, confirmed from evidence order by kind") == [
        ("config_file", '{"path":"~/.tool/config"}', "[]", False),
        ("dns.query", '{"blocked":"True","name":"x.example"}', "[]", False),
    ]


CREDENTIALS = ["", "Basic x", "Bearer", "Bearer one", "Bearer one.", "Bearer .x", "Bearer one.wrong", "Bearer two.x"]


@pytest.mark.parametrize("said", [*CREDENTIALS, "Bearer " + "x" * 600 + ".y", "Bearer o\xff.x"])
def test_without_its_secret_nobody_is_anybody(database: sa.Engine, tmp_path: Path, said: str) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        headers = {"authorization": said.encode("latin-1")}
        for method, path in (("POST", "ingest"), ("POST", "check-in"), ("GET", "policy/" + "0" * 64)):
            answer = await client.request(method, f"/v1/{path}", headers=headers)  # type: ignore[arg-type]
            assert _problem(answer) == (401, "unauthorised")
            assert answer.headers["www-authenticate"] == "Bearer"

    _tell(database, tmp_path, story)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/ingest", 405),
        ("POST", "/v1/policy/" + "0" * 64, 405),
        ("GET", "/v1/policy", 404),
        ("POST", "/v1/ingest/more", 404),
        ("GET", "/", 404),
        ("GET", "/v1/", 404),
        ("GET", "/v2/ingest", 404),
    ],
)
def test_other_routes_and_methods(database: sa.Engine, tmp_path: Path, method: str, path: str, status: int) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        assert (await client.request(method, path, headers=agent.headers())).status_code == status

    _tell(database, tmp_path, story)


def test_bounds_hold_at_the_route_and_others_are_served(database: sa.Engine, tmp_path: Path) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        bomb = gzip.compress(b"\0" * (16 << 20))
        assert _problem(await agent.send(bomb)) == (413, "too-large")
        assert _problem(await agent.send(b"x" * ((1 << 20) + 1))) == (413, "too-large")
        assert _problem(await agent.send(b"{}", **{"content-encoding": "br"})) == (415, "encoding")
        assert _problem(await agent.send(b"[" * 200_000, **{"content-encoding": "identity"})) == (400, "malformed")
        assert _problem(await agent.check_in(notices=["x" * 70_000])) == (413, "too-large")
        assert _problem(await agent.check_in(acknowledged=-1)) == (400, "malformed")
        assert (await agent.check_in()).status_code == 200

    _tell(database, tmp_path, story)


def test_too_much_of_one_agent_waits(database: sa.Engine, tmp_path: Path) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        assert (await agent.report(1, facts=[FACT], cells=[cell()] * 60)).status_code == 200
        answer = await agent.report(2, facts=[FACT], cells=[cell()] * 60)
        assert _problem(answer) == (429, "too-fast")
        assert int(answer.headers["retry-after"]) > 20
        other = Agent(client, "two")
        await other.enrol(token(database))
        assert (await other.report(1, facts=[FACT], cells=[cell()] * 60)).status_code == 200
        assert _problem(await other.report(2, facts=[FACT], cells=[cell()] * 60)) == (429, "too-fast")
        assert (await agent.check_in()).status_code == 200

    _tell(database, tmp_path, story, Limits(cells_at_once=100, cells_a_second=1))


def test_an_agent_may_not_begin_ledgers_without_end(database: sa.Engine, tmp_path: Path) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        answers = []
        for number in range(6):
            agent.epoch = f"e{number}"
            answers.append((await agent.report()).status_code)
        assert answers == [200, 200, 200, 429, 429, 429]

    _tell(database, tmp_path, story, Limits(epochs_a_day=2))
    assert rows(database, "select count(*) from epoch") == [(3,)]


def test_a_body_that_takes_too_long_is_cut_off(database: sa.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        context = context_of(database, tmp_path, limits=Limits(body_seconds=0.05, most_at_once=1))
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database))

            async def drip() -> AsyncIterator[bytes]:
                yield b"x"
                await asyncio.sleep(0.2)
                yield b"x"

            slow = client.post("/v1/ingest", content=drip(), headers=agent.headers())
            first = asyncio.create_task(slow)
            await asyncio.sleep(0.02)
            assert _problem(await agent.report()) == (429, "too-fast")
            assert _problem(await first) == (408, "timeout")
            assert (await agent.report()).status_code == 200

    asyncio.run(main())


def test_an_explosion_of_evidence_collapses_and_harms_nobody_else(database: sa.Engine, tmp_path: Path) -> None:
    def facts(first: int) -> list[Any]:
        return [["holly", "dns.query", [["name", f"n{first + at}.example"]]] for at in range(20)]

    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        for turn in range(3):
            cells = [cell(at, count=at + 1) for at in range(20)]
            assert (await agent.report(turn + 1, facts=facts(turn * 20), cells=cells)).status_code == 200
        other = Agent(client, "two")
        await other.enrol(token(database))
        await other.report(1, facts=facts(40), cells=[cell(at) for at in range(20)])

    _tell(database, tmp_path, story, Limits(evidence=30))
    assert rows(database, "select count(*) from evidence") == [(30 + 1 + 20,)]
    collapsed = "select s.count from sighting s join evidence e on e.id = s.evidence where e.fields = '{}'"
    assert rows(database, collapsed) == [(20,)], "totals of what is told apart no longer are merged"
    assert rows(database, "select rule, key from alert") == [(interning.EXPLOSION, f"one:{NOW // 86_400}")]
    assert rows(database, "select uid, introduced from agent order by id") == [("one", 30), ("two", 20)]


def test_a_hostile_agent_harms_its_own_rows_only(database: sa.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(context_of(database, tmp_path)) as client:
            good, bad = Agent(client, "good"), Agent(client, "bad")
            for agent in (good, bad):
                await agent.enrol(token(database))
            bad.epoch = good.epoch
            await good.report(1, facts=[FACT], cells=[cell(count=5, subject="alice")])
            before = rows(database, "select * from sighting order by agent")
            huge = cell(count=(1 << 53) - 1, subject="alice", first=-(1 << 53) + 1, last=(1 << 53) - 1, bytes_out=9)
            asset = cell(count=7, asset="host-good", subject="alice")
            lies = {"agent": "good", "uid": "good", "facts": [FACT], "cells": [huge, asset]}
            assert (await bad.report(999, **lies)).status_code == 200
            after = rows(database, "select * from sighting order by agent")
            assert after[0] == before[0]
            assert len(after) == 3
            assert {row[1] for row in after[1:]} == {2}
            answer = await good.check_in(acknowledged=1)
            assert answer.json()["committed"] == 1

    asyncio.run(main())
