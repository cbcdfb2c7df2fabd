"""The inventory of authorised AI: its versions, what changed between them, and a new one put in force."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Annotated, Any, Final

import anyio.to_thread
import msgspec
import sqlalchemy as sa
from litestar import Request, Response, get, post, put
from litestar.params import FromQuery, QueryParameter

from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, Limit, cursor_of, read_cursor
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.reader import MAX_BYTES
from aimscope_collector.inventory.write import write
from aimscope_collector.inventory_diff import Diff, diff
from aimscope_collector.parsing import parse_apart
from aimscope_collector.store import inventories
from aimscope_collector.store.database import writing
from aimscope_collector.store.inventories import Version
from aimscope_collector.store.tables.review import FINDING

_DAY: Final = 86_400
_MOST: Final = 200
_MOST_CHANGED: Final = 1_000
Number = Annotated[int, QueryParameter(ge=1, le=1 << 53)]
Form = Annotated[str, QueryParameter(pattern=r"^(yaml|json|csv|xlsx)$", description="yaml, json, csv or xlsx.")]
Note = Annotated[str, QueryParameter(max_length=1_000)]


class Versions(msgspec.Struct, frozen=True):
    """A page, the newest first."""

    items: list[Version]
    next: str | None


class Kept(msgspec.Struct, frozen=True):
    """The version, what it changed, and what a person may want to check."""

    version: Version
    diff: Diff
    is_new: bool
    problems: tuple[str, ...]


class Preview(msgspec.Struct, frozen=True):
    """What a file would change. Nothing is kept."""

    diff: Diff
    problems: tuple[str, ...]
    verdicts: dict[str, int]
    """How many findings there would be of each verdict."""
    changed: dict[str, tuple[str, str]]
    """Findings (the first thousand) that would be judged otherwise: from, to; empty where there is none."""


@get("/inventory/versions", opt={"needs": "inventory:read"}, sync_to_thread=True, tags=["inventory"])
def list_versions(given: Here, limit: Limit = 100, cursor: Cursor = None) -> Versions:
    """All versions."""
    before = None if cursor is None else read_cursor(cursor, "inventory")[0]
    if isinstance(before, str):
        raise Failed(400, "cursor", "The cursor belongs to another list: begin without one.")
    with given.engine.connect() as connection:
        found = inventories.versions(connection, before=before, limit=limit + 1)
    more = cursor_of("inventory", found[limit - 1].number, "") if len(found) > limit else None
    return Versions(found[:limit], more)


def _content(connection: sa.Connection, number: int) -> Inventory:
    content = inventories.content_of(connection, number)
    if content is None:
        raise not_found("version of the inventory")
    return content


@get("/inventory", opt={"needs": "inventory:read"}, sync_to_thread=True, tags=["inventory"])
def show_inventory(
    given: Here,
    number: Annotated[int | None, QueryParameter(ge=1, le=1 << 53, description="Else the one in force.")] = None,
) -> Inventory:
    """What the version in force says, or that of a number."""
    with given.engine.connect() as connection:
        if number is not None:
            return _content(connection, number)
        found = inventories.in_force(connection, at=given.now())
    if found is None:
        raise not_found("inventory yet")
    return found


@get(
    "/inventory.yaml",
    opt={"needs": "inventory:read"},
    sync_to_thread=True,
    tags=["inventory"],
    media_type="application/yaml",
)
def show_yaml(given: Here) -> Response[bytes]:
    """The version in force, as the file that people edit."""
    with given.engine.connect() as connection:
        version = inventories.current(connection, at=given.now())
        if version is None:
            raise not_found("inventory yet")
        text = write(_content(connection, version.number), f"Version {version.number}, by {version.author}.")
    return Response(text.encode(), media_type="application/yaml")


@get("/inventory/diff", opt={"needs": "inventory:read"}, sync_to_thread=True, tags=["inventory"])
def show_diff(given: Here, older: Number, newer: Number) -> Diff:
    """What changed from one version to another."""
    with given.engine.connect() as connection:
        return diff(_content(connection, older), _content(connection, newer))


@put("/inventory", opt={"needs": "inventory:write"}, tags=["inventory"], request_max_body_size=MAX_BYTES)
async def put_inventory(
    given: Here,
    who: Who,
    request: Request[Any, Any, Any],
    form: Form = "yaml",
    note: Note = "",
    effective_from: FromQuery[datetime.date | None] = None,
) -> Kept:
    """Put a file in force, at once or from a day on. The author is whoever asks."""
    body = await request.body()
    return await anyio.to_thread.run_sync(put_file, given, who, body, form, note, effective_from)


def read(body: bytes, form: str) -> tuple[Inventory, tuple[str, ...]]:
    """A file and what a person may want to check of it. Raises ``Failed`` where it cannot be used."""
    loaded = parse_apart(body, f"inventory.{form}")
    said = tuple(str(problem) for problem in loaded.problems)[:_MOST]
    if loaded.content is None:
        raise Failed(422, "refused", "The inventory cannot be used.", said)
    return loaded.content, said


def put_file(given: Here, who: Who, body: bytes, form: str, note: str, effective_from: datetime.date | None) -> Kept:
    """A file put in force. Raises ``Failed``."""
    _whole(who)
    inventory, said = read(body, form)
    now = given.now()
    begin = now if effective_from is None else (effective_from - datetime.date(1970, 1, 1)).days * _DAY
    return keep(given, who, inventory, note=note, effective_from=max(begin, 0), said=said)


def keep(
    given: Here,
    who: Who,
    inventory: Inventory,
    *,
    note: str,
    effective_from: int,
    said: tuple[str, ...] = (),
    latest: int | None = None,
) -> Kept:
    """A new version. ``latest`` is the newest one its author saw: another since is a conflict. Raises ``Failed``."""
    _whole(who)
    with writing(given.engine) as connection:
        if latest is not None:
            newest = inventories.version(connection, number=None)
            if (newest.number if newest else 0) != latest:
                raise Failed(409, "conflict", "The inventory changed meanwhile: look at the entry again.")
        kept = inventories.keep(
            connection,
            inventory=inventory,
            author=who.name,
            note=note,
            effective_from=effective_from,
            now=given.now(),
        )
    if kept.is_new:
        given.touch(None)
    return Kept(kept.version, kept.diff, kept.is_new, said)


def _whole(who: Who) -> None:
    if who.units:
        raise Failed(403, "forbidden", "The inventory is the whole organisation's: your account has limits.")


@post("/inventory/preview", opt={"needs": "inventory:read"}, tags=["inventory"], request_max_body_size=MAX_BYTES)
async def preview(given: Here, who: Who, request: Request[Any, Any, Any], form: Form = "yaml") -> Preview:
    """What a file would change, before it does. Keeps nothing."""
    _whole(who)
    body = await request.body()
    return await anyio.to_thread.run_sync(_preview, given, body, form)


def _preview(given: Here, body: bytes, form: str) -> Preview:
    return previewed(given, *read(body, form))


def previewed(given: Here, inventory: Inventory, said: tuple[str, ...]) -> Preview:
    """What an inventory would change; ``said`` is what reading it brought up."""
    with given.engine.connect() as connection:
        before = inventories.in_force(connection, at=given.now())
        query = sa.select(FINDING.c.id, FINDING.c.verdict).where(FINDING.c.present == 1)
        present: dict[str, str] = {row.id: row.verdict for row in connection.execute(query)}
    judged = given.preview(inventory)
    ids = sorted(id_ for id_ in present.keys() | judged.keys() if present.get(id_) != judged.get(id_))
    changed = {id_: (present.get(id_, ""), judged.get(id_, "")) for id_ in ids[:_MOST_CHANGED]}
    return Preview(diff(before, inventory), said, dict(sorted(Counter(judged.values()).items())), changed)


ROUTES: Final = (list_versions, show_inventory, show_yaml, show_diff, put_inventory, preview)
