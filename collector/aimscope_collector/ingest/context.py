"""Everything the agents' door stands on: made once by whoever assembles the application."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.door import Door
from aimscope_collector.ingest.directory import Directory
from aimscope_collector.ingest.limits import Bucket, Limits
from aimscope_collector.ingest.placing import Deciding, Places
from aimscope_collector.ingest.remembered import Recent, Remembered
from aimscope_collector.store.agents import Known
from aimscope_collector.store.presence import News, Presence, write
from aimscope_collector.store.writer import Unavailable, Writer
from aimscope_signatures import wire
from aimscope_signatures.matcher import Matcher

_TICK: Final = 0.4
"""Seconds between looks at what has changed: a revocation is in force everywhere within a second."""
_PLACES: Final = 12
"""Beats between two looks at what decides where devices belong: five seconds."""
_PRUNE: Final = 150
"""Beats between two prunings: a minute."""
_ADDRESSES: Final = 4_096


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a request needs. ``assemble`` fills in what nobody chooses.

    ``matcher`` gives the collector's catalogue in force; ``now`` seconds since 1970 UTC; ``uniform`` a number from 0
    to 1, for jitter only.
    """

    engine: sa.Engine
    door: Door
    writer: Writer
    presence: Presence
    directory: Directory
    places: Places
    remembered: Remembered
    matcher: Callable[[], Matcher]
    now: Callable[[], int]
    uniform: Callable[[], float]
    moved: Callable[[frozenset[int]], None]
    """Hears of agents whose devices are in another unit now."""
    limits: Limits
    enrolments: Bucket
    strangers: Bucket
    failures: Recent[str, Bucket]
    """Refused enrolments by address."""
    bodies: asyncio.Semaphore

    def jittered(self, seconds: float) -> int:
        """About so many seconds, so that a fleet does not come all at once."""
        spread = self.limits.jitter * (2 * self.uniform() - 1)
        return max(1, min(86_400, round(seconds * (1 + spread))))


def assemble(
    engine: sa.Engine,
    door: Door,
    *,
    matcher: Callable[[], Matcher],
    now: Callable[[], int],
    uniform: Callable[[], float],
    limits: Limits | None = None,
    writer: Writer | None = None,
    moved: Callable[[frozenset[int]], None] = lambda _: None,
) -> Context:
    """A context with empty memory. ``serving`` brings it to life."""
    chosen = limits or Limits()
    return Context(
        engine=engine,
        door=door,
        writer=writer or Writer(engine),
        presence=Presence(),
        directory=Directory(chosen),
        places=Places(),
        remembered=Remembered(),
        matcher=matcher,
        now=now,
        uniform=uniform,
        moved=moved,
        limits=chosen,
        enrolments=Bucket(chosen.enrolments_a_second, chosen.enrolments_a_second),
        strangers=Bucket(chosen.strangers_a_second, chosen.strangers_a_second),
        failures=Recent(_ADDRESSES),
        bodies=asyncio.Semaphore(chosen.most_reading),
    )


@contextlib.asynccontextmanager
async def serving(context: Context) -> AsyncIterator[None]:
    """Start the writer, know all agents, and keep up with the database until the end; then write what is left."""
    context.writer.start()
    await asyncio.to_thread(_load, context)
    stop = asyncio.Event()
    beat = asyncio.create_task(_beat(context, stop))
    try:
        yield
    finally:
        # not cancelled: a look at the database in another thread would go on, with a connection nobody closes
        stop.set()
        await beat
        with contextlib.suppress(Unavailable):
            await flush(context)
        await asyncio.to_thread(context.writer.stop)


async def refresh(context: Context) -> None:
    """Learn what has changed in the database. Raises what the database raises."""
    if context.directory.apply(await asyncio.to_thread(_news, context)):
        context.remembered.clear()


async def relearn(context: Context) -> None:
    """Learn by what devices are placed now. Raises what the database raises."""
    context.places.apply(await asyncio.to_thread(_deciding, context))


def _load(context: Context) -> None:
    with context.engine.connect() as connection:
        context.directory.load(connection)
        context.places.apply(context.places.read(connection, context.now()))


def _deciding(context: Context) -> Deciding:
    with context.engine.connect() as connection:
        return context.places.read(connection, context.now())


def _news(context: Context) -> tuple[list[Known], dict[str, wire.Feed], int]:
    with context.engine.connect() as connection:
        return context.directory.news(connection)


async def _beat(context: Context, stop: asyncio.Event) -> None:
    """Twice a second: what has changed; once a second: signs of life. To the end of what was begun."""
    flushing: asyncio.Task[None] | None = None
    for number in itertools.count():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _TICK)
        if stop.is_set():
            break
        with contextlib.suppress(sa.exc.SQLAlchemyError):  # the next beat tries again
            await refresh(context)
            if number % _PLACES == 0:
                await relearn(context)
        if number % _PRUNE == 0:
            context.directory.prune(asyncio.get_running_loop().time())
        if number % 2 and len(context.presence) and (flushing is None or flushing.done()):
            flushing = asyncio.create_task(_try_flush(context))
    if flushing is not None:
        await flushing


async def flush(context: Context) -> None:
    """Write signs of life. Raises ``Unavailable``: they are kept for the next time."""
    news = context.presence.take()
    try:
        moved = await context.writer.run(functools.partial(_written, news))
    except BaseException:
        context.presence.put_back(news)
        raise
    if moved:
        context.moved(moved)


def _written(news: News, connection: sa.Connection) -> frozenset[int]:
    return write(connection, news)


async def _try_flush(context: Context) -> None:
    with contextlib.suppress(Unavailable):
        await flush(context)
