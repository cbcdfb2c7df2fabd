"""Devices in the database: one row for each, whoever speaks of it, and who claims which address.

Sightings keep the device they were reported for. That an address is a known device's is said beside them
(``merged_into``, claims), so that what arrives twice still counts once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector.assets import SLACK, Claim, Placed, Placer, Veiled, stronger
from aimscope_collector.audit import Fact
from aimscope_collector.store import audit, units
from aimscope_collector.store._insert import batches, insert
from aimscope_collector.store.tables.fleet import AGENT, ASSET, ASSET_ADDRESS, UNIT

Source = Literal["agent", "gateway", "import", "network"]
"""Who said first that there is a device; ``network``: a lease named what a gateway had seen."""
Teller = Literal["agent", "import", "dhcp", "reverse"]
_RANKS: Final[dict[str, int]] = {"agent": 0, "import": 0, "dhcp": 1, "reverse": 2}
FOREVER: Final = 1 << 52
_SEEN_ONLY: Final = ASSET.c.source.in_(("gateway", "network"))
_THERE: Final = sa.and_(ASSET.c.managed.is_(sa.true()), ASSET.c.merged_into.is_(None))


def intern(connection: sa.Connection, devices: Iterable[Veiled], *, source: Source, now: int) -> dict[str, int]:
    """The id of each device by its pseudonym; those not known are made, without unit and unmanaged."""
    wanted = {device.pseudonym: device for device in devices}
    found = _known(connection, wanted)
    new = [device for name, device in sorted(wanted.items()) if name not in found]
    for some in batches(new):
        rows = [
            {"pseudonym": each.pseudonym, "sealed": each.sealed, "source": source, "first_seen": now, "last_seen": now}
            for each in some
        ]
        connection.execute(insert(connection, ASSET).on_conflict_do_nothing(index_elements=["pseudonym"]), rows)
    return found | _known(connection, [device.pseudonym for device in new])


def _known(connection: sa.Connection, pseudonyms: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in batches(pseudonyms):
        rows = connection.execute(sa.select(ASSET.c.pseudonym, ASSET.c.id).where(ASSET.c.pseudonym.in_(some)))
        found |= {row.pseudonym: row.id for row in rows}
    return found


def of_agent(
    connection: sa.Connection,
    *,
    device: Veiled,
    addresses: Iterable[Veiled] = (),
    groups: Iterable[str] = (),
    fits: Iterable[str] = (),
    now: int,
) -> int:
    """The device an agent runs on, with the addresses it says it has.

    Called at enrolment, when a check-in says something else than the last one, and once an hour. Two machines of one
    name that both live are told apart by whoever calls: they hand in different pseudonyms.
    """
    asset = intern(connection, [device], source="agent", now=now)[device.pseudonym]
    values: dict[str, object] = {"managed": True, "source": "agent", "merged_into": None, "fits": _json(sorted(fits))}
    if known := sorted(set(groups)):
        values["groups"] = _json(known)
    connection.execute(ASSET.update().where(ASSET.c.id == asset).values(last_seen=now, **values))
    tell(connection, claims={each.pseudonym: asset for each in addresses}, source="agent", now=now)
    return asset


def tell(connection: sa.Connection, *, claims: Mapping[str, int], source: Teller, now: int, lasts: int = 0) -> None:
    """Note that devices have addresses or names now (pseudonym → asset), and for ``lasts`` seconds to come.

    Whoever was said by the same source to have one of them has it no longer.
    """
    if not claims:
        return
    for some in batches(sorted(claims)):
        ends = ASSET_ADDRESS.update().where(
            ASSET_ADDRESS.c.pseudonym.in_(some), ASSET_ADDRESS.c.source == source, ASSET_ADDRESS.c.valid_to > now
        )
        connection.execute(ends.values(valid_to=now))
    statement = insert(connection, ASSET_ADDRESS)
    statement = statement.on_conflict_do_update(
        index_elements=["pseudonym", "asset", "source"], set_={"valid_to": statement.excluded.valid_to}
    )
    rows = [
        {"pseudonym": name, "asset": asset, "source": source, "valid_from": now, "valid_to": now + lasts}
        for name, asset in sorted(claims.items())
    ]
    connection.execute(statement, rows)


def give_unit(connection: sa.Connection, *, asset: int, unit: int, by: str) -> bool:
    """Put a device into a unit, unless somebody whose word counts more did otherwise. Whether it changed."""
    row = connection.execute(sa.select(ASSET.c.unit, ASSET.c.unit_by).where(ASSET.c.id == asset)).one()
    if row == (unit, by) or not stronger(by, row.unit_by):
        return False
    connection.execute(ASSET.update().where(ASSET.c.id == asset).values(unit=unit, unit_by=by))
    return True


def assign(connection: sa.Connection, *, pseudonyms: Iterable[str], unit: int | None, actor: str, now: int) -> int:
    """A person's word on the unit of devices; ``None`` takes it back. Returns how many devices there are."""
    by = "" if unit is None else "person"
    path = "" if unit is None else connection.execute(sa.select(UNIT.c.path).where(UNIT.c.id == unit)).scalar_one()
    changed = 0
    wanted = sorted(set(pseudonyms))
    for some in batches(wanted):
        where = ASSET.c.pseudonym.in_(some)
        changed += connection.execute(ASSET.update().where(where).values(unit=unit, unit_by=by)).rowcount
    facts: dict[str, Fact] = {"unit": path, "devices": changed}
    about = wanted[0] if len(wanted) == 1 else f"{len(wanted)} devices"
    audit.record(connection, at=now, actor=actor, action="asset.unit", about=about, facts=facts)
    return changed


