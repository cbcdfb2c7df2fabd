"""Who asks, and whether they may: every route says what it needs, and one that says nothing is not served.

``needs`` in a route's ``opt`` is a permission of ``accounts.SCOPES``, or ``NOTHING`` for what anybody may know, or
``KNOWN`` for whoever is logged in, or ``ENTERING`` for them even where a first password or a second factor is still to
be set.

A browser sends its cookie whoever makes it ask. So what comes with a cookie and changes something has to carry the
session's token, and to come from a page of ours. A key or password in a header is sent by nobody but its owner: it
needs neither. A form for somebody who is not logged in has no token yet; ``opt={"entrance": True}`` asks for the origin
alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import anyio.to_thread
from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from aimscope_collector.accounts import SCOPES, WHOLE, Principal
from aimscope_collector.http import cookies
from aimscope_collector.http.given import Given
from aimscope_collector.http.logging_in import logged_in, session_of
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import credentials, sessions
from aimscope_collector.store.sessions import Session

NOTHING: Final = "nothing"
KNOWN: Final = "known"
ENTERING: Final = "entering"
TOKEN: Final = "x-csrf-token"  # noqa: S105  # the name of a header
TOKEN_FIELD: Final = "csrf"  # noqa: S105  # and of a form's field
_LONGEST: Final = 1_024
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
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
        if needs not in SCOPES and needs not in (NOTHING, KNOWN, ENTERING):
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
    if needs == ENTERING:
        return None
    if who.must_change:
        return Failed(403, "must-change", "Change the first password before anything else: POST /api/v1/password.")
    if who.must_enrol:
        return Failed(403, "must-enrol", "Your role needs a second factor: set it up before anything else.")
    if needs == KNOWN or who.may(needs):
        return None
    if who.units and needs in WHOLE:
        return Failed(403, "forbidden", "This is the whole organisation's: your account has limits.")
    return Failed(403, "forbidden", f"This needs the permission {needs}.")


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse what the asker's roles and key do not allow, and what a browser was made to send."""
    failed = may(connection.scope.get("user"), handler.opt.get("needs", "") or "accounts:write")
    if failed is not None:
        raise failed
    if not isinstance(connection, Request) or connection.method in cookies.SAFE:
        return
    session = connection.scope.get("auth")
    entrance = bool(handler.opt.get("entrance"))
    if not isinstance(session, Session) and (session is not None or not entrance):
        return
    if not cookies.same_origin(connection.headers):
        raise Failed(403, "other-origin", "This was not sent by a page of this collector: open the page and try again.")
    if isinstance(session, Session) and not entrance and not session.permits(await _token(connection)):
        raise Failed(403, "token", "The page was too old, or is not ours: open it again, and repeat what you did.")


async def _token(request: Request[Any, Any, Any]) -> str:
    """The token of a header, or of a form's field."""
    said = request.headers.get(TOKEN)
    if said is None and request.content_type[0] in _FORMS:
        found = (await request.form()).get(TOKEN_FIELD)
        said = found if isinstance(found, str) else ""
    return said or ""


class Authentication(AbstractAuthenticationMiddleware):
    """Finds out who asks: a key, a name and password, or a session's cookie. Nobody at all is let through to the guard.

    ``request.auth`` is the session of somebody with a cookie; at its stage ``code`` there is no ``request.user`` yet.
    """

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Who asks; a credential that is wrong is refused at once."""
        owner = connection.scope.get(OWNER)
        if isinstance(owner, Principal):
            return AuthenticationResult(user=owner, auth=None)
        scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
        given: Given = connection.app.state.given
        if not scheme:
            return await _by_cookie(connection, given)
        if len(secret) <= _LONGEST:
            address = address_of(connection)
            who = await anyio.to_thread.run_sync(_identified, given, scheme.casefold(), secret.strip(), address)
            if who is not None:
                return AuthenticationResult(user=who, auth=scheme)
        raise Failed(401, "unauthorised", "The key is unknown, expired or revoked.")


async def _by_cookie(connection: ASGIConnection[Any, Any, Any, Any], given: Given) -> AuthenticationResult:
    secret = cookies.secret_of(connection.cookies, connection.scope.get("scheme"))
    session = await anyio.to_thread.run_sync(session_of, given, secret) if secret else None
    who = session.principal if session is not None and session.stage == "full" else None
    return AuthenticationResult(user=who, auth=session)


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Who speaks to us, as the network says, or the proxy that is named at the start."""
    return connection.client.host if connection.client is not None else ""


def _identified(given: Given, scheme: str, secret: str, address: str) -> Principal | None:
    if scheme == "bearer":
        with given.engine.connect() as connection:
            found = credentials.by_key(connection, secret, now=given.now())
        if found is None:
            return None
        given.used(found[0])
        return found[1]
    if scheme == "basic":
        name, _, password = _decoded(secret).partition(":")
        account = logged_in(given, name, password, address)
        if account.second_factor:
            raise Failed(401, "code-needed", "This account needs a code: log in with a browser, or use an API key.")
        with given.engine.connect() as connection:
            return sessions.principal_of(account, sessions.logins(connection))
    return None


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
