"""A collector that is killed at any moment: what it acknowledged is there, and the final state is the truth.

Real processes on loopback. Schedules come from a seed; kill points and counts are printed. The same story with a writer
that answers before it commits must be caught. SIGKILL proves nothing about a loss of power.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import random
import secrets
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Final

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector import keys
from tests.collector.fleet.at_the_door import Agent, rows, token

_SERVER: Final = """
    import asyncio, random, sys, time
    from pathlib import Path
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server
    from aimscope_collector.http.agents import make_agent_app
    from aimscope_collector.ingest.context import assemble
    from aimscope_collector.ingest.limits import Limits
    from aimscope_collector.keys import load
    from aimscope_collector.store import writer
    from aimscope_collector.store.database import connect
    from aimscope_collector.store.sightings import Batch, Kept
    from aimscope_signatures.catalogue import Catalogue
    from aimscope_signatures.matcher import Matcher

    where, folder, port, lies = sys.argv[1:]

    class Liar(writer.Writer):
        def _write(self, group):
            reports = [item for item in group if isinstance(item.work, Batch)]
            writer._answer(reports, [Kept(item.work.sequence, False) for item in reports])
            time.sleep(0.03)
            super()._write(group)

    engine = connect(where)
    matcher = Matcher(Catalogue((), ""))
    context = assemble(
        engine, load(Path(folder)).door(), matcher=lambda: matcher, now=lambda: int(time.time()),
        uniform=random.random, limits=Limits(enrolments_a_second=1e6, cells_a_second=1e9, cells_a_day=10**9),
        writer=Liar(engine) if lies == "lies" else None,
    )
    server = Server(make_agent_app(context), address="127.0.0.1", port=int(port), interface=Interfaces.ASGI,
                    http=HTTPModes.http1, log_enabled=False)
    asyncio.run(server.serve())
"""
_AGENTS: Final = 6
_FACTS: Final = 8
_STEPS: Final = 60
_KILLS: Final = int(os.environ.get("AIMSCOPE_KILLS", "5"))


def _start(where: str, folder: Path, port: int, *, lies: bool) -> subprocess.Popen[bytes]:
    said = [where, str(folder), str(port), "lies" if lies else "honest"]
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(_SERVER), *said], stderr=subprocess.DEVNULL)


class _Ledger:
    """One agent: totals that grow, sent until they are acknowledged."""

    def __init__(self, number: int, seed: int) -> None:
        self.random = random.Random(f"{seed}-{number}")
        self.uid = f"agent-{number}"
        self.totals = [0] * _FACTS
        self.acknowledged = [0] * _FACTS
        self.posts = self.replays = 0
        self.sent: list[bytes] = []

    def body(self, sequence: int, changed: list[int], now: int, month: int) -> bytes:
        facts = [["", "dns.query", [["name", f"n{at}.example"]]] for at in changed]
        cells = [
            [at, month, "", f"user-{self.uid}", self.totals[fact], now - 9, now, 1, "high", "used"]
            for at, fact in enumerate(changed)
        ]
        said = {"schema": 1, "epoch": f"e-{self.uid}", "sequence": sequence, "sent": now, "acknowledged": sequence - 1}
        return gzip.compress(msgspec.json.encode({**said, "facts": facts, "cells": cells}))

    async def live(self, client: httpx.AsyncClient, secret: str, now: int, month: int) -> None:
        agent = Agent(client, self.uid)
        agent.secret = secret
        for sequence in range(1, _STEPS + 1):
            changed = sorted(self.random.sample(range(_FACTS), 3))
            for fact in changed:
                self.totals[fact] += self.random.randint(1, 9)
            body = self.body(sequence, changed, now, month)
            self.sent.append(body)
            while not await self._post(agent, body):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            for fact in changed:
                self.acknowledged[fact] = self.totals[fact]
            if self.random.random() < 0.28:
                self.replays += 1
                await self._post(agent, self.random.choice(self.sent))
            await asyncio.sleep(0.01)

    async def _post(self, agent: Agent, body: bytes) -> bool:
        self.posts += 1
        try:
            answer = await agent.send(body)
        except httpx.TransportError:
            return False
        assert answer.status_code in (200, 429, 503), answer.text
        return answer.status_code == 200


def _in_database(engine: sa.Engine) -> dict[tuple[str, int], int]:
    statement = """
        select a.uid, e.fields, sum(s.count) from sighting s join agent a on a.id = s.agent
        join evidence e on e.id = s.evidence group by a.uid, e.fields
    """
    found = rows(engine, statement)
    return {(uid, int(msgspec.json.decode(fields)["name"][1:-8])): int(count) for uid, fields, count in found}


async def _story(engine: sa.Engine, where: str, folder: Path, *, seed: int, kills: int, lies: bool) -> int:
    """Returns how many acknowledged totals were missing right after a kill."""
    now, month = int(time.time()), int(time.strftime("%Y%m", time.gmtime()))
    chance = random.Random(seed)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    ledgers = [_Ledger(number, seed) for number in range(_AGENTS)]
    lost = 0
    process = _start(where, folder, port, lies=lies)
    try:
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=5) as client:
            text = token(engine, now=now)
            secret = {ledger.uid: secrets.token_urlsafe(32) for ledger in ledgers}
            for ledger in ledgers:
                agent = Agent(client, ledger.uid)
                agent.secret = secret[ledger.uid]
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        if (await agent.enrol(text)).status_code == 200:
                            break
                    await asyncio.sleep(0.05)
            lives = [asyncio.create_task(each.live(client, secret[each.uid], now, month)) for each in ledgers]
            for kill in range(kills):
                await asyncio.sleep(chance.uniform(0.05, 0.35))
                acknowledged = {each.uid: list(each.acknowledged) for each in ledgers}
                process.kill()
                process.wait()
                there = _in_database(engine)
                missing = [
                    (uid, fact, total)
                    for uid, totals in acknowledged.items()
                    for fact, total in enumerate(totals)
                    if there.get((uid, fact), 0) < total
                ]
                lost += len(missing)
                print(f"kill {kill}: acknowledged {sum(map(sum, acknowledged.values()))}, missing {missing}")  # noqa: T201
                process = _start(where, folder, port, lies=lies)
                await _answers(port)
            await asyncio.wait_for(asyncio.gather(*lives), 60)
    finally:
        process.kill()
        process.wait()
    if not lies:
        truth = {(each.uid, fact): total for each in ledgers for fact, total in enumerate(each.totals) if total}
        assert _in_database(engine) == truth
        assert rows(engine, "select count(*) from epoch") == [(_AGENTS,)]
    print(f"posts {sum(each.posts for each in ledgers)}, replays {sum(each.replays for each in ledgers)}")  # noqa: T201
    return lost


async def _answers(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.create(tmp_path / "keys", secrets.token_bytes)
    return tmp_path / "keys"


def test_nothing_acknowledged_is_lost_and_nothing_counts_twice(database: sa.Engine, where: str, folder: Path) -> None:
    assert asyncio.run(_story(database, where, folder, seed=7, kills=_KILLS, lies=False)) == 0


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_a_writer_that_answers_too_early_is_caught(database: sa.Engine, where: str, folder: Path) -> None:
    assert asyncio.run(_story(database, where, folder, seed=7, kills=5, lies=True)) > 0