def placer(connection: sa.Connection, *, patterns: Iterable[str]) -> Placer:
    """Rules and units in force, and the patterns of the inventory in force (``judging.patterns_of``)."""
    return Placer(units.rules(connection), {path: each.id for path, each in units.units(connection).items()}, patterns)


def place(connection: sa.Connection, placed: Mapping[int, Placed]) -> int:
    """Keep where devices belong (asset → what the door found). Returns how many changed their unit."""
    rows = [{"it": asset, "fits_": _json(found.fits)} for asset, found in sorted(placed.items())]
    if rows:
        statement = ASSET.update().where(ASSET.c.id == sa.bindparam("it"), ASSET.c.fits != sa.bindparam("fits_"))
        connection.execute(statement.values(fits=sa.bindparam("fits_")), rows)
    return sum(
        give_unit(connection, asset=asset, unit=found.unit, by=found.by)
        for asset, found in sorted(placed.items())
        if found.unit is not None
    )


def claims(connection: sa.Connection, pseudonyms: Iterable[str]) -> dict[str, list[Claim]]:
    """Who claims each of these addresses or names, and when."""
    found: dict[str, list[Claim]] = defaultdict(list)
    for some in batches(pseudonyms):
        for row in connection.execute(sa.select(ASSET_ADDRESS).where(ASSET_ADDRESS.c.pseudonym.in_(some))):
            found[row.pseudonym].append(Claim(row.asset, row.valid_from, row.valid_to, _RANKS.get(row.source, 2)))
    return found


def merge(connection: sa.Connection) -> int:
    """Say of devices that gateways saw, and of those on lists, which known device they are; returns how many changed.

    A device merged here had one holder only, all the time. Where holders changed, each total is laid to who held the
    address then (``reconciling``).
    """
    changed = _merge_listed(connection)
    gateway = ASSET.c.source == "gateway"
    columns = (ASSET.c.id, ASSET.c.pseudonym, ASSET.c.first_seen, ASSET.c.last_seen, ASSET.c.merged_into)
    seen = connection.execute(sa.select(*columns).where(gateway)).all()
    claimed = claims(connection, [row.pseudonym for row in seen])
    targets = []
    for row in seen:
        several = claimed.get(row.pseudonym, [])
        holders = {claim.device for claim in several} - {row.id}
        whole = any(
            each.valid_from - SLACK <= row.first_seen and row.last_seen <= each.valid_to + SLACK for each in several
        )
        target = min(holders) if whole and len(holders) == 1 else None
        if target != row.merged_into:
            targets.append({"it": row.id, "target": target})
    _set_merged(connection, targets)
    return changed + len(targets)


