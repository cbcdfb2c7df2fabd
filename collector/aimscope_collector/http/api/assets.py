"""Devices: with an agent, on the list, or seen by a gateway alone; their units, and the rules of units."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import anyio.to_thread
import msgspec
import sqlalchemy as sa
from litestar import Request, get, post, put
from litestar.params import FromQuery, JSONBody, QueryParameter
from nacl.public import PrivateKey

from aimscope_collector import asset_lists
from aimscope_collector.assets import UnitRule
from aimscope_collector.http.api._findings import limited, within
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, Limit, Name, after, cut
from aimscope_collector.http.problems import Failed
from aimscope_collector.judging import patterns_of
from aimscope_collector.keys import opened
from aimscope_collector.store import assets, inventories, listed, placing, units
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import ASSET, UNIT

_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_SILENT: Final = 3_600
"""Seconds after which nobody waits for an agent to say anew where its device belongs."""
Line = Annotated[str, msgspec.Meta(max_length=256)]
Pseudonym = Annotated[str, msgspec.Meta(max_length=64)]


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A device under its pseudonym, as its owner. ``name`` only where it was asked for, by who sees devices."""

    pseudonym: str
    unit: str
    unit_by: str
    managed: bool
    source: str
    environment: str
    owner: str
    groups: tuple[str, ...]
    first_seen: int
    last_seen: int
    name: str | None = None


