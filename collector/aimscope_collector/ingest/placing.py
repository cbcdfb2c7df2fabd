"""What decides where a device belongs, known to this collector: names are clear at the door, and nowhere else."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from aimscope_collector.assets import Facts, Placed, Placer, UnitRule, tells_apart
from aimscope_collector.judging import patterns_of
from aimscope_collector.store import inventories, units
from aimscope_collector.store.placing import Asked


class Deciding(msgspec.Struct, frozen=True, kw_only=True):
    """Rules and units in force, and the patterns of the inventory in force."""

    rules: tuple[UnitRule, ...] = ()
    units: dict[str, int] = {}
    inventory: int | None = None
    patterns: tuple[str, ...] = ()


class Places:
    """Asked for each device that says something new. ``number`` grows with each change of what decides."""

    def __init__(self) -> None:
        self.known = Deciding()
        self.number = 0
        self._placer = Placer((), {}, ())

    def read(self, connection: sa.Connection, now: int) -> Deciding:
        """What decides now, for ``apply``. Touches nothing but the database."""
        before = self.known
        version = inventories.current(connection, at=now)
        number = version.number if version else None
        patterns = before.patterns
        if number != before.inventory:
            inventory = None if number is None else inventories.content_of(connection, number)
            patterns, _ = patterns_of(inventory)
        return Deciding(
            rules=units.rules(connection),
            units={path: each.id for path, each in units.units(connection).items()},
            inventory=number,
            patterns=patterns,
        )

    def apply(self, known: Deciding) -> None:
        """Decide by it from now on."""
        before, self.known = self.known, known
        if (known.rules, known.units, known.patterns) != (before.rules, before.units, before.patterns):
            self._placer = Placer(known.rules, known.units, known.patterns)
            self.number += 1

    def asked(self, name: str, addresses: Sequence[str]) -> Asked:
        """How to place a device of that name, with these addresses."""
        names = (name,) if name else ()
        return functools.partial(_placed, self._placer, names, tuple(filter(tells_apart, addresses)))


def _placed(
    placer: Placer, names: tuple[str, ...], addresses: tuple[str, ...], tags: Sequence[str], groups: Sequence[str]
) -> Placed:
    return placer.place(Facts(names=names, addresses=addresses, tags=tuple(tags), groups=tuple(groups)))