def _set_merged(connection: sa.Connection, targets: list[dict[str, int | None]]) -> None:
    if targets:
        update = ASSET.update().where(ASSET.c.id == sa.bindparam("it")).values(merged_into=sa.bindparam("target"))
        connection.execute(update, targets)


def _merge_listed(connection: sa.Connection) -> int:
    """A device of a list one of whose other names is an agent's is that agent's: one device, not two to count."""
    on_list, agent = ASSET.alias("on_list"), ASSET.alias("agent_device")
    named = (
        sa.select(
            on_list.c.id, sa.func.min(agent.c.id).label("device"), sa.func.count(agent.c.id.distinct()).label("n")
        )
        .select_from(
            on_list.join(
                ASSET_ADDRESS, sa.and_(ASSET_ADDRESS.c.asset == on_list.c.id, ASSET_ADDRESS.c.source == "import")
            ).join(agent, sa.and_(agent.c.pseudonym == ASSET_ADDRESS.c.pseudonym, agent.c.source == "agent"))
        )
        .where(on_list.c.source == "import", on_list.c.managed.is_(sa.true()), agent.c.id != on_list.c.id)
        .group_by(on_list.c.id)
    )
    wanted = {row.id: row.device for row in connection.execute(named) if row.n == 1}
    listed = (
        ASSET.c.id,
        ASSET.c.unit,
        ASSET.c.unit_by,
        ASSET.c.groups,
        ASSET.c.environment,
        ASSET.c.owner,
        ASSET.c.merged_into,
    )
    targets: list[dict[str, int | None]] = []
    for row in connection.execute(sa.select(*listed).where(ASSET.c.source == "import")).all():
        target = wanted.get(row.id)
        if target is not None:
            said = {"groups": row.groups, "environment": row.environment, "owner": row.owner}
            differs = sa.or_(*(ASSET.c[name] != value for name, value in said.items()))
            connection.execute(ASSET.update().where(ASSET.c.id == target, differs).values(**said))
            if row.unit is not None and row.unit_by == "import":
                give_unit(connection, asset=target, unit=row.unit, by="import")
        if target != row.merged_into:
            targets.append({"it": row.id, "target": target})
    _set_merged(connection, targets)
    return len(targets)


class Unmanaged(msgspec.Struct, frozen=True):
    """A device that a gateway saw and nobody knows."""

    id: int
    pseudonym: str
    unit: str
    first_seen: int
    last_seen: int


def unmanaged(connection: sa.Connection, *, after: int = 0, limit: int = 100) -> list[Unmanaged]:
    """Devices without agent, in no list, under no name or address that a known device ever had.

    An address that known devices have in turn is none of them: what nobody can have used it for shows in findings.
    """
    claimed = sa.select(ASSET_ADDRESS.c.pseudonym)
    query = (
        sa.select(ASSET, UNIT.c.path)
        .select_from(ASSET.outerjoin(UNIT, ASSET.c.unit == UNIT.c.id))
        .where(ASSET.c.managed.is_(sa.false()), _SEEN_ONLY, ASSET.c.merged_into.is_(None))
        .where(ASSET.c.id > after, ASSET.c.pseudonym.not_in(claimed))
        .order_by(ASSET.c.id)
        .limit(limit)
    )
    return [
        Unmanaged(row.id, row.pseudonym, row.path or "", row.first_seen, row.last_seen)
        for row in connection.execute(query)
    ]


def without_agent(connection: sa.Connection) -> int:
    """How many devices there should be on which no agent ever reported."""
    agents = sa.select(AGENT.c.asset).where(AGENT.c.revoked_at.is_(None))
    query = sa.select(sa.func.count()).select_from(ASSET).where(_THERE, ASSET.c.id.not_in(agents))
    return connection.execute(query).scalar_one()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
