"""Puts devices where rules, tags and patterns say, as soon as their agents say who they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.assets import Placed
from aimscope_collector.store import assets
from aimscope_collector.store._insert import batches
from aimscope_collector.store.tables.fleet import AGENT, ASSET

Asked = Callable[[Sequence[str], Sequence[str]], Placed]
"""Where a device belongs by its tags and groups. Who asked knows its names, which are not kept."""
_texts: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def settle(connection: sa.Connection, asked: Mapping[int, Asked]) -> int:
    """Keep where the devices of agents belong. Returns how many changed their unit."""
    columns = (AGENT.c.id, AGENT.c.asset, AGENT.c.tags, ASSET.c.groups)
    query = sa.select(*columns).join(ASSET, ASSET.c.id == AGENT.c.asset)
    placed = {
        row.asset: asked[row.id](_texts(row.tags), _texts(row.groups))
        for some in batches(sorted(asked))
        for row in connection.execute(query.where(AGENT.c.id.in_(some)).order_by(AGENT.c.id))
    }
    return assets.place(connection, placed)
