"""The API asked in this process, by whoever has the collector's folder: the same answers, without a server."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import sqlalchemy as sa
from nacl.public import PrivateKey

from aimscope_collector import feeds, founding, keys
from aimscope_collector.accounts import Principal, Role
from aimscope_collector.deliver import telling
from aimscope_collector.deliver.exporter import Exporter
from aimscope_collector.deliver.smtp import Mail
from aimscope_collector.http.access import OWNER
from aimscope_collector.http.application import make_api
from aimscope_collector.http.given import Given
from aimscope_collector.in_force import InForce
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.version import __version__

_ROLES: Final[tuple[Role, ...]] = ("admin", "security", "reviewer")
"""What the owner of the folder may; names of people take a reveal, which takes an account."""


class Local:
    """Asks the API of a folder's collector. ``actor`` is what the audit log says."""

    def __init__(
        self, engine: sa.Engine, folder: Path, *, catalogue: Catalogue, actor: str, now: Callable[[], int]
    ) -> None:
        self._owner = Principal(account=0, name=actor, roles=_ROLES)
        signing = folder / founding.SIGNING

        def publish_policy(connection: sa.Connection, body: bytes, by: str) -> int:
            return feeds.publish(connection, signing, role="policy", body=body, actor=by, now=now())

        def private_key(whose: keys.Whose) -> PrivateKey:
            return keys.private(folder / founding.KEYS, whose)

        def publish_overlay(connection: sa.Connection, body: bytes, by: str) -> int:
            return feeds.publish(connection, signing, role="overlay", body=body, actor=by, now=now())

        @functools.cache
        def exporter() -> Exporter:
            made = telling.exporter(
                engine,
                telling.configured(folder / telling.DESTINATIONS),
                catalogue=catalogue.version,
                version=__version__,
                holder=os.urandom(8).hex(),
                private_key=private_key,
                now=now,
            )
            made.begin()
            return made

        def mail() -> list[str]:
            alerts = telling.configured(folder / telling.DESTINATIONS).alerts
            return [name for name, transport in alerts.items() if isinstance(transport, Mail)]

        in_force = InForce(catalogue)
        with engine.connect() as connection:
            in_force.follow(connection)
        door = keys.load(folder / founding.KEYS).door()

        def preview(inventory: Inventory) -> dict[str, str]:
            reconciler = Reconciler(engine, door=door)
            knowledge = Knowledge(inventory, in_force.known())
            return {row.id: row.verdict for row in reconciler.preview(knowledge, now=now())}

        self._exporter = exporter
        self._api: Any = make_api(
            Given(
                engine=engine,
                door=door,
                now=now,
                randomness=os.urandom,
                services=in_force.services,
                catalogue=catalogue.version,
                version=__version__,
                private_key=private_key,
                touch=lambda _: None,  # a collector that runs judges everything every hour, and when it starts
                used=lambda _: None,
                preview=preview,
                publish_policy=publish_policy,
                publish_overlay=publish_overlay,
                matcher=in_force.matcher,
                shipped=catalogue,
                sign_report=lambda body: feeds.sign_report(signing, body),
                exporter=exporter,
                mail=mail,
            )
        )

    def ask(
        self, method: str, path: str, *, params: Mapping[str, Any], body: bytes | None, kind: str
    ) -> tuple[int, bytes]:
        """Status and body of the answer."""
        try:
            return asyncio.run(self._ask(method, path, params, body, kind))
        finally:
            if self._exporter.cache_info().currsize:
                self._exporter().end()

    async def _ask(
        self, method: str, path: str, params: Mapping[str, Any], body: bytes | None, kind: str
    ) -> tuple[int, bytes]:
        async def owned(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await self._api({**scope, OWNER: self._owner}, receive, send)

        transport = httpx.ASGITransport(app=owned)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
            headers = {"content-type": kind} if body is not None else {}
            answer = await client.request(method, path, params=params, content=body, headers=headers)
        return answer.status_code, answer.content
