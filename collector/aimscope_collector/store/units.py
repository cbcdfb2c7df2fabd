"""Organisational units: the tree, which of them the management system covers, and rules that fill them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector.assets import UnitRule
from aimscope_collector.audit import Fact
from aimscope_collector.store import audit
from aimscope_collector.store.tables.fleet import UNIT, UNIT_RULE

Scope = Literal["in", "out", "not_yet"]
LONGEST: Final = 200
DEEPEST: Final = 8
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f]")


class Refused(ValueError):
    """What was asked for cannot be done; the text says why."""


class Unit(msgspec.Struct, frozen=True):
    """``scope`` says whether the AI management system covers it; ``justification`` why not, or not yet."""

    id: int
    path: str
    scope: Scope
    justification: str = ""


def units(connection: sa.Connection) -> dict[str, Unit]:
    """Every unit by its path."""
    rows = connection.execute(sa.select(UNIT).order_by(UNIT.c.path))
    return {row.path: Unit(row.id, row.path, row.scope, row.justification) for row in rows}


def clean(path: str) -> str:
    """A path in its one form, without empty parts. Raises ``Refused`` for what is none."""
    parts = [part.strip() for part in path.split("/") if part.strip()]
    found = "/".join(parts)
    if not found or len(found) > LONGEST or len(parts) > DEEPEST or _FORBIDDEN.search(found):
        raise Refused(f"a unit is named like emea/sales: up to {DEEPEST} names, {LONGEST} characters in all")
    return found


def ensure(connection: sa.Connection, *, path: str, actor: str, now: int) -> int:
    """The unit of a path, made if there is none (and those above it), in the scope of the one above."""
    wanted = clean(path)
    known = {each.casefold(): unit for each, unit in units(connection).items()}
    scope: Scope = "in"
    at, found = "", 0
    for part in wanted.split("/"):
        at = f"{at}/{part}" if at else part
        unit = known.get(at.casefold())
        if unit is None:
            found = connection.execute(UNIT.insert().values(path=at, scope=scope).returning(UNIT.c.id)).scalar_one()
            audit.record(connection, at=now, actor=actor, action="unit.created", about=at, facts={"scope": scope})
        else:
            found, at, scope = unit.id, unit.path, unit.scope
    return found


def set_scope(
    connection: sa.Connection, *, path: str, scope: Scope, justification: str, below: bool, actor: str, now: int
) -> int:
    """Declare a unit (and with ``below`` those under it) in the management system's scope, out of it, or not yet in it.

    Returns how many units changed. Raises ``Refused`` where there is no such unit, or no reason is given.
    """
    if scope != "in" and not justification.strip():
        raise Refused("say why the unit is not in scope: an auditor will ask")
    if path not in units(connection):
        raise Refused(f"there is no unit {path}")
    about = UNIT.c.path == path
    if below:
        about = sa.or_(about, UNIT.c.path.startswith(f"{path}/", autoescape=True))
    differs = sa.or_(UNIT.c.scope != scope, UNIT.c.justification != justification)
    changed = connection.execute(
        UNIT.update().where(about, differs).values(scope=scope, justification=justification)
    ).rowcount
    if changed:
        facts: dict[str, Fact] = {"scope": scope, "why": justification, "below": below, "units": changed}
        audit.record(connection, at=now, actor=actor, action="unit.scope", about=path, facts=facts)
    return changed


def rules(connection: sa.Connection) -> tuple[UnitRule, ...]:
    """Rules in the order in which they are tried."""
    rows = connection.execute(sa.select(UNIT_RULE).order_by(UNIT_RULE.c.position, UNIT_RULE.c.id))
    return tuple(UnitRule(row.position, row.what, row.pattern, row.unit) for row in rows)


def replace_rules(connection: sa.Connection, *, rules: Iterable[UnitRule], actor: str, now: int) -> None:
    """Put other rules in force. Devices get their units by them when their agents next check in."""
    found = [msgspec.structs.asdict(rule) for rule in rules]
    connection.execute(UNIT_RULE.delete())
    if found:
        connection.execute(UNIT_RULE.insert(), found)
    said = "; ".join(f"{rule['what']} {rule['pattern']}" for rule in found)
    audit.record(
        connection, at=now, actor=actor, action="unit.rules", about="rules", facts={"rules": len(found), "are": said}
    )
