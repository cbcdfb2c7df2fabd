"""Entries of the inventory, one by one: what each was matched with, and one of them changed, added or taken out."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from litestar import get, put
from litestar.params import FromQuery, JSONBody, QueryParameter

from aimscope_collector.findings import VERDICTS, Verdict
from aimscope_collector.http.api._findings import limited, shown
from aimscope_collector.http.api.inventory import Kept, keep
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Limit, Name
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.inventory.load import parse
from aimscope_collector.inventory.model import VERSION, AuthorisedUse, Inventory, UseStatus
from aimscope_collector.inventory.resolve import By, Index
from aimscope_collector.review import covers
from aimscope_collector.store import inventories
from aimscope_collector.store.inventories import Version
from aimscope_collector.store.tables.review import FINDING

_MOST_FINDINGS: Final = 200
_SEEN: Final = 20
Marked = Literal["dormant", "overdue", "expired", "unmatched", "undecided"]
MARKS: Final[tuple[Marked, ...]] = ("dormant", "overdue", "expired", "unmatched", "undecided")
"""Registered and not seen; review overdue; validity ended; fits no service; proposed, so that nobody approved it."""
Offset = Annotated[int, QueryParameter(ge=0, le=1_000_000, description="Entries to leave out before the page.")]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. ``key`` names it: its id, or else its name; a second one of the same name has a number.

    ``services`` are those it is about, each with what it agreed in; ``unknown`` fits none. ``verdicts`` counts the
    findings it decided.
    """

    key: str
    use: AuthorisedUse
    services: dict[str, By]
    unknown: tuple[str, ...]
    verdicts: dict[Verdict, int]
    marks: tuple[Marked, ...]


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the inventory in force. ``later`` is a version that begins to count on a day to come."""

    items: list[Entry]
    total: int
    version: Version | None
    later: Version | None
    marks: dict[Marked, int]


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that an entry decided, or that is about one of its services."""

    id: str
    name: str
    unit: str
    verdict: Verdict
    state: str
    last: int | None
    by_row: bool


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the newest version, which ``version`` numbers: it goes back with a change."""

    entry: Entry
    findings: list[Decided]
    version: int


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``use`` takes the place of ``row``; an empty ``row`` adds it, no ``use`` takes the row out.

    ``version`` is the newest one its author saw (0: there was none).
    """

    row: Annotated[str, msgspec.Meta(max_length=4_100)] = ""
    use: AuthorisedUse | None = None
    version: int
    note: Annotated[str, msgspec.Meta(max_length=1_000)] = ""


def keyed(uses: Iterable[AuthorisedUse]) -> dict[str, AuthorisedUse]:
    """Entries by the name each has of its own: as ``inventory_diff`` names them."""
    found: dict[str, AuthorisedUse] = {}
    seen: Counter[str] = Counter()
    for use in uses:
        name = use.id or use.name
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} (number {seen[name]})"] = use
    return found


def _rows(connection: sa.Connection, who: Who) -> list[sa.Row[Any]]:
    c = FINDING.c
    query = sa.select(c.id, c.service, c.name, c.unit, c.verdict, c.state, c.last, c.row)
    return list(connection.execute(limited(query.where(c.present == 1), who)))


class _Matches:
    """Findings by the label of the row that decided them, and services by row."""

    def __init__(self, given: Here, rows: list[sa.Row[Any]], today: datetime.date) -> None:
        self._index = Index(tuple(given.services.values()))
        self._today = today
        self.rows = rows
        self._verdicts: dict[str, Counter[Verdict]] = {}
        for row in rows:
            for label in filter(None, row.row.split("; ")):
                self._verdicts.setdefault(label, Counter())[row.verdict] += 1

    def entry(self, key: str, use: AuthorisedUse) -> Entry:
        resolved = self._index.resolve(use)
        counted = self._verdicts.get(use.label, Counter())
        verdicts = {one: counted[one] for one in VERDICTS if counted[one]}
        retired = use.status in ("retired", "prohibited")
        tests: tuple[tuple[Marked, bool], ...] = (
            ("dormant", counted["dormant"] > 0),
            ("overdue", use.next_review is not None and use.next_review < self._today and not retired),
            ("expired", use.expiry is not None and use.expiry < self._today and not retired),
            ("unmatched", bool(resolved.unknown)),
            ("undecided", use.status == "proposed"),
        )
        marks = tuple(mark for mark, holds in tests if holds)
        return Entry(
            key=key, use=use, services=resolved.services, unknown=resolved.unknown, verdicts=verdicts, marks=marks
        )


def _today(now: int) -> datetime.date:
    return datetime.datetime.fromtimestamp(now, datetime.UTC).date()


