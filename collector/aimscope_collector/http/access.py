"""Who asks, and whether they may: every route says what it needs, and one that says nothing is not served.

``needs`` in a route's ``opt`` is a permission of ``accounts.SCOPES``, or ``NOTHING`` for what anybody may know, or
``KNOWN`` for whoever is logged in.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import anyio.to_thread
from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from aimscope_collector.accounts import SCOPES, Principal
from aimscope_collector.http.given import Given
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import accounts as known_accounts
from aimscope_collector.store import credentials
from aimscope_collector.store.accounts import Account

NOTHING: Final = "nothing"
KNOWN: Final = "known"
_LONGEST: Final = 1_024
_COMPARING: Final = threading.BoundedSemaphore(2)
_PATIENCE: Final = 5.0
PREFIX: Final = "/api/v1"
OWNER: Final = "aimscope.owner"
"""In a scope: who asks in this very process. No server puts it there."""


class Rule(NamedTuple):
    """What one route needs."""

    method: str
    path: str
    needs: str


def rules(app: Litestar) -> list[Rule]:
    """Every route of the API with what it needs, in order. Raises ``ValueError`` for one that says nothing."""
    found = []
    for method, path, handler in _handlers(app):
        needs = handler.opt.get("needs", "")
        if needs not in SCOPES and needs not in (NOTHING, KNOWN):
            raise ValueError(f"{method} {path} does not say what it needs: give its route a permission in needs=…")
        found.append(Rule(method, path, needs))
    return sorted(found)


def _handlers(app: Litestar) -> Iterator[tuple[str, str, BaseRouteHandler]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", [getattr(route, "route_handler", None)]):
            if handler is None:
                continue
            methods: Iterable[Any] = handler.http_methods if isinstance(handler, HTTPRouteHandler) else ("GET",)
            for method in methods:
                if str(method) != "OPTIONS":
                    yield str(method), route.path, handler


def may(who: Principal | None, needs: str) -> Failed | None:
    """Why not; ``None`` where it is allowed."""
    if needs == NOTHING:
        return None
    if who is None:
        return Failed(401, "unauthorised", "Send an API key: Authorization: Bearer ak_….")
    if who.must_change:
        return Failed(403, "must-change", "Change the first password before anything else: POST /api/v1/password.")
    if needs == KNOWN or who.may(needs):
        return None
    return Failed(403, "forbidden", f"This needs the permission {needs}.")


def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse what the asker's roles and key do not allow."""
    failed = may(connection.scope.get("user"), handler.opt.get("needs", "") or "accounts:write")
    if failed is not None:
        raise failed


class Authentication(AbstractAuthenticationMiddleware):
    """Finds out who asks: a key, or name and password. Nobody at all is let through to the guard."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Who asks; a credential that is wrong is refused at once."""
        owner = connection.scope.get(OWNER)
        if isinstance(owner, Principal):
            return AuthenticationResult(user=owner, auth=None)
        scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
        if not scheme:
            return AuthenticationResult(user=None, auth=None)
        given: Given = connection.app.state.given
        if len(secret) <= _LONGEST:
            who = await anyio.to_thread.run_sync(_identified, given, scheme.casefold(), secret.strip())
            if who is not None:
                return AuthenticationResult(user=who, auth=scheme)
        raise Failed(401, "unauthorised", "The key is unknown, expired or revoked.")


def _identified(given: Given, scheme: str, secret: str) -> Principal | None:
    if scheme == "bearer":
        with given.engine.connect() as connection:
            found = credentials.by_key(connection, secret, now=given.now())
        if found is None:
            return None
        given.used(found[0])
        return found[1]
    if scheme == "basic":
        name, _, password = _decoded(secret).partition(":")
        return logged_in(given, name, password).principal()
    return None


def logged_in(given: Given, name: str, password: str) -> Account:
    """The account of a name and password; few at a time, for each comparison takes 32 MB. Raises ``Failed``."""
    if not _COMPARING.acquire(timeout=_PATIENCE):
        raise Failed(429, "too-fast", "Too many log in at this moment: try again in a minute.")
    try:
        return known_accounts.log_in(given.engine, name=name, password=password, now=given.now())
    except known_accounts.Denied as denied:
        raise Failed(401, "unauthorised", str(denied)) from None
    finally:
        _COMPARING.release()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise Failed(401, "unauthorised", "The credential cannot be read.") from None


def who_asks(request: Request[Any, Any, Any]) -> Principal:
    """Whoever asks, for handlers; the guard has let them in."""
    found: Principal = request.user
    return found


def given_of(request: Request[Any, Any, Any]) -> Given:
    """What answers are made from."""
    found: Given = request.app.state.given
    return found
