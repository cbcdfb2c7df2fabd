"""Accounts in the database: made, changed, logged in to, disabled; all of it audited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector import accounts
from aimscope_collector.accounts import NotAllowed, Principal, Role
from aimscope_collector.store import audit
from aimscope_collector.store.database import is_sqlite, writing
from aimscope_collector.store.tables.people import ACCOUNT, SESSION

BREAK_GLASS: Final = "login.break_glass"
"""A local administrator logged in where people log in elsewhere."""
_LOCK: Final = 0x6163636F_75


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account, without its password. ``units`` limits what it sees and decides; empty is no limit."""

    id: int
    name: str
    roles: tuple[Role, ...]
    must_change: bool
    failures: int
    locked_until: int
    disabled_at: int | None
    created_at: int
    origin: str
    units: tuple[str, ...]
    second_factor: bool = False
    """Whether a code is asked for after the password."""

    def principal(self, scopes: Iterable[str] | None = None) -> Principal:
        """Who asks, when this account does, through a key with ``scopes`` if given."""
        return Principal(
            account=self.id,
            name=self.name,
            roles=self.roles,
            units=self.units,
            scopes=None if scopes is None else frozenset(scopes),
            must_change=self.must_change,
        )


class Denied(Exception):
    """Nobody was logged in. The text does not say whether there is such an account."""

    def __init__(self, retry_after: int = 0) -> None:
        when = f" Try again in {retry_after} seconds." if retry_after else ""
        super().__init__(f"Name or password is wrong, or the account is locked.{when}")
        self.retry_after = retry_after


def log_in(engine: sa.Engine, *, name: str, password: str, now: int, rescue: bool = False) -> Account:
    """The account, if the password is its own; where it has a second factor, ``codes.check`` has to follow.

    ``rescue`` where people log in elsewhere: only administrators get in here, and each time is told. Raises ``Denied``.

    An attempt is counted before the password is looked at, so that many at once gain nothing; while an account is
    locked no password is looked at. Opens its own transactions: comparing takes too long to hold one.
    """
    with writing(engine) as connection:
        row = _by_name(connection, name, lock=True)
        usable = row is not None and row.disabled_at is None and row.password is not None
        if row is not None and rescue and "admin" not in _of_row(row).roles:
            usable = False
        wait = row.locked_until - now if row is not None else 0
        if row is not None and usable and wait <= 0:
            failures = row.failures + 1
            until = now + accounts.locked_for(failures)
            _change(connection, row.id, failures=failures, locked_until=until if until > now else 0)
    if wait > 0:
        _deny(engine, row, now, "locked")
        raise Denied(wait)
    if not accounts.matches(row.password if row is not None and usable else None, password) or row is None:
        _deny(engine, row, now, "refused")
        raise Denied(accounts.locked_for(row.failures + 1) if row is not None and usable else 0)
    renewed = accounts.hash_password(password) if accounts.outdated(row.password) else row.password
    with writing(engine) as connection:
        # unless somebody changed the password or disabled the account while we compared
        same = (ACCOUNT.c.id == row.id) & (ACCOUNT.c.password == row.password) & ACCOUNT.c.disabled_at.is_(None)
        values = {"password": renewed, **_forgiven(row)}
        done = connection.execute(ACCOUNT.update().where(same).values(values).returning(ACCOUNT)).first()
        if done is not None:
            asked = row.totp_at is not None
            _record(connection, now, row.name, "login.code-asked" if asked else "login.done", row.name)
            if rescue and not asked:
                _record(connection, now, row.name, BREAK_GLASS, row.name)
            return _of_row(done)
    raise Denied


def _forgiven(row: sa.Row[Any]) -> dict[str, object]:
    """What a right password makes good: with a second factor only its own attempt, lest wrong codes be forgotten."""
    if row.totp_at is None:
        return {"failures": 0, "locked_until": 0}
    alone = ACCOUNT.c.failures == row.failures + 1  # nobody else tried meanwhile, whose lock it would be
    return {
        "failures": sa.case((ACCOUNT.c.failures > 0, ACCOUNT.c.failures - 1), else_=0),
        "locked_until": sa.case((alone, 0), else_=ACCOUNT.c.locked_until),
    }


def _deny(engine: sa.Engine, row: sa.Row[Any] | None, now: int, why: str) -> None:
    """Record it: of a locked account, and of names that are none, once a minute, so that no guesser fills the log."""
    # a name that is none may be a password typed into the wrong field: it is not kept
    name = row.name if row is not None else ""
    with writing(engine) as connection:
        if why == "locked" or row is None:
            said = audit.entries(connection, actions=[f"login.{why}"], since=now - 60, limit=50, newest_first=True)
            if any(entry.about == name for entry in said):
                return
        _record(connection, now, "", f"login.{why}", name, known=row is not None)


