"""Agents that report to a collector which dies under them: what they sent, what was acknowledged, what is kept."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import sqlalchemy as sa

from aimscope_collector.keys import load
from aimscope_collector.store.database import connect, is_sqlite, writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET, EPOCH
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, SUBJECT

Key = tuple[str, str]
"""The name that was asked for, and the account."""
_REPLAYS: Final = 0.28
_REMEMBERED: Final = 40
_NAMES: Final = 60
_WAIT: Final = 5.0
_NOT_NOW: Final = 0.05


class Total(msgspec.Struct, frozen=True):
    """A running total of an agent."""

    count: int
    first: int
    last: int
    days: int
    bytes_out: int

    def within(self, other: Total) -> bool:
        """Nothing of it goes beyond the other."""
        return (
            self.count <= other.count
            and self.first >= other.first
            and self.last <= other.last
            and self.days | other.days == other.days
            and self.bytes_out <= other.bytes_out
        )


def say(text: str) -> None:
    """A figure, for whoever watches (``pytest -s``)."""
    sys.stdout.write(f"{text}\n")


def merged(one: Total | None, other: Total) -> Total:
    """Both together."""
    if one is None:
        return other
    return Total(
        max(one.count, other.count),
        min(one.first, other.first),
        max(one.last, other.last),
        one.days | other.days,
        max(one.bytes_out, other.bytes_out),
    )


class Reporter:
    """One agent: its totals, those that left it, and those of which it was told that they are kept."""

    def __init__(self, uid: str, rng: random.Random, now: int) -> None:
        self.uid = uid
        self.secret = f"{uid}-{'s' * 40}"
        self.epoch = f"e-{uid}"
        self.rng = rng
        self.now = now
        self.month = int(time.strftime("%Y%m", time.gmtime(now)))
        self.sequence = 0
        self.acknowledged = 0
        self.totals: dict[Key, Total] = {}
        self.acked: dict[Key, Total] = {}
        self.dirty: set[Key] = set()
        self.sent: list[tuple[int, dict[Key, Total]]] = []
        """Reports that left, the latest; kept to be sent again."""
        self.posts = self.acks = self.replays = 0

    def grow(self) -> None:
        """Something happened."""
        for _ in range(self.rng.randrange(1, 12)):
            key = (f"n{self.rng.randrange(_NAMES)}.holly.example", f"user{self.rng.randrange(3)}")
            at = self.now - self.rng.randrange(20_000)
            new = self.rng.randrange(1, 5)
            old = self.totals.get(key, Total(0, at, at, 0, 0))
            day = 1 << self.rng.randrange(28)
            self.totals[key] = Total(
                old.count + new, min(old.first, at), max(old.last, at), old.days | day, old.bytes_out + 100 * new
            )
            self.dirty.add(key)

    def next(self) -> tuple[int, dict[Key, Total]] | None:
        """The next report: something old once more, or what has changed."""
        if self.sent and self.rng.random() < _REPLAYS:
            self.replays += 1
            return self.rng.choice(self.sent)
        self.grow()
        return self.fresh()

    def fresh(self) -> tuple[int, dict[Key, Total]] | None:
        """What is not acknowledged, as a report of its own."""
        if not self.dirty:
            return None
        self.sequence += 1
        report = (self.sequence, {key: self.totals[key] for key in sorted(self.dirty)})
        self.sent = [*self.sent[-_REMEMBERED:], report]
        return report

    def body(self, sequence: int, rows: dict[Key, Total]) -> bytes:
        """The report as bytes."""
        names = sorted({name for name, _ in rows})
        facts = [["holly", "dns.query", [["name", name]], [["name", "domain", "holly.example"]]] for name in names]
        cells: list[list[Any]] = [
            [
                *(names.index(name), self.month, "", user, total.count, total.first, total.last, total.days),
                *("high", "used", total.bytes_out, None, []),
            ]
            for (name, user), total in rows.items()
        ]
        said = {"schema": 1, "epoch": self.epoch, "sequence": sequence, "sent": self.now}
        return gzip.compress(msgspec.json.encode({**said, "facts": facts, "cells": cells}), 1)

    def learn(self, sequence: int, rows: dict[Key, Total], pace: dict[str, Any]) -> None:
        """An answer came."""
        if pace.get("committed", 0) < sequence:
            return
        self.acks += 1
        for key, total in rows.items():
            self.acked[key] = merged(self.acked.get(key), total)
            if self.totals[key] == total:
                self.dirty.discard(key)


class Crowd:
    """Several agents of one database."""

    def __init__(self, where: str, keys: Path, size: int, seed: int) -> None:
        self.where = where
        self.door = load(keys).door()
        self.now = int(time.time())
        self.statuses: Counter[int] = Counter()
        self.hasty = 0
        """Answers that say to come again, and not when."""
        self.agents = [Reporter(f"a{n}", random.Random(f"{seed} {n}"), self.now) for n in range(size)]
        engine = connect(where)
        with writing(engine) as connection:
            seen = {"first_seen": self.now, "last_seen": self.now}
            same = {"machine": "", "enrolled_at": self.now, "approved_at": self.now, "last_seen": self.now}
            for number, agent in enumerate(self.agents, 1):
                connection.execute(ASSET.insert().values(id=number, pseudonym=f"d-{agent.uid}", **seen))
                secret = hashlib.sha256(agent.secret.encode()).hexdigest()
                connection.execute(AGENT.insert().values(uid=agent.uid, asset=number, secret=secret, **same))
        engine.dispose()

    async def report(self, url: str, more: Callable[[], bool]) -> None:
        """Everybody reports, as fast as answers come, as long as ``more`` says so and the collector lives."""
        limits = httpx.Limits(max_connections=len(self.agents))
        async with httpx.AsyncClient(base_url=url, timeout=_WAIT, limits=limits, trust_env=False) as client:
            await asyncio.gather(*(self._one(client, agent, more) for agent in self.agents))

    async def drain(self, urls: list[str]) -> None:
        """Everybody sends what is not acknowledged, to whichever collector."""
        for number, agent in enumerate(self.agents):
            url = urls[number % len(urls)]
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
                report = agent.fresh()
                if report is not None and await self._post(client, agent, *report) != 200:
                    raise AssertionError(f"{agent.uid}: the rest was not taken")

    async def _one(self, client: httpx.AsyncClient, agent: Reporter, more: Callable[[], bool]) -> None:
        while more():
            report = agent.next()
            if report is None:
                continue
            try:
                if await self._post(client, agent, *report) != 200:
                    await asyncio.sleep(_NOT_NOW)
            except (httpx.HTTPError, OSError):
                return

    async def _post(self, client: httpx.AsyncClient, agent: Reporter, sequence: int, rows: dict[Key, Total]) -> int:
        agent.posts += 1
        headers = {"authorization": f"Bearer {agent.uid}.{agent.secret}", "content-encoding": "gzip"}
        answer = await client.post("/v1/ingest", content=agent.body(sequence, rows), headers=headers)
        self.statuses[answer.status_code] += 1
        self.hasty += answer.status_code == 503 and not answer.headers.get("retry-after", "").isdigit()
        if answer.status_code == 200:
            agent.learn(sequence, rows, answer.json())
        return answer.status_code

    def check_in(self, url: str, number: int = 0) -> int:
        """The status of the answer to a sign of life."""
        agent = self.agents[number]
        said = {"schema": 1, "epoch": agent.epoch, "acknowledged": 0, "sent": self.now}
        headers = {"authorization": f"Bearer {agent.uid}.{agent.secret}"}
        return httpx.post(f"{url}/v1/check-in", json=said, headers=headers, timeout=10, trust_env=False).status_code

    def kept(self) -> dict[str, dict[Key, Total]]:
        """What the database holds, by agent. An SQLite file that is damaged raises ``AssertionError``."""
        engine = connect(self.where)
        try:
            with engine.connect() as connection:
                if is_sqlite(connection):
                    told = connection.exec_driver_sql("pragma integrity_check").scalar_one()
                    assert told == "ok", f"integrity: {told}"
                return self._rows(connection)
        finally:
            engine.dispose()

    def _rows(self, connection: sa.Connection) -> dict[str, dict[Key, Total]]:
        names = {
            self.door.person_pseudonym(user): user for user in {key[1] for each in self.agents for key in each.totals}
        }
        c = SIGHTING.c
        joined = (
            SIGHTING.join(AGENT, AGENT.c.id == c.agent)
            .join(EPOCH, EPOCH.c.id == c.epoch)
            .join(EVIDENCE, EVIDENCE.c.id == c.evidence)
            .join(SUBJECT, SUBJECT.c.id == c.subject)
        )
        columns = (c.count, c.first, c.last, c.days, c.bytes_out)
        wanted = sa.select(AGENT.c.uid, EVIDENCE.c.fields, SUBJECT.c.pseudonym, *columns).select_from(joined)
        found: dict[str, dict[Key, Total]] = {agent.uid: {} for agent in self.agents}
        for uid, fields, pseudonym, *values in connection.execute(wanted):
            key = (msgspec.json.decode(fields)["name"], names[pseudonym])
            assert key not in found[uid], f"{uid}: {key} twice"
            found[uid][key] = Total(*values)
        return found

    def faults(self) -> list[str]:
        """Totals that were acknowledged and are not kept, and totals that go beyond everything that was sent."""
        return [text for agent, kept in self._pairs() for text in _faults(agent, kept)]

    def differences(self) -> list[str]:
        """Where the database is anything else than the truth; after ``drain``."""
        return [f"{agent.uid}: kept {kept} of {agent.totals}" for agent, kept in self._pairs() if kept != agent.totals]

    def _pairs(self) -> Iterable[tuple[Reporter, dict[Key, Total]]]:
        kept = self.kept()
        return [(agent, kept[agent.uid]) for agent in self.agents]

    def told(self) -> str:
        """Posts, acknowledgements, replays."""
        posts, acks = sum(each.posts for each in self.agents), sum(each.acks for each in self.agents)
        return f"{posts} posts, {acks} acknowledged, {sum(each.replays for each in self.agents)} replayed"


def _faults(agent: Reporter, kept: dict[Key, Total]) -> list[str]:
    lost = [
        f"{agent.uid} {key}: {total} was acknowledged, {kept.get(key)} is kept"
        for key, total in agent.acked.items()
        if key not in kept or not total.within(kept[key])
    ]
    over = [
        f"{agent.uid} {key}: {total} is kept, {agent.totals.get(key)} was sent"
        for key, total in kept.items()
        if key not in agent.totals or not total.within(agent.totals[key])
    ]
    return lost + over