class Assets(msgspec.Struct, frozen=True):
    """A page."""

    items: list[Asset]
    next: str | None


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Devices and the unit they belong to; null takes a person's word back."""

    devices: Annotated[tuple[Pseudonym, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    unit: Line | None


class Moved(msgspec.Struct, frozen=True):
    """How many devices were there."""

    devices: int


class Unit(msgspec.Struct, frozen=True):
    """An organisational unit: whether the AI management system covers it, and why not."""

    path: str
    scope: Literal["in", "out", "not_yet"]
    justification: str


class Units(msgspec.Struct, frozen=True):
    """All units, by path."""

    items: list[Unit]


class SetUnit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A unit, made where there is none. ``below`` gives its scope to those under it, too."""

    path: Line
    scope: Literal["in", "out", "not_yet"] = "in"
    justification: Annotated[str, msgspec.Meta(max_length=4_000)] = ""
    below: bool = False


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which devices belong to a unit: by host name, subnet, tag or group. The first rule that fits counts."""

    what: Literal["host", "subnet", "tag", "group"]
    pattern: Line
    unit: Line


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules in the order in which they are tried."""

    items: Annotated[tuple[Rule, ...], msgspec.Meta(max_length=10_000)]


class Imported(msgspec.Struct, frozen=True):
    """How a list differed from what was known, and what was not understood."""

    devices: int
    new: int
    left: int
    problems: tuple[str, ...]


@get("/assets", opt={"needs": "agents:read"}, sync_to_thread=True, tags=["assets"])
def list_assets(
    given: Here,
    who: Who,
    unit: Name = None,
    managed: FromQuery[bool | None] = None,
    source: FromQuery[Literal["agent", "gateway", "import", "network"] | None] = None,
    names: Annotated[bool, QueryParameter(description="With names: needs devices:see.")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Assets:
    """Devices; those that turned out to be another are left out. ``managed=false`` are devices nobody knows."""
    if names and not who.may("devices:see"):
        raise Failed(403, "forbidden", "Names of devices need the permission devices:see.")
    query = (
        sa.select(ASSET, sa.func.coalesce(UNIT.c.path, "").label("path"))
        .select_from(ASSET.outerjoin(UNIT, UNIT.c.id == ASSET.c.unit))
        .where(ASSET.c.merged_into.is_(None))
    )
    query = limited(query, who, UNIT.c.path)
    if unit:
        query = query.where(within(UNIT.c.path, [unit]))
    if managed is not None:
        query = query.where(ASSET.c.managed.is_(managed))
    if source is not None:
        query = query.where(ASSET.c.source == source)
    query = after(query, order="assets", by=ASSET.c.id, unique=ASSET.c.id, descending=False, cursor=cursor, limit=limit)
    with given.engine.connect() as connection:
        rows, more = cut(connection.execute(query).all(), limit, order="assets", by="id", unique="id")
    key = given.private_key("devices") if names else None
    return Assets([_asset(row, key) for row in rows], more)


def _asset(row: sa.Row[Any], key: PrivateKey | None) -> Asset:
    return Asset(
        pseudonym=row.pseudonym,
        unit=row.path,
        unit_by=row.unit_by,
        managed=bool(row.managed),
        source=row.source,
        environment=row.environment,
        owner=row.owner,
        groups=_texts(row.groups),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        name=opened(key, row.sealed) if key is not None and row.sealed else None,
    )


@post("/assets/unit", opt={"needs": "agents:write"}, sync_to_thread=True, tags=["assets"])
def move_assets(given: Here, who: Who, data: JSONBody[Move]) -> Moved:
    """Put devices into a unit: a person's word counts more than tokens, rules and lists."""
    if not who.reaches(data.unit):
        raise Failed(403, "forbidden", "Your account moves devices within its own units.")
    with writing(given.engine) as connection:
        if who.units:
            query = sa.select(ASSET.c.pseudonym).join(UNIT, UNIT.c.id == ASSET.c.unit)
            mine = set(connection.execute(limited(query, who, UNIT.c.path)).scalars())
            if not mine.issuperset(data.devices):
                raise Failed(403, "forbidden", "Your account moves devices within its own units.")
        unit = None
        if data.unit is not None:
            unit = units.ensure(connection, path=data.unit, actor=who.name, now=given.now())
        moved = assets.assign(connection, pseudonyms=data.devices, unit=unit, actor=who.name, now=given.now())
    given.touch(None)
    return Moved(moved)


@put("/assets", opt={"needs": "agents:write"}, tags=["assets"], request_max_body_size=asset_lists.MAX_BYTES)
async def import_assets(given: Here, who: Who, request: Request[Any, Any, Any]) -> Imported:
    """The list of devices there should be, as CSV with a line of headings; it replaces the last one."""
    body = await request.body()
    return await anyio.to_thread.run_sync(imported, given, who, body)


def imported(given: Here, who: Who, body: bytes) -> Imported:
    """Take a list of devices. Raises ``Failed``."""
    if who.units:
        raise Failed(403, "forbidden", "The list is the whole organisation's: your account has limits.")
    read = asset_lists.read(body, "assets.csv")
    said = tuple(str(problem) for problem in read.problems)
    if read.content is None:
        raise Failed(422, "refused", "The list cannot be used.", said[:100])
    with writing(given.engine) as connection:
        patterns, _ = patterns_of(inventories.in_force(connection, at=given.now()))
        done = listed.take(
            connection,
            devices=read.content,
            door=given.door,
            patterns=patterns,
            actor=who.name,
            now=given.now(),
        )
    given.touch(None)
    return Imported(done.devices, done.new, done.left, said[:100])


@get("/units", opt={"needs": "coverage:read"}, sync_to_thread=True, tags=["units"])
def list_units(given: Here, who: Who) -> Units:
    """Units and which of them the AI management system covers."""
    return _units(given, who)


def _units(given: Here, who: Who) -> Units:
    with given.engine.connect() as connection:
        known = units.units(connection).values()
    return Units([Unit(each.path, each.scope, each.justification) for each in known if who.reaches(each.path)])


@put("/units", opt={"needs": "agents:write"}, sync_to_thread=True, tags=["units"])
def set_unit(given: Here, who: Who, data: JSONBody[SetUnit]) -> Units:
    """Make a unit, or say whether the AI management system covers it."""
    path = units.clean(data.path)
    if not who.reaches(path):
        raise Failed(403, "forbidden", "Your account changes its own units.")
    now = given.now()
    with writing(given.engine) as connection:
        units.ensure(connection, path=path, actor=who.name, now=now)
        known = {each.casefold(): each for each in units.units(connection)}[path.casefold()]
        units.set_scope(
            connection,
            path=known,
            scope=data.scope,
            justification=data.justification,
            below=data.below,
            actor=who.name,
            now=now,
        )
    given.touch(None)
    return _units(given, who)


@get("/unit-rules", opt={"needs": "agents:read"}, sync_to_thread=True, tags=["units"])
def list_rules(given: Here, who: Who) -> Rules:
    """Rules in the order in which they are tried; an account with limits sees those of its units."""
    with given.engine.connect() as connection:
        paths = {unit.id: unit.path for unit in units.units(connection).values()}
        found = (Rule(each.what, each.pattern, paths[each.unit]) for each in units.rules(connection))
        return Rules(tuple(rule for rule in found if who.reaches(rule.unit)))


@put("/unit-rules", opt={"needs": "agents:write"}, sync_to_thread=True, tags=["units"])
def set_rules(given: Here, who: Who, data: JSONBody[Rules]) -> Rules:
    """Put other rules in force: devices get their units by them with their agents' next check-in.

    A rule that is taken away takes its placements along.
    """
    if who.units:
        raise Failed(403, "forbidden", "Rules are the whole organisation's: your account has limits.")
    now = given.now()
    with writing(given.engine) as connection:
        made = [
            UnitRule(
                position, rule.what, rule.pattern, units.ensure(connection, path=rule.unit, actor=who.name, now=now)
            )
            for position, rule in enumerate(data.items)
        ]
        units.replace_rules(connection, rules=made, actor=who.name, now=now)
        undone = placing.undo_of_silent(connection, units={rule.unit for rule in made}, before=now - _SILENT)
    if undone:
        given.touch(None)
    return data


ROUTES: Final = (list_assets, move_assets, import_assets, list_units, set_unit, list_rules, set_rules)
