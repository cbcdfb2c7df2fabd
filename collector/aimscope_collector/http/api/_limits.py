"""What lies within the units of an account that has limits, where a row has no unit of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from aimscope_collector.http.api._findings import within
from aimscope_collector.http.given import Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT


def names_a_unit(facts: sa.ColumnElement[str], units: Iterable[str]) -> sa.ColumnElement[bool]:
    """Whether facts, which are canonical JSON, name one of the units or one below: all others are not to be seen.

    A quotation mark within a value is escaped in JSON, so that no value can look like the name ``unit``.
    """
    folded = sa.func.lower(facts)
    tests: list[sa.ColumnElement[bool]] = []
    for unit in units:
        text = msgspec.json.encode(unit.strip("/").lower()).decode()[1:-1]
        tests += [folded.contains(f'"unit":"{text}{end}', autoescape=True) for end in ('"', "/")]
    return sa.or_(*tests)


def agents_of(who: Who) -> sa.Select[Any] | None:
    """Ids of the agents within the asker's units; ``None`` for whoever has no limits."""
    if not who.units:
        return None
    query = sa.select(AGENT.c.id).join(ASSET, ASSET.c.id == AGENT.c.asset).join(UNIT, UNIT.c.id == ASSET.c.unit)
    return query.where(within(UNIT.c.path, who.units))


def refuse_limited(who: Who, what: str) -> None:
    """For what concerns the whole organisation. Raises ``Failed`` for an account that has limits."""
    if who.units:
        raise Failed(403, "forbidden", f"{what} the whole organisation's: your account has limits.")
