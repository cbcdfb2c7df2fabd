"""The collector put together: the agents' routes and the API in one application, and what goes on behind them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from litestar import Litestar
from nacl.public import PrivateKey

from aimscope_collector import feeds, founding, keys
from aimscope_collector.background import Background, Inbox, Jobs, Noting
from aimscope_collector.deliver import deliver, telling
from aimscope_collector.deliver.exporter import Exporter
from aimscope_collector.deliver.smtp import Mail
from aimscope_collector.http.agents import PREFIX, make_agent_app
from aimscope_collector.http.application import make_api
from aimscope_collector.http.given import Given
from aimscope_collector.http.sign_on import configured as sign_on
from aimscope_collector.http.sign_on.provider import Provider
from aimscope_collector.in_force import InForce
from aimscope_collector.ingest.context import Context, assemble, serving
from aimscope_collector.ingest.limits import Limits
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.reports import scheduled
from aimscope_collector.reports.making import Source
from aimscope_collector.services import Service
from aimscope_collector.store import decisions, events_of_findings, migrate, sessions, watching
from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.findings import Changes
from aimscope_signatures import bundle
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.version import __version__

_BODY_SECONDS: Final = 60.0
"""In which a body of the API has to arrive."""
_ALERTS: Final = 300
_DELIVERY: Final = 5
_EVENTS: Final = 60
_JOURNAL: Final = 900
_REPORTS: Final = 60
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Collector(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one process. ``running`` brings it to life, ``asgi`` answers meanwhile."""

    engine: sa.Engine
    given: Given
    context: Context
    background: Background
    exporter: Exporter
    api: Litestar
    asgi: Asgi

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the end of it. What agents were promised is on disk anyway; what else waits is written then."""
        try:
            async with serving(self.context), self.api.lifespan():
                self.background.start()
                try:
                    yield
                finally:
                    self.exporter.stop()
                    await asyncio.to_thread(self.background.stop)
                    await asyncio.to_thread(self.exporter.end)
        finally:
            self.engine.dispose()


def assembled(
    folder: Path,
    *,
    where: str,
    catalogue: Catalogue,
    now: Callable[[], int],
    randomness: Callable[[int], bytes],
    uniform: Callable[[], float],
    limits: Limits | None = None,
) -> Collector:
    """The collector of a folder. Raises ``DatabaseError``, ``KeysError``, ``FeedsError``, ``DestinationsError``."""
    engine = connect(where)
    try:
        migrate.require_current(engine)
        door = keys.load(folder / founding.KEYS).door()
        destinations = telling.configured(folder / telling.DESTINATIONS)
        provider = _provider(folder, now)
        signing = folder / founding.SIGNING
        packed = bundle.pack(catalogue)
        with writing(engine) as connection:
            feeds.refresh(connection, signing, catalogue=packed, now=now())
    except BaseException:
        engine.dispose()
        raise
    in_force = InForce(catalogue)
    with engine.connect() as connection:
        in_force.follow(connection)
    inbox = Inbox()

    def follow(connection: sa.Connection, changes: Changes) -> None:
        decisions.reconsider(connection, now=now(), findings=(*changes.new, *changes.changed))
        events_of_findings.tell(connection, (*changes.new, *changes.changed, *changes.gone), now=now())

    def publish_policy(connection: sa.Connection, body: bytes, actor: str) -> int:
        return feeds.publish(connection, signing, role="policy", body=body, actor=actor, now=now())

    def publish_overlay(connection: sa.Connection, body: bytes, actor: str) -> int:
        return feeds.publish(connection, signing, role="overlay", body=body, actor=actor, now=now())

    def published(connection: sa.Connection) -> Sequence[Service] | None:
        return in_force.known() if in_force.follow(connection) else None

    def private_key(whose: keys.Whose) -> PrivateKey:
        return keys.private(folder / founding.KEYS, whose)

    exporter = telling.exporter(
        engine,
        destinations,
        catalogue=catalogue.version,
        version=__version__,
        holder=randomness(8).hex(),
        private_key=private_key,
        now=now,
    )
    telling.begin(engine, exporter, now=now())
    transports = destinations.alerts
    mail = tuple(name for name, transport in transports.items() if isinstance(transport, Mail))
    reconciler = Reconciler(engine, door=door, follow=follow)

    def preview(inventory: Inventory) -> dict[str, str]:
        return {row.id: row.verdict for row in reconciler.preview(Knowledge(inventory, in_force.known()), now=now())}

    given = Given(
        engine=engine,
        door=door,
        now=now,
        randomness=randomness,
        services=in_force.services,
        catalogue=catalogue.version,
        version=__version__,
        private_key=private_key,
        touch=inbox.touch,
        used=lambda key: inbox.used(key, now()),
        preview=preview,
        publish_policy=publish_policy,
        publish_overlay=publish_overlay,
        matcher=in_force.matcher,
        shipped=catalogue,
        sign_report=lambda body: feeds.sign_report(signing, body),
        codes=lambda: keys.codes(folder / founding.KEYS),
        provider=provider,
        exporter=lambda: exporter,
        mail=lambda: mail,
    )
    context = assemble(
        engine,
        door,
        matcher=in_force.matcher,
        now=now,
        uniform=uniform,
        limits=limits,
        writer=Noting(engine, inbox.note),
        moved=inbox.moved,
    )

    def source() -> Source:
        return Source(
            engine=engine,
            now=now(),
            services=in_force.services,
            catalogue=catalogue.version,
            version=__version__,
            sign=given.sign_report,
        )

    def look() -> None:
        with writing(engine) as connection:
            watching.look(connection, now=now(), destinations=transports)

    jobs: Jobs = {
        "alerts": (_ALERTS, look),
        "sessions": (_ALERTS, lambda: sessions.sweep(engine, now=now())),
        "events": (_EVENTS, lambda: telling.look(engine, exporter, services=in_force.services, now=now())),
        "journal": (_JOURNAL, lambda: telling.keep_up(engine, exporter, now=now())),
    }
    apart: Jobs = {f"export {name}": (_DELIVERY, partial(exporter.round, name)) for name in exporter.destinations}
    if mail:
        apart["reports"] = (_REPORTS, lambda: scheduled.send_due(engine, source))
    if transports:
        apart["delivery"] = (_DELIVERY, lambda: deliver(engine, transports, now=now))
    background = Background(
        engine,
        reconciler=reconciler,
        inbox=inbox,
        services=in_force.known(),
        published=published,
        matcher=in_force.matcher,
        catalogue=packed,
        signing=signing,
        now=now,
        jobs=jobs,
        apart=apart,
    )
    api = make_api(given)
    return Collector(
        engine=engine,
        given=given,
        context=context,
        background=background,
        exporter=exporter,
        api=api,
        asgi=_together(make_agent_app(context), api),
    )


def _provider(folder: Path, now: Callable[[], int]) -> Provider | None:
    """Where people log in: here, without the file that says otherwise."""
    path = folder / sign_on.FILE
    return Provider(sign_on.load(path), now) if path.exists() else None


def _together(agents: Asgi, api: Litestar) -> Asgi:
    """Agents' routes before everything else; whoever starts this has brought the collector to life."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith(PREFIX):
            await agents(scope, receive, send)
        else:
            await api(scope, _in_time(receive), send)  # type: ignore[arg-type]

    return app


def _in_time(receive: Receive) -> Receive:
    """A body that does not arrive in time is one whose sender has gone."""
    ends = asyncio.get_running_loop().time() + _BODY_SECONDS

    async def bounded() -> Message:
        try:
            async with asyncio.timeout_at(ends):
                return await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}

    return bounded
