"""The journal: every event once, in the order of commits, written in the transaction of what happened.

Destinations read it, each from its own place (``store/exports.py``): a further destination costs no further row, and
what was sent can be sent again. Numbers are drawn under a lock that is held to the end of the transaction, so whoever
has read up to a number has missed none below it, with several collectors too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.events import Event, EventType, event_uid
from aimscope_collector.findings import Level, Verdict
from aimscope_collector.store import settings
from aimscope_collector.store._insert import batches, insert
from aimscope_collector.store.tables.exporting import DEVICE_TOLD, EXPORT, JOURNAL, TOLD
from aimscope_collector.store.tables.fleet import ASSET

MOST: Final = 200_000
"""Events that are kept; beyond, the oldest that say nothing but numbers go first."""
LONGEST: Final = 30 * 86_400
"""Seconds for which they are kept: what can be replayed."""
LEVELS: Final[tuple[Level, ...]] = ("low", "medium", "high", "critical")
_NUMBER: Final = "journal.number"
_STEP: Final = 1_000
_DAY: Final = 86_400


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a destination wants. Empty is everything of its kind; ``ai.audit`` and ``ai.observation`` are asked for.

    ``verdicts`` and ``min_risk`` are about findings only. ``units`` and those below them; with it, events that are
    about no unit are left out.
    """

    types: tuple[EventType, ...] = ("ai.finding", "ai.inventory", "ai.agent.health", "ai.coverage")
    verdicts: tuple[Verdict, ...] = ()
    min_risk: Level = "low"
    units: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()

    def test(self) -> sa.ColumnElement[bool]:
        """As a condition of the journal's rows."""
        tests: list[sa.ColumnElement[bool]] = [JOURNAL.c.type.in_(self.types)]
        other = JOURNAL.c.type != "ai.finding"
        if self.verdicts:
            tests.append(other | JOURNAL.c.verdict.in_(self.verdicts))
        if self.min_risk != "low":
            tests.append(other | (JOURNAL.c.risk > LEVELS.index(self.min_risk)))
        if self.units:
            folded = sa.func.lower(JOURNAL.c.unit)
            paths = [unit.strip("/").lower() for unit in self.units]
            below = [folded.startswith(f"{path}/", autoescape=True) for path in paths]
            tests.append(sa.or_(folded.in_(paths), *below))
        return sa.and_(*tests)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An event to be written, about one thing. ``said`` is what matters of it, ``counts`` its mere numbers.

    Without ``said`` nothing is remembered: the event has its sequence already.
    """

    about: str
    event: Event
    said: str | None = None
    counts: str = ""
    verdict: str = ""
    risk: Level | None = None
    unit: str = ""
    counters: bool = False


class Told(msgspec.Struct, frozen=True):
    """What the latest event about a thing said."""

    sequence: int
    said: str
    counts: str
    at: int


class Entry(msgspec.Struct, frozen=True):
    """A row of the journal."""

    id: int
    uid: str
    type: EventType
    about: str
    at: int
    counters: bool
    payload: str

    def event(self) -> Event:
        """What is to be rendered."""
        return msgspec.json.decode(self.payload, type=Event)


def hold(connection: sa.Connection) -> None:
    """Wait for others who write events, to the end of the transaction: before reading what was told."""
    settings.advance(connection, _NUMBER)


def told(connection: sa.Connection, about: Iterable[str]) -> dict[str, Told]:
    """What was told last, by what it was about."""
    found: dict[str, Told] = {}
    for some in batches(sorted(set(about))):
        for row in connection.execute(sa.select(TOLD).where(TOLD.c.about.in_(some))):
            found[row.about] = Told(row.sequence, row.said, row.counts, row.at)
    return found


def append(connection: sa.Connection, drafts: Sequence[Draft], *, now: int) -> list[Event]:
    """Write events, in the transaction of what they tell. Returns them with their ids and sequences.

    Two in one call are about different things, or in their order.
    """
    if not drafts:
        return []
    first = settings.advance(connection, _NUMBER)
    settings.write(connection, _NUMBER, str(first + len(drafts) - 1))
    remembered = (draft.about for draft in drafts if draft.said is not None)
    sequences = {about: one.sequence for about, one in told(connection, remembered).items()}
    rows: list[dict[str, Any]] = []
    known: dict[str, dict[str, Any]] = {}
    events = []
    for number, draft in enumerate(drafts, first):
        sequence = draft.event.sequence
        if draft.said is not None:
            sequence = sequences[draft.about] = sequences.get(draft.about, 0) + 1
            known[draft.about] = {
                "about": draft.about,
                "sequence": sequence,
                "said": draft.said,
                "counts": draft.counts,
                "at": now,
            }
        content = msgspec.json.encode(draft.event, order="sorted").decode()
        uid = event_uid(draft.event.type, draft.about, sequence, now, content)
        event = msgspec.structs.replace(draft.event, uid=uid, sequence=sequence)
        events.append(event)
        rows.append(
            {
                "id": number,
                "uid": uid,
                "type": event.type,
                "about": draft.about,
                "at": now,
                "verdict": draft.verdict,
                "risk": 0 if draft.risk is None else LEVELS.index(draft.risk) + 1,
                "unit": draft.unit,
                "counters": int(draft.counters),
                "payload": msgspec.json.encode(event, order="sorted").decode(),
            }
        )
    connection.execute(JOURNAL.insert(), rows)
    if not known:
        return events
    statement = insert(connection, TOLD)
    renewed = {name: statement.excluded[name] for name in ("sequence", "said", "counts", "at")}
    connection.execute(statement.on_conflict_do_update(index_elements=["about"], set_=renewed), list(known.values()))
    return events


def head(connection: sa.Connection) -> int:
    """The number below which everything is committed; 0 for an empty journal."""
    return settings.number(connection, _NUMBER)


def before(connection: sa.Connection, moment: int) -> int:
    """The number after which events of that moment and later are."""
    query = sa.select(sa.func.min(JOURNAL.c.id)).where(JOURNAL.c.at >= moment)
    first = connection.execute(query).scalar_one()
    return head(connection) if first is None else int(first) - 1


def read(
    connection: sa.Connection, *, after: int, until: int | None = None, wanted: Filter, limit: int = 100
) -> list[Entry]:
    """Events in their order."""
    columns = (JOURNAL.c[name] for name in Entry.__struct_fields__)
    query = sa.select(*columns).where(JOURNAL.c.id > after, wanted.test()).order_by(JOURNAL.c.id).limit(limit)
    if until is not None:
        query = query.where(JOURNAL.c.id <= until)
    return [
        Entry(row.id, row.uid, row.type, row.about, row.at, bool(row.counters), row.payload)
        for row in connection.execute(query)
    ]


def latest(connection: sa.Connection, *, wanted: Filter, limit: int) -> list[Entry]:
    """The newest events, in their order."""
    ids = sa.select(JOURNAL.c.id).where(wanted.test()).order_by(JOURNAL.c.id.desc()).limit(limit)
    found = [row.id for row in connection.execute(ids)]
    return read(connection, after=found[-1] - 1, wanted=wanted, limit=limit) if found else []


def waiting(connection: sa.Connection, *, after: int, wanted: Filter) -> tuple[int, int | None]:
    """How many events come after a number, and when the oldest of them was written."""
    query = sa.select(sa.func.count(), sa.func.min(JOURNAL.c.at)).where(JOURNAL.c.id > after, wanted.test())
    count, oldest = connection.execute(query).one()
    return int(count), oldest


def size(connection: sa.Connection) -> int:
    """How many events are kept."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(JOURNAL)).scalar_one())


