"""Agents' routes over a database of a test: a clock that stands still, requests without a network."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import secrets
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import sqlalchemy as sa
from nacl.public import PrivateKey

from aimscope_collector.door import Door
from aimscope_collector.http.agents import make_agent_app
from aimscope_collector.ingest.context import Context, assemble, serving
from aimscope_collector.ingest.limits import Limits
from aimscope_collector.store.agents import create_token
from aimscope_collector.store.database import writing
from aimscope_signatures.catalogue import load
from aimscope_signatures.matcher import Matcher
from tests.signatures.conftest import HOLLY, write

NOW = 1_764_000_000
MONTH = 202511
PEOPLE, DEVICES = PrivateKey(b"p" * 32), PrivateKey(b"d" * 32)
DOOR = Door(b"k" * 32, PEOPLE.public_key, DEVICES.public_key)
FACT = ["holly", "dns.query", [["name", "api.holly.example"]], [["name", "domain", "holly.example"]]]


@cache
def _matcher(folder: str) -> Matcher:
    path = Path(folder)
    write(path, HOLLY)
    return Matcher(load(path))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


class Agent:
    """An agent's side: identity, secret, requests."""

    def __init__(self, client: httpx.AsyncClient, uid: str, machine: str = "") -> None:
        self.client = client
        self.uid = uid
        self.secret = secrets.token_urlsafe(32)
        self.machine = machine or hashlib.sha256(uid.encode()).hexdigest()
        self.epoch = f"epoch-{uid}"

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.uid}.{self.secret}"}

    async def enrol(self, token: str, **more: Any) -> httpx.Response:
        said = {
            "schema": 1,
            "token": token,
            "agent": self.uid,
            "secret": hashlib.sha256(self.secret.encode()).hexdigest(),
            "machine": self.machine,
            "name": f"host-{self.uid}",
            **more,
        }
        return await self.client.post("/v1/enrol", json=said)

    async def check_in(self, **more: Any) -> httpx.Response:
        said = {"schema": 1, "epoch": self.epoch, "acknowledged": 0, "sent": NOW, **more}
        return await self.client.post("/v1/check-in", json=said, headers=self.headers())

    async def report(self, sequence: int = 1, **more: Any) -> httpx.Response:
        said = {"schema": 1, "epoch": self.epoch, "sequence": sequence, "sent": NOW, **more}
        return await self.send(gzip.compress(msgspec.json.encode(said)))

    async def send(self, body: bytes, **headers: str) -> httpx.Response:
        said = {"content-encoding": "gzip", **self.headers(), **headers}
        return await self.client.post("/v1/ingest", content=body, headers=said)


def cell(fact: int = 0, *, count: int = 1, asset: str = "", subject: str = "", **more: Any) -> list[Any]:
    """A cell of this month."""
    said = {"month": MONTH, "first": NOW - 60, "last": NOW, "days": 1, "identity": "high", "presence": "used", **more}
    return [
        *(fact, said["month"], asset, subject, count, said["first"], said["last"], said["days"]),
        *(said["identity"], said["presence"], said.get("bytes_out"), said.get("bytes_in"), said.get("details", [])),
    ]


def context_of(engine: sa.Engine, folder: Path, clock: Clock | None = None, limits: Limits | None = None) -> Context:
    """A collector on this database."""
    catalogue = folder / "catalogue"
    return assemble(
        engine,
        DOOR,
        matcher=lambda: _matcher(str(catalogue)),
        now=clock or Clock(),
        uniform=lambda: 0.5,
        limits=limits,
    )


@contextlib.asynccontextmanager
async def running(context: Context, address: str = "192.0.2.7") -> AsyncIterator[httpx.AsyncClient]:
    """The routes, alive."""
    transport = httpx.ASGITransport(app=make_agent_app(context), client=(address, 4000))
    async with serving(context), httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
        yield client


def token(engine: sa.Engine, **more: Any) -> str:
    """The text of a new enrolment token."""
    with writing(engine) as connection:
        said = {"draw": lambda: secrets.token_urlsafe(32), "by": "tester", "now": NOW, "uses": 100, **more}
        return create_token(connection, **said)[1]


def rows(engine: sa.Engine, statement: str) -> list[tuple[Any, ...]]:
    """What is in the database."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)]