def create(
    connection: sa.Connection,
    *,
    name: str,
    roles: Iterable[str],
    hashed: str | None,
    by: str,
    at: int,
    units: Sequence[str] = (),
    origin: str = "local",
) -> Account:
    """Make an account whose first password has to be changed; ``hashed`` is ``None`` for one that logs in elsewhere.

    Raises ``NotAllowed``.
    """
    folded, wanted = accounts.check_name(name), accounts.check_roles(roles)
    _one_at_a_time(connection)
    if _by_name(connection, folded) is not None:
        raise NotAllowed(f"There is an account {folded} already: choose another name.")
    values = {
        "name": folded,
        "password": hashed,
        "roles": msgspec.json.encode(wanted).decode(),
        "must_change": hashed is not None,
        "created_at": at,
        "origin": origin,
        "units": msgspec.json.encode(list(units)).decode(),
    }
    row = connection.execute(ACCOUNT.insert().values(values).returning(ACCOUNT)).one()
    _record(connection, at, by, "account.created", folded, roles=" ".join(wanted), units=", ".join(units))
    return _of_row(row)


def change_roles(
    connection: sa.Connection, *, account: int, roles: Iterable[str], units: Sequence[str], by: str, at: int
) -> Account:
    """Give an account other roles and limits, and end its sessions. Raises ``NotAllowed``, also for the last one's."""
    wanted = accounts.check_roles(roles)
    _one_at_a_time(connection)
    known = _needed(connection, account)
    if "admin" not in wanted or units:
        _not_the_last(connection, known)
    stored = {"roles": msgspec.json.encode(wanted).decode(), "units": msgspec.json.encode(list(units)).decode()}
    _change(connection, account, **stored)
    connection.execute(SESSION.delete().where(SESSION.c.account == account))
    said = {"roles": " ".join(wanted), "before": " ".join(known.roles), "units": ", ".join(units)}
    _record(connection, at, by, "account.roles", known.name, **said)
    return _needed(connection, account)


def disable(connection: sa.Connection, *, account: int, by: str, at: int) -> None:
    """Nobody gets in with this account or its keys any more. Raises ``NotAllowed`` for the last administrator's."""
    _one_at_a_time(connection)
    known = _needed(connection, account)
    _not_the_last(connection, known)
    _change(connection, account, disabled_at=at)
    connection.execute(SESSION.delete().where(SESSION.c.account == account))
    _record(connection, at, by, "account.disabled", known.name)


def enable(connection: sa.Connection, *, account: int, by: str, at: int) -> None:
    """Undo ``disable``, and unlock."""
    known = _needed(connection, account)
    _change(connection, account, disabled_at=None, failures=0, locked_until=0)
    _record(connection, at, by, "account.enabled", known.name)


def set_password(
    connection: sa.Connection, *, account: int, hashed: str, by: str, at: int, first: bool = False
) -> None:
    """Another password, already checked and hashed; ``first`` if its owner has to change it. Ends all sessions."""
    known = _needed(connection, account)
    if known.origin != "local":
        raise NotAllowed(f"{known.name} logs in elsewhere: change the password there.")
    _change(connection, account, password=hashed, must_change=first, failures=0, locked_until=0)
    connection.execute(SESSION.delete().where(SESSION.c.account == account))
    _record(connection, at, by, "password.reset" if first else "password.changed", known.name)


def find(connection: sa.Connection, name: str) -> Account | None:
    """The account of that name."""
    row = _by_name(connection, name)
    return _of_row(row) if row is not None else None


def get(connection: sa.Connection, account: int) -> Account | None:
    """The account of that id."""
    row = connection.execute(sa.select(ACCOUNT).where(ACCOUNT.c.id == account)).first()
    return _of_row(row) if row is not None else None


def all_accounts(connection: sa.Connection) -> list[Account]:
    """Every account, by name."""
    return [_of_row(row) for row in connection.execute(sa.select(ACCOUNT).order_by(ACCOUNT.c.name))]


def _by_name(connection: sa.Connection, name: str, *, lock: bool = False) -> sa.Row[Any] | None:
    folded = name.strip().casefold()
    if "\0" in folded or not folded.isprintable():
        return None
    query = sa.select(ACCOUNT).where(ACCOUNT.c.name == folded)
    return connection.execute(query.with_for_update() if lock else query).first()


def _needed(connection: sa.Connection, account: int) -> Account:
    known = get(connection, account)
    if known is None:
        raise NotAllowed("There is no such account: look for it in the list.")
    return known


def _not_the_last(connection: sa.Connection, known: Account) -> None:
    others = [
        one
        for one in all_accounts(connection)
        if one.id != known.id and "admin" in one.roles and one.disabled_at is None and not one.units
    ]
    if "admin" in known.roles and known.disabled_at is None and not others:
        raise NotAllowed(f"{known.name} is the last administrator: make another one first.")


def _one_at_a_time(connection: sa.Connection) -> None:
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _change(connection: sa.Connection, account: int, **values: object) -> None:
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == account).values(values))


def _record(connection: sa.Connection, at: int, by: str, what: str, name: str, **facts: str | bool) -> None:
    audit.record(connection, at=at, actor=by, action=what, about=name, facts=facts)


def _of_row(row: sa.Row[Any]) -> Account:
    known = set(accounts.PERMISSIONS)
    return Account(
        id=row.id,
        name=row.name,
        roles=tuple(role for role in msgspec.json.decode(row.roles, type=tuple[str, ...]) if role in known),
        must_change=row.must_change,
        failures=row.failures,
        locked_until=row.locked_until,
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        origin=row.origin,
        units=msgspec.json.decode(row.units, type=tuple[str, ...]),
        second_factor=row.totp_at is not None,
    )
