"""What people are promised: the policy in force, everything about one pseudonym, and its erasure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector import privacy
from aimscope_collector.accounts import Principal
from aimscope_collector.audit import Entry, Fact
from aimscope_collector.privacy import PrivacyPolicy
from aimscope_collector.store import audit, interning, settings
from aimscope_collector.store.reveals import NotRevealed, Reveal, reveals
from aimscope_collector.store.tables.fleet import AGENT, ASSET
from aimscope_collector.store.tables.people import REVEAL
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, SUBJECT
from aimscope_signatures.kinds import KINDS

SETTING: Final = "privacy"
MACHINE: Final = 0
MOST_ROWS: Final = 100_000
_STEP: Final = 500
_KEY: Final = ("month", "agent", "epoch", "asset", "evidence")
_VALUES: Final = ("count", "first", "last", "bytes_out", "bytes_in", "days", "identity", "presence")
WIDENED: Final = "privacy.widened"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One total about a person. ``device`` and ``agent`` are a pseudonym and an id."""

    month: int
    device: str
    agent: str
    service: str
    kind: str
    evidence: dict[str, str]
    count: int
    first: int
    last: int
    bytes_out: int | None
    bytes_in: int | None
    days: int


class AboutSubject(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept about one pseudonym. ``complete`` is false where there is more than was read."""

    pseudonym: str
    groups: tuple[str, ...]
    named: bool
    """Whether a sealed name is kept with it."""
    erased_at: int | None
    devices: tuple[str, ...]
    """Pseudonyms of devices that a list says are theirs."""
    seen: tuple[Seen, ...]
    complete: bool
    reveals: tuple[Reveal, ...]
    audit: tuple[Entry, ...]


def policy(connection: sa.Connection) -> PrivacyPolicy:
    """The policy in force."""
    text = settings.read(connection, SETTING)
    return msgspec.json.decode(text, type=PrivacyPolicy) if text else PrivacyPolicy()


def set_policy(connection: sa.Connection, new: PrivacyPolicy, *, by: str, at: int) -> tuple[str, ...]:
    """Put another policy in force. Returns, and has the privacy role see, each way in which it widens."""
    before = policy(connection)
    if before == new:
        return ()
    text = msgspec.json.encode(new).decode()
    settings.write(connection, SETTING, text)
    audit.record(connection, at=at, actor=by, action="privacy.changed", about=SETTING, facts={"policy": text})
    wider = privacy.widenings(before, new)
    widened(connection, wider, about=SETTING, by=by, at=at)
    return wider


def widened(connection: sa.Connection, how: Iterable[str], *, about: str, by: str, at: int) -> None:
    """Record that more is collected or shown than before, one sentence each: for whoever changes such a thing."""
    acts = [audit.Act(at, by, WIDENED, about, {"how": sentence}) for sentence in how]
    if acts:
        audit.record_all(connection, acts)


def seen_by_privacy(connection: sa.Connection, *, after: int = 0, limit: int = 100) -> list[Entry]:
    """What the privacy role is shown, newest first: widenings, reveals, subject access and erasure."""
    actions = ("privacy.", "reveal.", "subject.")
    return audit.entries(connection, actions=actions, after=after, limit=limit, newest_first=True)


def access(connection: sa.Connection, *, pseudonym: str, by: Principal, reason: str, at: int) -> AboutSubject:
    """Everything about one pseudonym, for the person it stands for. Raises ``NotRevealed``."""
    if not by.may("people:access"):
        raise NotRevealed("This role may not read everything about one person.")
    subject = _subject(connection, pseudonym, reason)
    told = audit.entries(connection, about=pseudonym, limit=None)
    owned = sa.select(ASSET.c.pseudonym).where(ASSET.c.owner == pseudonym).order_by(ASSET.c.id)
    rows = connection.execute(_rows_of(subject.id).limit(MOST_ROWS + 1)).all()
    audit.record(
        connection,
        at=at,
        actor=by.name,
        action="subject.accessed",
        about=pseudonym,
        facts={"rows": len(rows), "reason": reason},
    )
    return AboutSubject(
        pseudonym=pseudonym,
        groups=msgspec.json.decode(subject.groups, type=tuple[str, ...]),
        named=subject.sealed is not None,
        erased_at=subject.erased_at,
        devices=tuple(connection.execute(owned).scalars()),
        seen=tuple(_seen(row) for row in rows[:MOST_ROWS]),
        complete=len(rows) <= MOST_ROWS,
        reveals=tuple(reveals(connection, pseudonym=pseudonym, limit=10_000)),
        audit=tuple(told),
    )


def erase(connection: sa.Connection, *, pseudonym: str, by: Principal, reason: str, at: int) -> int:
    """Forget who it was: no name, no groups, totals counted for the machine itself. Returns the totals moved.

    The pseudonym stays as a mark, so that what agents send again is counted for the machine too. Raises
    ``NotRevealed``.
    """
    if not by.may("people:erase"):
        raise NotRevealed("This role may not erase what is kept about a person.")
    subject = _subject(connection, pseudonym, reason)
    if subject.id == MACHINE:
        raise NotRevealed("This is the machine itself, and no person.")
    if subject.erased_at is None:
        gone = {"sealed": None, "groups": "[]", "erased_at": at}
        connection.execute(SUBJECT.update().where(SUBJECT.c.id == subject.id).values(gone))
        interning.forget(connection)
    connection.execute(ASSET.update().where(ASSET.c.owner == pseudonym).values(owner=""))
    pending = REVEAL.c.refused_at.is_(None) & REVEAL.c.opened_at.is_(None)
    connection.execute(REVEAL.update().where(REVEAL.c.pseudonym == pseudonym, pending).values(refused_at=at))
    moved = _move(connection, subject.id)
    facts: dict[str, Fact] = {"rows": moved, "reason": reason}
    audit.record(connection, at=at, actor=by.name, action="subject.erased", about=pseudonym, facts=facts)
    return moved


def sweep(connection: sa.Connection) -> int:
    """Move totals of erased people that were on their way while they were erased; for the nightly work."""
    erased = sa.select(SUBJECT.c.id).where(SUBJECT.c.erased_at.is_not(None)).order_by(SUBJECT.c.id)
    return sum(_move(connection, subject) for subject in connection.execute(erased).scalars().all())


def _subject(connection: sa.Connection, pseudonym: str, reason: str) -> sa.Row[Any]:
    if not reason.strip() or len(reason) > 4_000:
        raise NotRevealed("Say why, in at most 4000 characters: who asked, and where that is on file.")
    row = connection.execute(sa.select(SUBJECT).where(SUBJECT.c.pseudonym == pseudonym).with_for_update()).first()
    if row is None:
        raise NotRevealed("Nothing is kept about this pseudonym.")
    return row


def _rows_of(subject: int) -> sa.Select[Any]:
    about = SIGHTING.c.evidence == EVIDENCE.c.id
    return (
        sa.select(
            *(SIGHTING.c[name] for name in (*_KEY, *_VALUES)),
            *(EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields),
            AGENT.c.uid.label("agent_uid"),
            ASSET.c.pseudonym.label("device"),
        )
        .join(EVIDENCE, about)
        .outerjoin(AGENT, AGENT.c.id == SIGHTING.c.agent)
        .outerjoin(ASSET, ASSET.c.id == SIGHTING.c.asset)
        .where(SIGHTING.c.subject == subject)
        .order_by(*(SIGHTING.c[name] for name in _KEY))
    )


def _seen(row: sa.Row[Any]) -> Seen:
    same = ("month", "service", "kind", "count", "first", "last", "bytes_out", "bytes_in", "days")
    return Seen(
        device=row.device or "",
        agent=row.agent_uid or "",
        evidence=dict(_pairs(row.fields)),
        **{name: getattr(row, name) for name in same},
    )


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    """Fields of evidence, kept as an object or as pairs."""
    value = msgspec.json.decode(text)
    pairs = value.items() if isinstance(value, dict) else value
    return [(str(name), str(field)) for name, field in pairs]


def _move(connection: sa.Connection, subject: int) -> int:
    """Count a subject's totals for the machine: their sum, where it has one of the same fact already."""
    moved = 0
    while rows := connection.execute(_rows_of(subject).limit(_STEP)).all():
        _move_some(connection, subject, rows)
        moved += len(rows)
    return moved


def _move_some(connection: sa.Connection, subject: int, rows: Sequence[sa.Row[Any]]) -> None:
    keys = [tuple(getattr(row, name) for name in _KEY) for row in rows]
    columns = sa.tuple_(*(SIGHTING.c[name] for name in _KEY))
    found = sa.select(SIGHTING).where(SIGHTING.c.subject == MACHINE, columns.in_(keys)).with_for_update()
    there = {tuple(getattr(row, name) for name in _KEY): row for row in connection.execute(found)}
    totals = [
        dict(zip(_KEY, key, strict=True)) | {"subject": MACHINE} | _sum(row, there.get(key))
        for key, row in zip(keys, rows, strict=True)
    ]
    if there:
        connection.execute(SIGHTING.delete().where(SIGHTING.c.subject == MACHINE, columns.in_(list(there))))
    connection.execute(SIGHTING.delete().where(SIGHTING.c.subject == subject, columns.in_(keys)))
    connection.execute(SIGHTING.insert(), totals)


def _sum(one: Any, other: Any) -> dict[str, int | None]:
    if other is None:
        return {name: getattr(one, name) for name in _VALUES}
    days = one.days | other.days
    kind = KINDS.get(one.kind)
    state = kind is not None and kind.counts == "state"
    return {
        "count": days.bit_count() if state else one.count + other.count,
        "first": min(one.first, other.first),
        "last": max(one.last, other.last),
        "bytes_out": _volume(one.bytes_out, other.bytes_out),
        "bytes_in": _volume(one.bytes_in, other.bytes_in),
        "days": days,
        "identity": max(one.identity, other.identity),
        "presence": max(one.presence, other.presence),
    }


def _volume(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)