def counters_today(connection: sa.Connection, *, now: int) -> int:
    """How many events of today say nothing but numbers."""
    query = sa.select(sa.func.count()).where(JOURNAL.c.counters == 1, JOURNAL.c.at >= now - now % _DAY)
    return int(connection.execute(query).scalar_one())


def trim(connection: sa.Connection, *, now: int, filters: dict[str, Filter], most: int = MOST) -> int:
    """Remove what is too old or too much, a step at a time; what a destination lacks of it is counted there.

    Returns how many went: call it until there are none.
    """
    hold(connection)  # so that two collectors do not count the same loss
    old = sa.select(JOURNAL.c.id).where(JOURNAL.c.at < now - LONGEST).order_by(JOURNAL.c.id).limit(_STEP)
    ids = list(connection.execute(old).scalars())
    if not ids:
        count = size(connection)
        if count > most:
            first = sa.select(JOURNAL.c.id).order_by(JOURNAL.c.counters.desc(), JOURNAL.c.id)
            ids = list(connection.execute(first.limit(min(_STEP, count - most))).scalars())
    for some in batches(ids):
        _count_lost(connection, some, filters)
        connection.execute(JOURNAL.delete().where(JOURNAL.c.id.in_(some)))
    return len(ids)


def _count_lost(connection: sa.Connection, ids: Sequence[int], filters: dict[str, Filter]) -> None:
    for row in connection.execute(sa.select(EXPORT.c.name, EXPORT.c.cursor)).all():
        wanted = filters.get(row.name)
        if wanted is None or ids[-1] <= row.cursor:
            continue
        lost = sa.select(sa.func.count()).where(JOURNAL.c.id.in_(ids), JOURNAL.c.id > row.cursor, wanted.test())
        count = int(connection.execute(lost).scalar_one())
        if count:
            more = EXPORT.update().where(EXPORT.c.name == row.name)
            connection.execute(more.values(dropped=EXPORT.c.dropped + count))


def forget(connection: sa.Connection) -> int:
    """Forget what was told of devices that are no more. Returns how many rows went."""
    there = sa.select(ASSET.c.id)
    return connection.execute(DEVICE_TOLD.delete().where(DEVICE_TOLD.c.asset.not_in(there))).rowcount
