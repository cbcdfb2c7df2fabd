"""Logins that are under way elsewhere, and the accounts of who comes back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from aimscope_collector import accounts
from aimscope_collector.accounts import NotAllowed, Role
from aimscope_collector.store import accounts as known
from aimscope_collector.store import audit
from aimscope_collector.store.accounts import Account
from aimscope_collector.store.tables.people import ACCOUNT, SESSION, SIGN_ON

SECONDS: Final = 600
"""In which a login elsewhere has to come back."""
MOST: Final = 5_000
"""Logins under way; with one more the oldest is forgotten."""


class UnderWay(NamedTuple):
    """What was drawn for one login: ``state`` and ``nonce`` tie the answers to it, ``verifier`` the code (RFC 7636)."""

    state: str
    nonce: str
    verifier: str
    onward: str


def begin(connection: sa.Connection, login: UnderWay, *, secret: str, now: int) -> None:
    """Keep a login that begins, under the secret of a cookie that its browser alone has."""
    connection.execute(SIGN_ON.delete().where(SIGN_ON.c.expires_at <= now))
    newest = sa.select(SIGN_ON.c.hash).order_by(SIGN_ON.c.expires_at.desc(), SIGN_ON.c.hash).limit(MOST - 1)
    if connection.execute(sa.select(sa.func.count()).select_from(SIGN_ON)).scalar_one() >= MOST:
        connection.execute(SIGN_ON.delete().where(SIGN_ON.c.hash.not_in(newest.scalar_subquery())))
    row = {"hash": accounts.secret_hash(secret), "expires_at": now + SECONDS, **login._asdict()}
    connection.execute(SIGN_ON.insert().values(row))


def take(connection: sa.Connection, secret: str, *, now: int) -> UnderWay | None:
    """The login of that browser, which is over with this: nothing that comes back counts twice."""
    mine = SIGN_ON.c.hash == accounts.secret_hash(secret)
    row = connection.execute(SIGN_ON.delete().where(mine).returning(SIGN_ON)).first()
    if row is None or row.expires_at <= now:
        return None
    return UnderWay(row.state, row.nonce, row.verifier, row.onward)


def arrived(
    connection: sa.Connection, *, subject: str, name: str, roles: tuple[Role, ...], units: tuple[str, ...], at: int
) -> Account | None:
    """The account of who logged in elsewhere, with the roles it has there now; ``None`` where it is disabled here.

    ``subject`` is its identity: a name can pass to somebody else. A name that is taken, or none, is replaced by one
    that is made from the subject, so that nobody becomes a local account by being called like it.
    """
    row = _of_subject(connection, subject)
    if row is None:
        made = known.create(
            connection,
            name=_free_name(connection, name, subject),
            roles=roles,
            hashed=None,
            by="oidc",
            at=at,
            units=units,
            origin="oidc",
        )
        connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == made.id).values(subject=subject))
        row = _of_subject(connection, subject)
    if row is None or row.disabled_at is not None:
        return None
    _grant(connection, row, roles, units, at)
    audit.record(connection, at=at, actor=row.name, action="login.done", about=row.name, facts={"how": "oidc"})
    return known.get(connection, row.id)


def lost(connection: sa.Connection, *, subject: str, at: int, why: str) -> None:
    """Somebody has no group any more that may come in: their account may nothing, nor do its keys and sessions."""
    row = _of_subject(connection, subject)
    if row is not None:
        _grant(connection, row, (), (), at)
    about = row.name if row is not None else ""
    audit.record(connection, at=at, actor="", action="login.refused", about=about, facts={"how": "oidc", "why": why})


def _grant(
    connection: sa.Connection, row: sa.Row[Any], roles: tuple[Role, ...], units: tuple[str, ...], at: int
) -> None:
    stored = {"roles": msgspec.json.encode(roles).decode(), "units": msgspec.json.encode(units).decode()}
    if (row.roles, row.units) == (stored["roles"], stored["units"]):
        return
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == row.id).values(stored))
    connection.execute(SESSION.delete().where(SESSION.c.account == row.id))
    facts = {"roles": " ".join(roles), "before": " ".join(msgspec.json.decode(row.roles)), "units": ", ".join(units)}
    audit.record(connection, at=at, actor="oidc", action="account.roles", about=row.name, facts=facts)


def _of_subject(connection: sa.Connection, subject: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(ACCOUNT).where(ACCOUNT.c.subject == subject).with_for_update()).first()


def _free_name(connection: sa.Connection, name: str, subject: str) -> str:
    try:
        folded = accounts.check_name(name)
    except NotAllowed:
        folded = ""
    if folded and known.find(connection, folded) is None:
        return folded
    return f"oidc-{hashlib.sha256(subject.encode('utf-8', 'replace')).hexdigest()[:16]}"


def drawn(randomness: Callable[[int], bytes], onward: str) -> UnderWay:
    """A login that begins: each word of 256 bits."""
    return UnderWay(randomness(32).hex(), randomness(32).hex(), randomness(32).hex(), onward)
