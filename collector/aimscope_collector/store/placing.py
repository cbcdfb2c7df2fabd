"""Puts devices where rules, tags and patterns say, as soon as their agents say who they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.assets import Placed
from aimscope_collector.store import assets
from aimscope_collector.store._insert import batches
from aimscope_collector.store.tables.fleet import AGENT, ASSET, TOKEN
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING

Asked = Callable[[Sequence[str], Sequence[str]], Placed]
"""Where a device belongs by its tags and groups. Who asked knows its names, which are not kept."""
_UNDONE: Final = ("", "tag", "rule")
"""Whose word about a unit is no more than what holds at present."""
_texts: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def settle(connection: sa.Connection, asked: Mapping[int, Asked]) -> frozenset[int]:
    """Keep where the devices of agents belong. Returns the agents whose devices changed their unit.

    A unit that a rule or a tag gave is taken back where none gives it any more: then it is the token's, or none.
    """
    columns = (AGENT.c.id, AGENT.c.asset, AGENT.c.tags, ASSET.c.groups, ASSET.c.unit, ASSET.c.unit_by)
    query = (
        sa.select(*columns, TOKEN.c.unit.label("of_token"))
        .join(ASSET, ASSET.c.id == AGENT.c.asset)
        .outerjoin(TOKEN, TOKEN.c.id == AGENT.c.token)
    )
    moved: set[int] = set()
    for some in batches(sorted(asked)):
        for row in connection.execute(query.where(AGENT.c.id.in_(some)).order_by(AGENT.c.id)).all():
            placed = asked[row.id](_texts(row.tags), _texts(row.groups))
            fits = msgspec.structs.replace(placed, unit=None, by="")
            assets.place(connection, {row.asset: fits})
            if row.unit_by not in _UNDONE:
                continue
            unit, by = (placed.unit, placed.by) if row.of_token is None else (row.of_token, "token")
            if (unit, by) != (row.unit, row.unit_by):
                # a person may have said otherwise in between: then it stays
                now = ASSET.update().where(ASSET.c.id == row.asset, ASSET.c.unit_by.in_(_UNDONE))
                if connection.execute(now.values(unit=unit, unit_by=by)).rowcount and unit != row.unit:
                    moved.add(row.id)
    return frozenset(moved)


def undo_of_silent(connection: sa.Connection, *, units: Collection[int], before: int) -> int:
    """Take back what rules gave that are no more, from devices that have said nothing since ``before``.

    Others are placed anew with their next check-in; these may never come. ``units`` are those that rules give now.
    """
    of_token = (
        sa.select(TOKEN.c.unit)
        .join(AGENT, AGENT.c.token == TOKEN.c.id)
        .where(AGENT.c.asset == ASSET.c.id, AGENT.c.replaced_by.is_(None))
        .order_by(AGENT.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    lives = sa.exists().where(AGENT.c.asset == ASSET.c.id, AGENT.c.last_seen >= before)
    gone = ASSET.update().where(ASSET.c.unit_by == "rule", ASSET.c.unit.not_in(sorted(units)), ~lives)
    values = {"unit": of_token, "unit_by": sa.case((of_token.is_not(None), "token"), else_="")}
    return connection.execute(gone.values(values)).rowcount


def services_of(connection: sa.Connection, agents: Iterable[int], *, months: Sequence[int]) -> set[str]:
    """What these agents reported in these months."""
    found: set[str] = set()
    for some in batches(sorted(agents)):
        query = sa.select(EVIDENCE.c.service).distinct().join(SIGHTING, SIGHTING.c.evidence == EVIDENCE.c.id)
        query = query.where(SIGHTING.c.month.in_(months), SIGHTING.c.agent.in_(some))
        found |= set(connection.execute(query).scalars())
    return found
