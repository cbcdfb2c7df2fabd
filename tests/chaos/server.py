"""A collector's agent routes on granian, as a process that a test may kill or spoil.

python -m tests.chaos.server --database WHERE --keys FOLDER --catalogue FOLDER --port N [--fatal N] [--spoil HOW]
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from aimscope_collector.http.agents import make_agent_app
from aimscope_collector.ingest.context import Context, assemble
from aimscope_collector.ingest.limits import Limits
from aimscope_collector.keys import load
from aimscope_collector.store.database import connect
from aimscope_collector.store.sightings import Batch, Kept
from aimscope_collector.store.writer import Writer
from aimscope_signatures.catalogue import load as load_catalogue
from aimscope_signatures.matcher import Matcher
from tests.chaos.steps import Steps

SPOILS: Final = ("", "early", "twice", "unsynced")
"""How a collector may be spoilt: it acknowledges before it commits; it adds up what it has had already; it does not
wait for the disk."""
BACKLOG: Final = 8_192
BACKPRESSURE: Final = 4_096
HEADER_SECONDS: Final = 3


class _Early(Writer):
    """Says that a report is kept, and keeps it afterwards."""

    async def keep(self, batch: Batch) -> Kept:
        later = asyncio.create_task(super().keep(batch))
        self._later = {*getattr(self, "_later", ()), later}
        return Kept(batch.sequence, full_state=False)


class _Twice(Writer):
    """Adds to the count when a report comes again."""

    async def keep(self, batch: Batch) -> Kept:
        known: set[tuple[int, int]] = getattr(self, "_known", set())
        if (batch.epoch, batch.sequence) in known:
            rows = [(*row[:6], 2 * row[6], *row[7:]) for row in batch.rows]
            batch = msgspec.structs.replace(batch, rows=rows)
        self._known = {*known, (batch.epoch, batch.sequence)}
        return await super().keep(batch)


_WRITERS: Final[dict[str, type[Writer]]] = {"early": _Early, "twice": _Twice}


def _unsynced(connection: Any, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = off")
        return
    connection.execute("set synchronous_commit = off")
    connection.commit()


def make_context(where: str, keys: Path, catalogue: Path, spoil: str, pages: int, steps: Steps) -> Context:
    """The collector's context, spoilt as asked; ``pages`` bounds an SQLite database, 0 not."""
    engine = connect(where)
    if spoil == "unsynced":
        engine.dispose()
        sa.event.listen(engine, "connect", _unsynced)
    if pages:
        engine.dispose()
        sa.event.listen(engine, "connect", lambda raw, _: raw.execute(f"pragma max_page_count = {pages}"))
    steps.watch(engine)
    matcher = Matcher(load_catalogue(catalogue))
    return assemble(
        engine,
        load(keys).door(),
        matcher=lambda: matcher,
        now=lambda: int(time.time()),
        uniform=random.random,
        limits=Limits(cells_a_second=1e9, cells_at_once=10**9, cells_a_day=10**12, enrolments_a_second=1e6),
        writer=_WRITERS.get(spoil, Writer)(engine),
    )


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a collector is to run. ``fatal`` is the step at which it kills itself, 0 never."""

    database: str
    keys: str
    catalogue: str
    told: str
    port: int
    fatal: int = 0
    pages: int = 0
    """Bound of an SQLite database; 0: none."""
    spoil: str = ""


def serve(given: Options) -> None:
    """Serve until killed."""
    steps = Steps(given.fatal, Path(given.told))
    context = make_context(given.database, Path(given.keys), Path(given.catalogue), given.spoil, given.pages, steps)
    server = Server(
        steps.watched(make_agent_app(context)),
        address="127.0.0.1",
        port=given.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        log_enabled=False,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1_000),
    )
    asyncio.run(server.serve())


if __name__ == "__main__":
    serve(msgspec.json.decode(sys.argv[1], type=Options))
