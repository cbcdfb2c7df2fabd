"""What the collector knows of agents over time: revoked, replaced, rotated, cloned, restored; on both databases."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector.accounts import Principal
from aimscope_collector.ingest.context import flush, refresh
from aimscope_collector.ingest.limits import Limits
from aimscope_collector.store import agents, feeds, privacy
from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.tables.fleet import EPOCH
from tests.collector.fleet.at_the_door import (
    DOOR,
    FACT,
    NOW,
    Agent,
    Clock,
    cell,
    context_of,
    rows,
    running,
    token,
)

ROOT = Principal(account=1, name="root", roles=("admin",))
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


def test_revoked_on_every_collector_within_a_second(database: sa.Engine, where: str, tmp_path: Path) -> None:
    second_engine = connect(where)

    async def main() -> None:
        first, second = context_of(database, tmp_path), context_of(second_engine, tmp_path)
        async with running(first) as one, running(second) as two:
            agent = Agent(one, "one")
            await agent.enrol(token(database))
            agent.client = two
            assert (await agent.check_in()).status_code == 200, "known to the other collector at once"
            with writing(database) as connection:
                agents.revoke(connection, "one", why="stolen", by="root", now=NOW)
            await asyncio.sleep(1)
            for agent.client in (one, two):
                assert _problem(await agent.check_in()) == (401, "revoked")
                assert _problem(await agent.report()) == (401, "revoked")

    try:
        asyncio.run(main())
    finally:
        second_engine.dispose()


def test_two_collectors_take_reports_of_one_agent(database: sa.Engine, where: str, tmp_path: Path) -> None:
    second_engine = connect(where)

    async def main() -> None:
        async with (
            running(context_of(database, tmp_path)) as one,
            running(context_of(second_engine, tmp_path)) as two,
        ):
            agent = Agent(one, "one")
            await agent.enrol(token(database))
            for sequence in range(1, 5):
                agent.client = (one, two)[sequence % 2]
                said = {"facts": [FACT], "cells": [cell(count=sequence)], "acknowledged": sequence - 1}
                answer = (await agent.report(sequence, **said)).json()
                assert answer["committed"] == sequence
                assert not answer.get("full_state")
            for agent.client in (one, two):
                answer = (await agent.check_in(acknowledged=4)).json()
                assert answer["committed"] == 4
                assert not answer.get("full_state")

    try:
        asyncio.run(main())
    finally:
        second_engine.dispose()
    assert rows(database, "select count from sighting") == [(4,)]


def test_a_restored_backup_asks_for_everything(database: sa.Engine, tmp_path: Path) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        await agent.report(5)
        assert not (await agent.check_in(acknowledged=5)).json().get("full_state")
        with writing(database) as connection:
            connection.execute(EPOCH.update().values(sequence=2))
        assert (await agent.check_in(acknowledged=6)).json()["full_state"]
        for _ in range(2):  # the answer may be lost: it is the same again
            assert (await agent.report(7, acknowledged=6)).json()["full_state"]
        assert not (await agent.report(8, acknowledged=7)).json().get("full_state")
        assert not (await agent.check_in(acknowledged=8)).json().get("full_state")

    _tell(database, tmp_path, story)


def test_an_agent_that_waits_is_told_so(database: sa.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            agent = Agent(client, "one")
            answer = await agent.enrol(token(database, approval=True))
            assert answer.json()["approved"] is False
            assert "let this agent in" in (await agent.check_in()).json()["notice"]
            assert _problem(await agent.report()) == (403, "not-approved")
            with writing(database) as connection:
                agents.approve(connection, "one", by="root", now=NOW)
            await refresh(context)
            assert (await agent.report()).status_code == 200

    asyncio.run(main())


def test_a_secret_is_rotated_with_an_overlap(database: sa.Engine, tmp_path: Path) -> None:
    clock = Clock()

    async def main() -> None:
        context = context_of(database, tmp_path, clock)
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database))
            old, new = agent.secret, secrets.token_urlsafe(32)
            clock.now += 31 * 86_400
            assert (await agent.check_in()).json()["rotate"]
            answer = await agent.check_in(new_secret=hashlib.sha256(new.encode()).hexdigest())
            assert answer.status_code == 200
            assert not answer.json().get("rotate")
            assert (await agent.check_in()).status_code == 200, "the old one, before the new one was used"
            for agent.secret in (new, old, new):
                assert (await agent.check_in()).status_code == 200
            clock.now += 3_601
            agent.secret = old
            assert _problem(await agent.check_in()) == (401, "unauthorised")
            agent.secret = new
            assert (await agent.check_in()).status_code == 200

    asyncio.run(main())
    ((secret, following),) = rows(database, "select secret, next_secret from agent")
    assert following is None
    assert len(secret) == 64


def test_signs_of_life_are_written_in_bulk(database: sa.Engine, tmp_path: Path) -> None:
    clock = Clock()

    async def main() -> None:
        context = context_of(database, tmp_path, clock)
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database))
            clock.now += 100
            said = {"pending": 7, "platform": "linux", "version": "1.2", "notices": ["a\0b"], "name": "host-one"}
            versions = {"versions": {"policy": 3}, "acknowledges_policy": 3}
            answer = await agent.check_in(**said, **versions, sent=NOW + 4_000, addresses=["10.0.0.9"])
            assert "wrong by 3900 seconds" in answer.json()["notice"]
            await flush(context)

    asyncio.run(main())
    columns = "last_seen, clock_skew, pending, platform, version, versions, policy_acknowledged, epoch"
    assert rows(database, f"select {columns} from agent") == [
        (NOW + 100, 3_900, 7, "linux", "1.2", '{"policy":3}', 3, "epoch-one")
    ]
    known = {DOOR.address("10.0.0.9").pseudonym, DOOR.device("host-one").pseudonym}
    assert {row[0] for row in rows(database, "select pseudonym from asset_address")} == known


@pytest.mark.parametrize("how", ["machine", "backwards"])
def test_a_clone_is_noticed(database: sa.Engine, tmp_path: Path, how: str) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        await agent.report(5)
        await agent.report(6, acknowledged=5)
        assert "notice" not in (await agent.check_in(acknowledged=6, machine=agent.machine)).json()
        said = {"acknowledged": 6, "machine": "0" * 64} if how == "machine" else {"acknowledged": 5}
        assert "another machine" in (await agent.check_in(**said)).json()["notice"].lower()

    _tell(database, tmp_path, story)
    assert rows(database, "select clone_at from agent") == [(NOW,)]


def test_feeds_are_offered_and_served_as_they_are(database: sa.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        with writing(database) as connection:
            said = {"now": NOW, "expires_at": NOW + 9}
            root = feeds.publish(connection, name="root", version=1, envelope="signed root", body=b"root", **said)
            policy = feeds.publish(connection, name="policy", version=3, envelope="signed", body=b"\0policy", **said)
            with pytest.raises(feeds.FeedError, match="go back"):
                feeds.publish(connection, name="policy", version=2, envelope="", body=b"older", **said)
        async with running(context_of(database, tmp_path)) as client:
            agent = Agent(client, "one")
            assert (await agent.enrol(token(database))).json()["root"] == "signed root"
            offered = (await agent.check_in(versions={"root": 1})).json()["feeds"]
            assert offered == {"policy": msgspec.to_builtins(policy)}
            assert not (await agent.check_in(versions={"root": 1, "policy": 3})).json().get("feeds")
            found = await client.get(f"/v1/policy/{policy.sha256}", headers=agent.headers())
            assert found.content == b"\0policy"
            for path in (f"catalogue/{policy.sha256}", f"root/{root.sha256}", "policy/" + "0" * 64, "policy/.."):
                assert (await client.get(f"/v1/{path}", headers=agent.headers())).status_code == 404

    asyncio.run(main())


def test_enrolment_is_slowed_down_for_whoever_guesses(database: sa.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            answers = [_problem(await Agent(client, f"x{n}").enrol(f"guess-{n}")) for n in range(12)]
            assert answers[:10] == [(403, "bad-token")] * 10
            assert answers[10:] == [(429, "too-fast")] * 2
            assert _problem(await Agent(client, "good").enrol(token(database))) == (429, "too-fast")

    asyncio.run(main())


def test_when_nothing_can_be_written_nothing_is_promised_and_heartbeats_go_on(
    database: sa.Engine, tmp_path: Path
) -> None:
    async def story(client: httpx.AsyncClient, agent: Agent) -> None:
        await agent.report(1, facts=[FACT], cells=[cell(count=1)])
        with writing(database) as connection:
            connection.exec_driver_sql("alter table sighting rename to elsewhere")
        answer = await agent.report(2, facts=[FACT], cells=[cell(count=2)])
        assert answer.status_code in (400, 503)
        assert (await agent.check_in(acknowledged=1)).status_code == 200
        with writing(database) as connection:
            connection.exec_driver_sql("alter table elsewhere rename to sighting")
        assert (await agent.report(2, facts=[FACT], cells=[cell(count=2)])).json()["committed"] == 2

    _tell(database, tmp_path, story)
    assert rows(database, "select count from sighting") == [(2,)]


def test_what_is_erased_is_forgotten_by_a_collector_that_remembered_it(database: sa.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context) as client:
            agent = Agent(client, "one")
            await agent.enrol(token(database))
            await agent.report(1, facts=[FACT], cells=[cell(subject="alice")])
            with writing(database) as connection:
                person = DOOR.person_pseudonym("alice")
                assert privacy.erase(connection, pseudonym=person, by=ROOT, reason="Asked by letter.", at=NOW) == 1
            await refresh(context)
            await agent.report(2, facts=[FACT], cells=[cell(subject="alice", count=9)])

    asyncio.run(main())
    assert rows(database, "select subject, count from sighting") == [(0, 9)]
