"""Imported lists of devices in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from aimscope_collector.asset_lists import Listed
from aimscope_collector.assets import Facts, Placer, tells_apart
from aimscope_collector.door import Door
from aimscope_collector.store import assets, audit, units
from aimscope_collector.store._insert import batches, insert
from aimscope_collector.store.tables.fleet import ASSET
from aimscope_collector.store.tables.sightings import SUBJECT


class Imported(msgspec.Struct, frozen=True):
    """How a list differed from what was known. ``left`` are devices of an earlier list that are on this one no more."""

    devices: int
    new: int
    left: int


def take(
    connection: sa.Connection,
    *,
    devices: Sequence[Listed],
    door: Door,
    patterns: Sequence[str] = (),
    actor: str,
    now: int,
) -> Imported:
    """Make a list the fleet there should be: it replaces the last one. Devices with an agent stay, listed or not.

    ``patterns`` are those of inventory rows that only clear names can be compared with.
    """
    before = set(connection.execute(sa.select(ASSET.c.id).where(ASSET.c.managed.is_(sa.true()))).scalars())
    veiled = [door.device(each.names[0]) for each in devices]
    ids = assets.intern(connection, veiled, source="import", now=now)
    unit_ids = {path: units.ensure(connection, path=path, actor=actor, now=now) for path in _units(devices)}
    placer = Placer((), {}, patterns)
    shorts = _shorts(devices)
    owners = _owners(connection, {each.owner for each in devices if each.owner}, door)
    rows: list[dict[str, object]] = []
    claims: dict[str, int] = {}
    for each, name in zip(devices, veiled, strict=True):
        asset = ids[name.pseudonym]
        fits = placer.place(Facts(names=each.names, addresses=each.addresses)).fits
        rows.append(
            {
                "it": asset,
                "groups": msgspec.json.encode(sorted(each.groups)).decode(),
                "environment": each.environment,
                "owner": owners.get(each.owner, ""),
                "fits": msgspec.json.encode(fits).decode(),
            }
        )
        for other in (*each.names[1:], *shorts.get(each, ())):
            claims[door.device(other).pseudonym] = asset
        claims |= {door.address(text).pseudonym: asset for text in each.addresses if tells_apart(text)}
        if each.unit:
            assets.give_unit(connection, asset=asset, unit=unit_ids[each.unit], by="import")
    if rows:
        _update(connection, rows)
    assets.tell(connection, claims=claims, source="import", now=now, lasts=assets.FOREVER)
    left = _retire(connection, set(ids.values()))
    done = Imported(len(ids), len(set(ids.values()) - before), left)
    facts = {"devices": done.devices, "new": done.new, "left": done.left}
    audit.record(connection, at=now, actor=actor, action="asset.import", about="list", facts=facts)
    return done


def _shorts(devices: Sequence[Listed]) -> dict[Listed, list[str]]:
    """``pc-7`` for ``pc-7.corp.example``, which most machines call themselves, where only one device can be meant."""
    meant: dict[str, set[Listed]] = defaultdict(set)
    for each in devices:
        for name in each.names:
            meant[name.partition(".")[0].casefold()].add(each)
    found: dict[Listed, list[str]] = defaultdict(list)
    for short, several in meant.items():
        for each in several:
            if len(several) == 1 and short and short not in map(str.casefold, each.names):
                found[each].append(short)
    return found


def _owners(connection: sa.Connection, names: set[str], door: Door) -> dict[str, str]:
    """Name → pseudonym; without those who were erased: who they were stays forgotten."""
    pseudonyms = {name: door.person_pseudonym(name) for name in sorted(names)}
    erased: dict[str, bool] = {}
    for some in batches(sorted(set(pseudonyms.values()))):
        known = sa.select(SUBJECT.c.pseudonym, SUBJECT.c.erased_at).where(SUBJECT.c.pseudonym.in_(some))
        erased |= {row.pseudonym: row.erased_at is not None for row in connection.execute(known)}
    new = {pseudonyms[name]: name for name in pseudonyms if pseudonyms[name] not in erased}
    rows = [{"pseudonym": each, "sealed": door.person(name).sealed} for each, name in sorted(new.items())]
    if rows:
        connection.execute(insert(connection, SUBJECT).on_conflict_do_nothing(index_elements=["pseudonym"]), rows)
    return {name: each for name, each in pseudonyms.items() if not erased.get(each)}


def _units(devices: Sequence[Listed]) -> list[str]:
    return sorted({each.unit for each in devices if each.unit})


def _update(connection: sa.Connection, rows: list[dict[str, object]]) -> None:
    connection.execute(
        ASSET.update()
        .where(ASSET.c.id == sa.bindparam("it"))
        .values(
            managed=True,
            source=sa.case((ASSET.c.source == "agent", "agent"), else_="import"),
            merged_into=None,
            groups=sa.bindparam("groups"),
            environment=sa.bindparam("environment"),
            owner=sa.bindparam("owner"),
            fits=sa.bindparam("fits"),
        ),
        rows,
    )


def _retire(connection: sa.Connection, listed: set[int]) -> int:
    imported = sa.select(ASSET.c.id).where(ASSET.c.source == "import", ASSET.c.managed.is_(sa.true()))
    left = sorted(set(connection.execute(imported).scalars()) - listed)
    for some in batches(left):
        connection.execute(ASSET.update().where(ASSET.c.id.in_(some)).values(managed=False))
    return len(left)
