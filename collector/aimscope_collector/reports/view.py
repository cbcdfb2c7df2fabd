"""What a report may show to who asks: their units, no group too small, time no finer than policy says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from aimscope_collector.accounts import Principal
from aimscope_collector.privacy import Grain, coarse, fit_to_show
from aimscope_collector.reports import Refused
from aimscope_collector.review import covers
from aimscope_collector.store import privacy, units


class View(msgspec.Struct, frozen=True, kw_only=True):
    """``units`` are looked at, with all below; empty is no limit. ``least`` is 0 for who sees small groups, too."""

    who: Principal
    units: tuple[str, ...]
    least: int
    time: Grain

    def may(self, *permissions: str) -> bool:
        """Whether all of these are given."""
        return all(self.who.may(each) for each in permissions)

    @property
    def whole(self) -> bool:
        """Whether nothing is left out for its unit."""
        return not self.units

    def within(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Whether a column's path is looked at."""
        return sa.true() if self.whole else under(column, self.units)

    def reaches(self, unit: str | None) -> bool:
        """Whether a unit is looked at; ``None`` is the whole organisation, which concerns everybody."""
        return self.whole or unit is None or any(covers(one, unit) for one in self.units)

    def count(self, number: int | None) -> int | str | None:
        """A number of people or devices, or that it is too small to be told."""
        if number is None:
            return None
        shown = fit_to_show(number, self.least)
        return f"fewer than {self.least}" if shown is None else shown

    def day(self, moment: int | None) -> str | None:
        """When somebody used something, as fine as policy has it."""
        return coarse(moment, self.time) or None


def view_of(connection: sa.Connection, who: Principal, unit: str) -> View:
    """What who asks may be shown of a unit, or of everything. Raises ``Refused``."""
    wanted = unit.strip("/")
    if wanted:
        known = units.units(connection)
        if not any(covers(wanted, path) for path in known):
            raise Refused(f"There is no unit {wanted}: choose one of the fleet's, such as {_some(known)}.")
        if not who.reaches(wanted):
            raise Refused(f"Your account does not reach the unit {wanted}.")
    policy = privacy.policy(connection)
    return View(
        who=who,
        units=(wanted,) if wanted else who.units,
        least=0 if who.may("sightings:read") else policy.least_group,
        time=policy.time,
    )


def under(column: sa.ColumnElement[Any], paths: Iterable[str]) -> sa.ColumnElement[bool]:
    """Whether a path is one of these, or below one; letter case aside."""
    folded = sa.func.lower(column)
    tests: list[sa.ColumnElement[bool]] = []
    for path in paths:
        wide = path.strip("/").lower()
        tests += [folded == wide, folded.startswith(f"{wide}/", autoescape=True)]
    return sa.or_(*tests)


def _some(known: Iterable[str]) -> str:
    return ", ".join(sorted(known)[:3]) or "none: there are no units yet"
