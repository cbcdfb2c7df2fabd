"""What is prohibited for the whole organisation, or for a unit with all below it, and what must not be hit."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from aimscope_collector import review
from aimscope_collector.authorisation import Row, Ruling
from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.reports import ReportInput
from aimscope_collector.reports.period import day_of, seconds_of
from aimscope_collector.reports.tables import Reading
from aimscope_collector.review import Decision, Past, covers
from aimscope_collector.store import decisions

_ANYWHERE: Final = "\0"
"""A unit that no decision and no row names: what holds there holds for everybody."""
_ALLOWS: Final = frozenset(("approved", "restricted", "tolerated"))
_DAY: Final = 86_400
Sees = Callable[[str | None], bool]
"""Whether a unit may be named to who asks."""


def _all(_: str | None) -> bool:
    return True


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """How a service stands for those the list is for.

    ``why`` says what prohibits it, if anything does; ``spared`` why it is not to be blocked all the same; ``needed``
    says that somebody may use it, anywhere: nothing that it needs is blocked.
    """

    prohibited: bool = False
    why: str = ""
    until: int | None = None
    spared: str = ""
    needed: bool = False


def bans(given: ReportInput) -> dict[str, Ban]:
    """By service of the catalogue; those nobody said anything about are left out."""
    reading = Reading(given)
    wanted = given.asked.unit.strip("/")
    past: dict[str, list[Decision]] = defaultdict(list)
    for one in _every(reading):
        if one.service and not one.condition:
            past[one.service].append(one)
    today = day_of(given.now)
    found = {}
    for id_ in given.services:
        rows = reading.rules.about(id_)
        if rows or id_ in past:
            found[id_] = ban(
                rows, past.get(id_, ()), unit=wanted, today=today, now=given.now, sees=reading.view.reaches
            )
    return found


def _every(reading: Reading) -> Sequence[Decision]:
    """All decisions, whoever asks: an exception counts even for who may not see where it is."""
    return [one for _, one in reversed(decisions.recent(reading.connection, limit=1 << 40))]


def ban(
    rows: Iterable[Row],
    taken: Iterable[Decision],
    *,
    unit: str,
    today: datetime.date,
    now: int,
    sees: Sees = _all,
) -> Ban:
    """How one service stands: pure. ``sees`` says which units may be named."""
    by_row = _by_rows(rows, unit, today)
    by_people = _by_decisions(tuple(taken), unit, now, sees)
    prohibited = by_row if by_row.prohibited else by_people
    ends = [one.until for one in (by_row, by_people) if one.prohibited]
    return Ban(
        prohibited=prohibited.prohibited,
        why=prohibited.why,
        until=None if None in ends else max((each for each in ends if each is not None), default=None),
        spared=by_row.spared or by_people.spared,
        needed=by_row.needed or by_people.needed,
    )


def _by_rows(rows: Iterable[Row], unit: str, today: datetime.date) -> Ban:
    found = Ban()
    for row in sorted(rows, key=lambda row: row.order):
        standing = Ruling(row, None, (), today).standing
        use = row.use
        if standing == "prohibits" and not found.prohibited and _for_all(use, unit):
            until = seconds_of(use.expiry) + _DAY if use.expiry else None
            found = msgspec.structs.replace(
                found, prohibited=True, why=f'the inventory: row "{use.label}"', until=until
            )
        elif standing == "authorises" and use.status in _ALLOWS:
            touches = _touches(use, unit)
            spared = f'row "{use.label}" of the inventory allows it{_limits(use)}' if touches else ""
            found = msgspec.structs.replace(found, needed=True, spared=found.spared or spared)
    return found


def _for_all(use: AuthorisedUse, unit: str) -> bool:
    """Whether a row speaks of every machine and account of those the list is for."""
    if use.hosts or use.allowed_device_groups or use.environments or use.allowed_accounts:
        return False
    return not use.units or (bool(unit) and any(covers(wide, unit) for wide in use.units))


def _touches(use: AuthorisedUse, unit: str) -> bool:
    """Whether a row speaks of anybody among those the list is for."""
    return not unit or not use.units or any(covers(each, unit) or covers(unit, each) for each in use.units)


def _limits(use: AuthorisedUse) -> str:
    until = f" until {use.expiry}" if use.expiry else ""
    return f"{' for some' if use.units or use.hosts or use.allowed_device_groups else ''}{until}"


def _by_decisions(taken: tuple[Decision, ...], unit: str, now: int, sees: Sees) -> Ban:
    past = Past(taken)
    at = unit or _ANYWHERE
    here = review.standing(past.of(at), at, now)
    elsewhere = {one.unit for one in taken if one.unit is not None and one.unit.strip("/")}
    standings = {each: review.standing(past.of(each), each, now) for each in sorted(elsewhere)}
    needed = any(one.state in ("registered", "tolerated") for one in (here, *standings.values()))
    if here.state != "prohibited":
        return Ban(needed=needed)
    counts = next(one for one in taken if one.uid == here.decision)
    below = {each for each in standings if not unit or (covers(unit, each) and not covers(each, unit))}
    below |= {each for each in counts.except_units if not unit or covers(unit, each)}
    differs = sorted(each for each in below if review.standing(past.of(each), each, now).state != "prohibited")
    reason = f"a decision of {counts.by} on {review.day_of(counts.at)}"
    return Ban(prohibited=True, why=reason, until=here.until, spared=_excepted(differs, sees), needed=needed)


def _excepted(units: Sequence[str], sees: Sees) -> str:
    if not units:
        return ""
    shown = [each for each in units if sees(each)]
    named = f": {', '.join(shown[:3])}{' and others' if len(units) > 3 else ''}" if shown else ""
    return f"it is not prohibited everywhere{named}"
