"""The API over a database of a test, asked by accounts of any role."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar import Litestar
from litestar.testing import TestClient
from nacl.public import PrivateKey
from nacl.secret import SecretBox

from aimscope_collector import accounts, keys
from aimscope_collector.accounts import PERMISSIONS
from aimscope_collector.http.application import make_api
from aimscope_collector.http.given import Given
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.store import accounts as known
from aimscope_collector.store import credentials, feeds
from aimscope_collector.store.database import writing
from tests.collector.example import SERVICES
from tests.collector.fleet.planted import DAY, DOOR, NOW

_MADE: list[Litestar] = []
_SIGNS = Ed25519PrivateKey.from_private_bytes(b"r" * 32)


def _app(given: Given) -> Litestar:
    if not _MADE:
        _MADE.append(make_api(given))
    return _MADE[0]


class Api:
    """An API, its database, and clients that are somebody."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.touched: list[frozenset[str] | None] = []
        self.now = NOW
        given = self._given()
        self.app = _app(given)  # made once: sixty routes take half a second
        self.app.state.given = given
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def _given(self) -> Given:
        def private_key(whose: keys.Whose) -> PrivateKey:
            if whose == "people":
                raise keys.KeysError("the key is kept elsewhere")
            return PrivateKey(b"d" * 32)

        def publish_policy(connection: sa.Connection, body: bytes, actor: str) -> int:
            before = feeds.current(connection).get("policy")
            version = 1 + (before.version if before else 0)
            feeds.publish(
                connection, name="policy", version=version, envelope=actor, body=body, now=NOW, expires_at=NOW + DAY
            )
            return version

        def preview(inventory: Inventory) -> dict[str, str]:
            reconciler = Reconciler(self.engine, door=DOOR)
            return {row.id: row.verdict for row in reconciler.preview(Knowledge(inventory, SERVICES), now=self.now)}

        return Given(
            engine=self.engine,
            door=DOOR,
            now=lambda: self.now,
            randomness=os.urandom,
            services={one.id: one for one in SERVICES},
            catalogue="c",
            version="0",
            private_key=private_key,
            touch=self.touched.append,
            used=lambda _: None,
            preview=preview,
            publish_policy=publish_policy,
            codes=lambda: SecretBox(b"c" * 32),
            sign_report=lambda body: (_SIGNS.sign(body), _SIGNS.public_key().public_bytes_raw()),
        )

    def key(self, *roles: str, units: Sequence[str] = (), scopes: Sequence[str] = ()) -> dict[str, str]:
        """Headers of a new account of these roles, with all it may or some of it."""
        secret = accounts.new_key(os.urandom)
        with writing(self.engine) as connection:
            name = f"u{os.urandom(4).hex()}"
            account = known.create(
                connection, name=name, roles=roles, hashed=None, by="t", at=NOW, units=units, origin="oidc"
            )
            allowed = sorted(frozenset().union(*(PERMISSIONS[role] for role in account.roles)))
            credentials.create_key(
                connection,
                account=account.id,
                name="k",
                scopes=scopes or allowed,
                secret=secret,
                at=NOW,
                expires_at=NOW + DAY,
                by="t",
            )
        return {"authorization": f"Bearer {secret}"}

    def get(self, path: str, who: dict[str, str], **params: Any) -> Any:
        """What a person gets, which has to be a success."""
        answer = self.client.get(f"/api/v1{path}", headers=who, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, path: str, who: dict[str, str], content: Any, method: str = "POST") -> Any:
        """The same, for a request with a body."""
        answer = self.client.request(method, f"/api/v1{path}", headers=who, json=content)
        assert answer.status_code < 300, answer.text
        return answer.json()
