"""The agents' routes: bare ASGI, as thin as possible.

``POST /v1/enrol``, ``/v1/check-in``, ``/v1/ingest`` and ``GET /v1/{catalogue,overlay,policy}/{sha256}``. Who asks is
known by ``Authorization: Bearer <uid>.<secret>`` alone. Errors are ``application/problem+json`` with a stable ``type``.

``make_agent_app(context)`` is an ASGI application that may be served alone (its lifespan brings the context to life) or
behind another one, which then enters ``serving(context)`` itself.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.ingest import body
from aimscope_collector.ingest.checking import check_in, promote
from aimscope_collector.ingest.context import Context, serving
from aimscope_collector.ingest.directory import Identity
from aimscope_collector.ingest.enrolling import enrol
from aimscope_collector.ingest.problems import Refusal
from aimscope_collector.ingest.receiving import receive as receive_report
from aimscope_collector.ingest.writing import unavailable
from aimscope_collector.store import agents, feeds

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
PREFIX: Final = "/v1/"
_FEEDS: Final = ("catalogue", "overlay", "policy")
_LONGEST_CREDENTIAL: Final = 512
_JSON: Final = b"application/json"
_BYTES: Final = b"application/octet-stream"
_encode: Final = msgspec.json.Encoder().encode
Headers = dict[bytes, bytes]


def peer(scope: MutableMapping[str, Any]) -> str:
    """The address that the connection comes from. Behind a proxy, whoever serves puts the client's there."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def make_agent_app(context: Context) -> Asgi:
    """The application of the agents' routes."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(context, receive, send)
        elif scope["type"] == "http":
            try:
                kind, content = await _answer(context, scope, receive)
            except Refusal as refusal:
                await _refuse(send, refusal)
            except body.Gone:
                return
            else:
                await _send(send, 200, kind, content)

    return app


async def _answer(context: Context, scope: MutableMapping[str, Any], receive: Receive) -> tuple[bytes, bytes]:
    path, method = scope["path"], scope["method"]
    headers: Headers = dict(scope["headers"])
    name, _, rest = path.removeprefix(PREFIX).partition("/")
    if not path.startswith(PREFIX) or (bool(rest) != (name in _FEEDS)):
        raise Refusal("not-found")
    if rest:
        _require(method, "GET")
        await _authenticated(context, headers)
        return _BYTES, await _feed(context, name, rest)
    match name:
        case "check-in":
            _require(method, "POST")
            identity = await _authenticated(context, headers)
            plain = await body.read(receive, headers, context.limits, small=True)
            return _JSON, _encode(await check_in(context, identity, plain))
        case "ingest":
            _require(method, "POST")
            identity = await _authenticated(context, headers)
            return _JSON, await _ingest(context, identity, headers, receive)
        case "enrol":
            _require(method, "POST")
            plain = await body.read(receive, headers, context.limits, small=True)
            return _JSON, _encode(await enrol(context, peer(scope), plain))
    raise Refusal("not-found")


def _require(method: str, wanted: str) -> None:
    if method != wanted:
        raise Refusal("method")


async def _ingest(context: Context, identity: Identity, headers: Headers, receive: Receive) -> bytes:
    if not identity.approved:
        raise Refusal("not-approved", retry_after=context.jittered(context.limits.check_in))
    allowance = context.directory.allowance(identity)
    if allowance.busy >= context.limits.most_at_once:
        raise Refusal("too-fast", "one report at a time", retry_after=1 + context.uniform())
    if context.bodies.locked():
        raise Refusal("unavailable", "too many reports at one time", retry_after=1 + 9 * context.uniform())
    allowance.busy += 1
    try:
        async with context.bodies:
            plain = await body.read(receive, headers, context.limits)
        return _encode(await receive_report(context, identity, plain))
    finally:
        allowance.busy -= 1


async def _authenticated(context: Context, headers: Headers) -> Identity:
    """Who asks. Raises ``Refusal``."""
    said = headers.get(b"authorization", b"")
    if len(said) > _LONGEST_CREDENTIAL or said[:7].lower() != b"bearer ":
        raise Refusal("unauthorised")
    uid, dot, secret = said[7:].decode("latin-1").strip().rpartition(".")
    if not dot or not uid or not secret:
        raise Refusal("unauthorised")
    identity = context.directory.get(uid) or await _stranger(context, uid)
    if context.directory.authenticate(identity, secret, context.now()):
        await promote(context, identity)
    return identity


async def _stranger(context: Context, uid: str) -> Identity:
    """An agent that another collector has just let in, or nobody's identity."""
    if not uid.isascii() or not uid.isprintable():
        raise Refusal("unauthorised")
    wait = context.strangers.take(1, asyncio.get_running_loop().time())
    if wait:
        raise Refusal("unavailable", "too many unknown agents", retry_after=wait + 4 * context.uniform())
    try:
        known = await asyncio.to_thread(_find, context.engine, uid)
    except sa.exc.SQLAlchemyError as error:
        raise unavailable(context, error) from None
    if known is None:
        raise Refusal("unauthorised")
    return context.directory.add(known)


def _find(engine: sa.Engine, uid: str) -> agents.Known | None:
    with engine.connect() as connection:
        return agents.find(connection, uid)


async def _feed(context: Context, name: str, sha256: str) -> bytes:
    if len(sha256) != 64 or not sha256.isalnum() or not sha256.isascii():
        raise Refusal("not-found")
    try:
        found = await asyncio.to_thread(_body, context.engine, name, sha256)
    except sa.exc.SQLAlchemyError as error:
        raise unavailable(context, error) from None
    if found is None:
        raise Refusal("not-found")
    return found


def _body(engine: sa.Engine, name: str, sha256: str) -> bytes | None:
    with engine.connect() as connection:
        return feeds.body(connection, name=name, sha256=sha256)


async def _refuse(send: Send, refusal: Refusal) -> None:
    problem = refusal.problem()
    extra = []
    if refusal.retry_after:
        extra.append((b"retry-after", str(math.ceil(refusal.retry_after)).encode()))
    if problem.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    await _send(send, problem.status, b"application/problem+json", _encode(problem), extra)


async def _send(
    send: Send, status: int, kind: bytes, content: bytes, extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *(extra or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _lifespan(context: Context, receive: Receive, send: Send) -> None:
    await receive()
    try:
        async with serving(context):
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except (sa.exc.SQLAlchemyError, OSError) as error:
        await send({"type": "lifespan.startup.failed", "message": type(error).__name__})
        return
    await send({"type": "lifespan.shutdown.complete"})