@get("/inventory/entries", opt={"needs": "inventory:read"}, sync_to_thread=True, tags=["inventory"])
def list_entries(
    given: Here,
    who: Who,
    text: Annotated[Name, QueryParameter(description="Part of a name, vendor, owner, purpose or service.")] = None,
    status: FromQuery[UseStatus | None] = None,
    unit: Annotated[Name, QueryParameter(description="Entries that reach this unit.")] = None,
    marked: FromQuery[Marked | None] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Entries:
    """Entries of the version in force, by name."""
    now = given.now()
    with given.engine.connect() as connection:
        version = inventories.current(connection, at=now)
        newest = inventories.version(connection, number=None)
        content = inventories.content_of(connection, version.number) if version else None
        rows = _rows(connection, who) if who.may("findings:read") else []
    matches = _Matches(given, rows, _today(now))
    several = [
        matches.entry(key, use)
        for key, use in keyed(content.systems if content else ()).items()
        if _fits(use, (text or "").casefold(), status, unit)
    ]
    counted = Counter(mark for one in several for mark in one.marks)
    wanted = sorted((one for one in several if marked is None or marked in one.marks), key=_by_name)
    return Entries(
        items=wanted[offset : offset + limit],
        total=len(wanted),
        version=version,
        later=newest if newest is not None and (version is None or newest.number != version.number) else None,
        marks={mark: counted[mark] for mark in MARKS if counted[mark]},
    )


def _by_name(entry: Entry) -> tuple[str, str]:
    return entry.use.name.casefold(), entry.key


def _fits(use: AuthorisedUse, text: str, status: str | None, unit: str | None) -> bool:
    if status is not None and use.status != status:
        return False
    if unit and use.units and not any(covers(one, unit) or covers(unit, one) for one in use.units):
        return False
    said = "\n".join((use.name, use.id, use.vendor, use.owner, use.purpose, *use.services, *use.aliases))
    return text in said.casefold()


def _newest(connection: sa.Connection) -> tuple[Version | None, Inventory]:
    version = inventories.version(connection, number=None)
    content = inventories.content_of(connection, version.number) if version else None
    return version, content or Inventory(aimscope_inventory=VERSION)


@get("/inventory/entry", opt={"needs": "inventory:read"}, sync_to_thread=True, tags=["inventory"])
def show_entry(
    given: Here, who: Who, row: Annotated[str, QueryParameter(max_length=4_100, description="The entry's key.")]
) -> Shown:
    """One entry, and the findings it decided or that are about its services."""
    now = given.now()
    with given.engine.connect() as connection:
        version, content = _newest(connection)
        use = keyed(content.systems).get(row)
        if use is None or version is None:
            raise not_found("entry of the inventory")
        found = _rows(connection, who) if who.may("findings:read") else []
        view = shown(connection, who)
    entry = _Matches(given, found, _today(now)).entry(row, use)
    decided = [
        Decided(
            id=one.id,
            name=one.name,
            unit=one.unit,
            verdict=one.verdict,
            state=one.state,
            last=view.moment(one.last),
            by_row=use.label in one.row.split("; "),
        )
        for one in found
        if use.label in one.row.split("; ") or one.service in entry.services
    ]
    return Shown(entry=entry, findings=decided[:_MOST_FINDINGS], version=version.number)


@put("/inventory/entries", opt={"needs": "inventory:write"}, sync_to_thread=True, tags=["inventory"])
def change_entry(given: Here, who: Who, data: JSONBody[Change]) -> Kept:
    """A new version with one entry changed, added or taken out.

    It counts at once; where a later version waits for its day, the change is made to that one and waits, too.
    """
    now = given.now()
    with given.engine.connect() as connection:
        version, content = _newest(connection)
    if (version.number if version else 0) != data.version:
        raise Failed(409, "conflict", "The inventory changed meanwhile: look at the entry again.")
    rows = keyed(content.systems)
    if data.row and data.row not in rows:
        raise not_found("entry of the inventory")
    if data.row:
        put_in = {key: (data.use if key == data.row else use) for key, use in rows.items()}
        systems = tuple(use for use in put_in.values() if use is not None)
    elif data.use is not None:
        systems = (*content.systems, data.use)
    else:
        raise Failed(400, "malformed", "Say which entry, or what it is to be.")
    said = () if data.use is None else _checked(data.use)
    return keep(
        given,
        who,
        msgspec.structs.replace(content, systems=systems),
        note=data.note,
        effective_from=max(now, version.effective_from if version else now),
        said=said,
        latest=data.version,
    )


def _checked(use: AuthorisedUse) -> tuple[str, ...]:
    """What a person may want to check. Raises ``Failed`` for what a file would not be allowed either."""
    alone = Inventory(aimscope_inventory=VERSION, systems=(use,))
    loaded = parse(msgspec.json.encode(alone), "entry.json")
    said = tuple(f"{problem.field}: {problem.message} {problem.advice}".strip(": ") for problem in loaded.problems)
    if loaded.content is None:
        raise Failed(422, "refused", "The entry cannot be used.", said[:_SEEN])
    return said[:_SEEN]


ROUTES: Final = (list_entries, show_entry, change_entry)
