"""Findings as reconciliation left them. What people decide about them is kept beside, and never touched here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.judging import Device, Row
from aimscope_collector.store._insert import batches, insert
from aimscope_collector.store.tables.fleet import ASSET, ASSET_ADDRESS, UNIT
from aimscope_collector.store.tables.review import FINDING

_FIELDS: Final = Row.__struct_fields__
_SAID: Final = ("verdict", "row", "reasons", "present")
"""What makes a finding another one to its reader; counts and trends alone do not."""


class Changes(msgspec.Struct, frozen=True):
    """Ids of findings that are new, that say something else than before (or are back), and that are found no more."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def write(
    connection: sa.Connection,
    rows: Iterable[Row],
    *,
    services: Sequence[str] | None = None,
    concerns: Callable[[Row], bool] = lambda _: True,
    now: int,
) -> Changes:
    """Make the findings those of ``rows``. What is no longer found stays, and says so.

    ``services`` limits it to some services, and ``concerns`` to some of their findings: others are left as they are.
    """
    known = {row.id: (row, present) for row, present in _known(connection, services)}
    new, changed = [], []
    upserts: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: row.id):
        before = known.pop(row.id, None)
        if before is not None and before == (row, True):
            continue
        if before is None:
            new.append(row.id)
        elif _said(*before) != _said(row, present=True):
            changed.append(row.id)
        upserts.append({**msgspec.structs.asdict(row), "present": 1, "opened_at": now, "changed_at": now})
    gone = sorted(id_ for id_, (row, present) in known.items() if present and concerns(row))
    _upsert(connection, upserts)
    for some in batches(gone):
        connection.execute(FINDING.update().where(FINDING.c.id.in_(some)).values(present=0, changed_at=now))
    return Changes(tuple(new), tuple(changed), tuple(gone))


def _said(row: Row, present: bool) -> tuple[object, ...]:
    return (row.verdict, row.row, row.reasons, present)


def _upsert(connection: sa.Connection, values: list[dict[str, Any]]) -> None:
    if not values:
        return
    statement = insert(connection, FINDING)
    new = statement.excluded
    same = sa.and_(*(FINDING.c[name] == new[name] for name in _SAID))
    changed_at = sa.case((same, FINDING.c.changed_at), else_=new.changed_at)
    fields = {name: new[name] for name in (*_FIELDS, "present") if name != "id"}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_={**fields, "changed_at": changed_at}), values
    )


def _known(connection: sa.Connection, services: Sequence[str] | None) -> list[tuple[Row, bool]]:
    query = sa.select(*(FINDING.c[name] for name in _FIELDS), FINDING.c.present)
    if services is not None:
        query = query.where(FINDING.c.service.in_(sorted(services)))
    return [(Row(**dict(zip(_FIELDS, row[:-1], strict=True))), bool(row.present)) for row in connection.execute(query)]


def rows(connection: sa.Connection, *, gone: bool = False) -> list[Row]:
    """Findings by id; with ``gone``, also those that are found no more."""
    return sorted((row for row, present in _known(connection, None) if present or gone), key=lambda row: row.id)


class Fleet(msgspec.Struct, frozen=True):
    """Devices; for each asset the device behind it; and assets whose address more than one device had."""

    devices: tuple[Device, ...]
    device_of: dict[int, int]
    moving: dict[int, str]
    """Asset → the pseudonym of its address."""


def fleet(connection: sa.Connection, *, names: Mapping[str, Sequence[str]]) -> Fleet:
    """Every device with what rows look at. ``names`` are the pseudonyms of plain patterns → those patterns."""
    paths: dict[int, str] = {row.id: row.path for row in connection.execute(sa.select(UNIT.c.id, UNIT.c.path))}
    claimed = set(connection.execute(sa.select(ASSET_ADDRESS.c.pseudonym).distinct()).scalars())
    called: dict[int, set[str]] = {}
    for some in batches(sorted(names)):
        claims = sa.select(ASSET_ADDRESS.c.pseudonym, ASSET_ADDRESS.c.asset)
        for row in connection.execute(claims.where(ASSET_ADDRESS.c.pseudonym.in_(some))):
            called.setdefault(row.asset, set()).update(names[row.pseudonym])
    texts = msgspec.json.Decoder(tuple[str, ...])
    known: dict[str, tuple[str, ...]] = {}
    devices = []
    merged: dict[int, int | None] = {}
    moving: dict[int, str] = {}
    for row in connection.execute(sa.select(ASSET).order_by(ASSET.c.id)):
        merged[row.id] = row.merged_into
        if row.merged_into is not None:
            continue
        if row.source == "gateway" and row.pseudonym in claimed:
            moving[row.id] = row.pseudonym
        for text in (row.groups, row.fits):
            if text not in known:
                known[text] = texts.decode(text)
        fits = {*known[row.fits], *called.get(row.id, ()), *names.get(row.pseudonym, ())}
        devices.append(
            Device(
                id=row.id,
                pseudonym=row.pseudonym,
                unit=paths.get(row.unit, ""),
                groups=known[row.groups],
                environment=row.environment,
                fits=frozenset(fits),
                managed=bool(row.managed),
            )
        )
    return Fleet(tuple(devices), {asset: _root(asset, merged) for asset in merged}, moving)


def _root(asset: int, merged: Mapping[int, int | None]) -> int:
    """The device at the end of a chain of merges; a circle ends where it began."""
    seen = {asset}
    while (target := merged.get(asset)) is not None and target not in seen:
        seen.add(target)
        asset = target
    return asset
