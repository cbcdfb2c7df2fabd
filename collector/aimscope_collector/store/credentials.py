"""API keys: found by the hash of a secret that only its owner has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from aimscope_collector import accounts
from aimscope_collector.accounts import NotAllowed, Principal
from aimscope_collector.store import audit
from aimscope_collector.store.accounts import get
from aimscope_collector.store.tables.people import API_KEY


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key, without its secret."""

    id: int
    account: int
    name: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int
    revoked_at: int | None
    last_used: int | None


def create_key(
    connection: sa.Connection,
    *,
    account: int,
    name: str,
    scopes: Iterable[str],
    secret: str,
    at: int,
    expires_at: int,
    by: str,
) -> ApiKey:
    """Make a key of an account; ``secret`` comes from ``accounts.new_key``. Raises ``NotAllowed``."""
    owner = get(connection, account)
    if owner is None or owner.disabled_at is not None:
        raise NotAllowed("A key needs an account that may log in.")
    wanted = accounts.check_scopes(scopes, owner.roles)
    if not at < expires_at <= at + accounts.LONGEST_KEY_LIFE:
        raise NotAllowed("A key expires within a year: give a day.")
    if not name.strip() or len(name) > 128 or not name.isprintable():
        raise NotAllowed("A key has a name of at most 128 characters, to tell it from others.")
    values = {
        "hash": accounts.secret_hash(secret),
        "account": account,
        "name": name,
        "scopes": msgspec.json.encode(wanted).decode(),
        "created_at": at,
        "expires_at": expires_at,
    }
    row = connection.execute(API_KEY.insert().values(values).returning(API_KEY)).one()
    facts = {"key": row.id, "name": name, "scopes": " ".join(wanted), "expires_at": expires_at}
    audit.record(connection, at=at, actor=by, action="key.created", about=owner.name, facts=facts)
    return _key(row)


def revoke_key(connection: sa.Connection, *, key: int, by: str, at: int) -> None:
    """The key opens nothing any more. Raises ``NotAllowed`` where there is none."""
    revoked = API_KEY.update().where(API_KEY.c.id == key, API_KEY.c.revoked_at.is_(None)).values(revoked_at=at)
    row = connection.execute(revoked.returning(API_KEY.c.name)).first()
    if row is None:
        raise NotAllowed("There is no such key, or it is revoked already.")
    facts = {"key": key, "name": row.name}
    audit.record(connection, at=at, actor=by, action="key.revoked", about=row.name, facts=facts)


def keys(connection: sa.Connection, *, account: int | None = None) -> list[ApiKey]:
    """Keys of an account, or all of them, the oldest first."""
    query = sa.select(API_KEY).order_by(API_KEY.c.id)
    if account is not None:
        query = query.where(API_KEY.c.account == account)
    return [_key(row) for row in connection.execute(query)]


def by_key(connection: sa.Connection, secret: str, *, now: int) -> tuple[int, Principal] | None:
    """The id of the key and who asks with it; ``None`` where it is unknown, expired or revoked, or its owner is out."""
    if not secret.startswith(accounts.PREFIX):
        return None
    row = connection.execute(sa.select(API_KEY).where(API_KEY.c.hash == accounts.secret_hash(secret))).first()
    if row is None or row.revoked_at is not None or row.expires_at <= now:
        return None
    owner = get(connection, row.account)
    if owner is None or owner.disabled_at is not None:
        return None
    return row.id, owner.principal(_key(row).scopes)


def used(connection: sa.Connection, when: Mapping[int, int]) -> None:
    """Keep when keys were last used, by id, in bulk: call it every minute, not for each request."""
    if when:
        later = sa.or_(API_KEY.c.last_used.is_(None), API_KEY.c.last_used < sa.bindparam("at"))
        update = API_KEY.update().where(API_KEY.c.id == sa.bindparam("key"), later)
        rows = [{"key": key, "at": at} for key, at in sorted(when.items())]
        connection.execute(update.values(last_used=sa.bindparam("at")), rows)


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        account=row.account,
        name=row.name,
        scopes=msgspec.json.decode(row.scopes, type=tuple[str, ...]),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used=row.last_used,
    )
