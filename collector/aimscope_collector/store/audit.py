"""The audit chain in the database: appended to by one writer at a time, read and verified in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from aimscope_collector import audit
from aimscope_collector.audit import START, Entry, Fact, Head
from aimscope_collector.store.database import is_sqlite
from aimscope_collector.store.tables.people import AUDIT

LONGEST: Final = 2_048
"""Characters of one text of an entry; what is longer is cut."""
_LOCK: Final = 0x61756469_74
_BATCH: Final = 1_000


class Act(NamedTuple):
    """What ``record`` takes, for many at once."""

    at: int
    actor: str
    action: str
    about: str
    facts: Mapping[str, Fact]


def record(
    connection: sa.Connection, *, at: int, actor: str, action: str, about: str, facts: Mapping[str, Fact]
) -> None:
    """Append an entry, in the transaction of what it is about: both are kept or neither.

    ``action`` is a stable word (``finding.decided``), ``about`` names the thing, ``facts`` never hold a secret or a
    clear name. Writers wait for each other from here to the end of the transaction, so call it last where that can be.
    """
    record_all(connection, [Act(at, actor, action, about, facts)])


def record_all(connection: sa.Connection, acts: Iterable[Act]) -> None:
    """Append an entry for each act, in their order; see ``record``."""
    acts = list(acts)
    if not acts:
        return
    if not is_sqlite(connection):  # SQLite has one writer anyway
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    end = head(connection)
    rows = []
    for act in acts:
        entry = audit.following(
            end,
            at=act.at,
            actor=_clean(act.actor),
            action=_clean(act.action),
            about=_clean(act.about),
            facts={_clean(name): _clean(fact) if isinstance(fact, str) else fact for name, fact in act.facts.items()},
        )
        end = Head(entry.sequence, entry.hash)
        rows.append(
            {
                "sequence": entry.sequence,
                "at": entry.at,
                "actor": entry.actor,
                "action": entry.action,
                "object": entry.about,
                "facts": audit.canonical(entry.facts),
                "previous": entry.previous,
                "hash": entry.hash,
            }
        )
    connection.execute(AUDIT.insert(), rows)


def head(connection: sa.Connection) -> Head:
    """The chain's end, for keeping elsewhere: whoever holds it can show that nothing was cut off."""
    newest = sa.select(AUDIT.c.sequence, AUDIT.c.hash).order_by(AUDIT.c.sequence.desc()).limit(1)
    row = connection.execute(newest).first()
    return Head(row.sequence, row.hash) if row else START


def entries(
    connection: sa.Connection,
    *,
    after: int = 0,
    limit: int | None = 100,
    actor: str = "",
    actions: Iterable[str] = (),
    about: str = "",
    since: int | None = None,
    until: int | None = None,
    newest_first: bool = False,
    where: sa.ColumnElement[bool] | None = None,
) -> list[Entry]:
    """Entries that fit all filters, in order; ``actions`` may end in ``.`` to take all that begin so.

    ``after`` is the last sequence already read (with ``newest_first``: the lowest; 0 to begin).
    """
    query = sa.select(AUDIT)
    if after:
        query = query.where(AUDIT.c.sequence < after if newest_first else AUDIT.c.sequence > after)
    if actor:
        query = query.where(AUDIT.c.actor == actor)
    if about:
        query = query.where(AUDIT.c.object == about)
    if since is not None:
        query = query.where(AUDIT.c.at >= since)
    if until is not None:
        query = query.where(AUDIT.c.at < until)
    tests = [
        AUDIT.c.action.startswith(action, autoescape=True) if action.endswith(".") else AUDIT.c.action == action
        for action in actions
    ]
    if tests:
        query = query.where(sa.or_(*tests))
    if where is not None:
        query = query.where(where)
    query = query.order_by(AUDIT.c.sequence.desc() if newest_first else AUDIT.c.sequence).limit(limit)
    return [_entry(row) for row in connection.execute(query)]


def verify(connection: sa.Connection, *, head: Head | None = None, after: Head = START) -> int | None:
    """The first sequence that is missing, altered or out of place; see ``aimscope_collector.audit.verify``."""
    return audit.verify(_all(connection, after.sequence), head, after=after)


def _all(connection: sa.Connection, after: int) -> Iterator[Entry]:
    while True:
        query = sa.select(AUDIT).where(AUDIT.c.sequence > after).order_by(AUDIT.c.sequence).limit(_BATCH)
        rows = connection.execute(query).all()
        for row in rows:
            yield _entry(row)
        if len(rows) < _BATCH:
            return
        after = rows[-1].sequence


def _entry(row: sa.Row[Any]) -> Entry:
    """The row as an entry; one whose facts are not as they were written keeps its place, and no good hash."""
    try:
        facts = msgspec.json.decode(row.facts, type=dict[str, Fact])
        whole = audit.canonical(facts) == row.facts
    except (msgspec.DecodeError, UnicodeEncodeError):
        facts, whole = {}, False
    return Entry(
        sequence=row.sequence,
        at=row.at,
        actor=row.actor,
        action=row.action,
        about=row.object,
        facts=facts,
        previous=row.previous,
        hash=row.hash if whole else "",
    )


def _clean(text: str) -> str:
    """A text both databases keep as it is: no NUL, no half of a character."""
    return text[:LONGEST].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
