"""Reveals: the name behind a pseudonym, for somebody with a role and a reason; each step is audited.

The key that opens names is no part of the database: it is handed in for the one call that needs it.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from nacl.public import PrivateKey

from aimscope_collector.accounts import PERMISSIONS, Principal, Role
from aimscope_collector.audit import Fact
from aimscope_collector.keys import KeysError, opened
from aimscope_collector.privacy import PrivacyPolicy
from aimscope_collector.store import audit
from aimscope_collector.store.tables.fleet import ASSET
from aimscope_collector.store.tables.people import REVEAL
from aimscope_collector.store.tables.sightings import SUBJECT

What = Literal["person", "device"]
Stage = Literal["waiting", "agreed", "opened", "refused"]
LONGEST_REASON: Final = 4_000


class NotRevealed(Exception):
    """A step of a reveal that is refused; the text says why and what to do."""


class Reveal(msgspec.Struct, frozen=True, kw_only=True):
    """One request; times are seconds since 1970 UTC."""

    id: int
    pseudonym: str
    what: What
    asked_by: str
    asked_at: int
    role: str
    reason: str
    second_needed: bool
    second_by: str | None
    second_at: int | None
    opened_at: int | None
    refused_at: int | None

    @property
    def stage(self) -> Stage:
        """How far it is."""
        if self.refused_at is not None:
            return "refused"
        if self.opened_at is not None:
            return "opened"
        return "waiting" if self.second_needed and self.second_at is None else "agreed"


def ask(
    connection: sa.Connection,
    *,
    pseudonym: str,
    what: What,
    by: Principal,
    role: Role,
    reason: str,
    at: int,
    policy: PrivacyPolicy,
) -> Reveal:
    """Ask for the name behind a pseudonym, in one of one's roles that may. Raises ``NotRevealed``."""
    if not by.may("people:reveal") or role not in by.roles or "people:reveal" not in PERMISSIONS[role]:
        raise NotRevealed("This role may not ask for names: ask somebody of IT security.")
    if not reason.strip() or len(reason) > LONGEST_REASON or "\0" in reason:
        raise NotRevealed(f"A reveal needs a reason of at most {LONGEST_REASON} characters: write it.")
    _sealed(connection, pseudonym, what)
    values = {
        "pseudonym": pseudonym,
        "what": what,
        "asked_by": by.name,
        "asked_at": at,
        "role": role,
        "reason": reason,
        "second_needed": policy.second_person,
    }
    row = connection.execute(REVEAL.insert().values(values).returning(REVEAL)).one()
    facts: dict[str, Fact] = {"reveal": row.id, "role": role, "reason": reason, "second_needed": policy.second_person}
    audit.record(connection, at=at, actor=by.name, action="reveal.asked", about=pseudonym, facts=facts)
    return _of_row(row)


def agree(connection: sa.Connection, *, reveal: int, by: Principal, at: int) -> Reveal:
    """Consent, as the second person. Raises ``NotRevealed``."""
    known = _other_persons(connection, reveal, by)
    if known.second_at is not None:
        raise NotRevealed(f"{known.second_by} has agreed already.")
    return _second(connection, known, by, at, "agreed", second_by=by.name, second_at=at)


def refuse(connection: sa.Connection, *, reveal: int, by: Principal, at: int) -> Reveal:
    """Refuse it, as the second person, also after having agreed. Raises ``NotRevealed``."""
    known = _other_persons(connection, reveal, by)
    return _second(connection, known, by, at, "refused", second_by=by.name, refused_at=at)


def open_name(
    connection: sa.Connection, *, reveal: int, by: Principal, at: int, key: PrivateKey, policy: PrivacyPolicy
) -> str:
    """The name, for who asked for it, as often as needed while the reveal is fresh; each time is audited.

    Raises ``NotRevealed``; the transaction has to be committed before the name is shown, or nobody would know.
    """
    known = _needed(connection, reveal)
    if known.asked_by != by.name or not by.may("people:reveal"):
        raise NotRevealed("Only who asked for a name sees it: ask for it yourself.")
    if known.refused_at is not None:
        raise NotRevealed("This reveal was refused.")
    if known.second_at is None and (known.second_needed or policy.second_person):
        raise NotRevealed("A second person has to agree first.")
    if not known.asked_at <= at < known.asked_at + policy.reveal_hours * 3_600:
        raise NotRevealed(f"It was asked for more than {policy.reveal_hours} hours ago: ask again.")
    try:
        name = opened(key, _sealed(connection, known.pseudonym, known.what))
    except KeysError as error:
        raise NotRevealed(f"It cannot be opened: {error}.") from None
    if known.opened_at is None:
        connection.execute(REVEAL.update().where(REVEAL.c.id == reveal).values(opened_at=at))
    facts: dict[str, Fact] = {"reveal": reveal, "role": known.role, "second": known.second_by}
    audit.record(connection, at=at, actor=by.name, action="reveal.opened", about=known.pseudonym, facts=facts)
    return name


def reveals(
    connection: sa.Connection, *, pseudonym: str = "", waiting: bool = False, before: int = 0, limit: int = 100
) -> list[Reveal]:
    """Requests, the newest first; ``waiting`` for those that a second person has yet to look at."""
    query = sa.select(REVEAL).order_by(REVEAL.c.id.desc()).limit(limit)
    if pseudonym:
        query = query.where(REVEAL.c.pseudonym == pseudonym)
    if waiting:
        query = query.where(REVEAL.c.second_needed, REVEAL.c.second_at.is_(None), REVEAL.c.refused_at.is_(None))
    if before:
        query = query.where(REVEAL.c.id < before)
    return [_of_row(row) for row in connection.execute(query)]


def _sealed(connection: sa.Connection, pseudonym: str, what: What) -> bytes:
    table = SUBJECT if what == "person" else ASSET
    sealed = connection.execute(sa.select(table.c.sealed).where(table.c.pseudonym == pseudonym)).scalar_one_or_none()
    if sealed is None:
        raise NotRevealed("There is no name behind this pseudonym: it is unknown, or was erased.")
    return bytes(sealed)


def _other_persons(connection: sa.Connection, reveal: int, by: Principal) -> Reveal:
    known = _needed(connection, reveal)
    if not by.may("people:approve"):
        raise NotRevealed("This role may not agree to a reveal.")
    if by.name == known.asked_by:
        raise NotRevealed("The second person is somebody else than who asked.")
    if known.refused_at is not None:
        raise NotRevealed("This reveal was refused.")
    if known.opened_at is not None:
        raise NotRevealed("This name was opened already.")
    return known


def _second(connection: sa.Connection, known: Reveal, by: Principal, at: int, what: str, **values: object) -> Reveal:
    connection.execute(REVEAL.update().where(REVEAL.c.id == known.id).values(values))
    facts: dict[str, Fact] = {"reveal": known.id, "asked_by": known.asked_by}
    audit.record(connection, at=at, actor=by.name, action=f"reveal.{what}", about=known.pseudonym, facts=facts)
    return _needed(connection, known.id)


def _needed(connection: sa.Connection, reveal: int) -> Reveal:
    row = connection.execute(sa.select(REVEAL).where(REVEAL.c.id == reveal).with_for_update()).first()
    if row is None:
        raise NotRevealed("There is no such reveal: look for it in the list.")
    return _of_row(row)


def _of_row(row: sa.Row[Any]) -> Reveal:
    return Reveal(**{name: getattr(row, name) for name in Reveal.__struct_fields__})
