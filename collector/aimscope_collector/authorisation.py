"""Whether a row of the inventory applies here and now, and which of several rows decides."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.inventory.resolve import BY, By

Standing = Literal["prohibits", "authorises", "expired", "out_of_scope", "proposed", "silent"]

_RANK: Final[tuple[Standing, ...]] = ("prohibits", "authorises", "expired", "out_of_scope", "proposed", "silent")
_STRICT: Final = ("prohibited", "retired", "restricted", "tolerated", "approved", "proposed")
_NEVER: Final = datetime.date.max


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a use happens. Empty means that it is not known."""

    host: str
    unit: str = ""
    groups: tuple[str, ...] = ()
    environment: str = ""


class Ruling(msgspec.Struct, frozen=True):
    """What one row says about a service here and now, and why, in sentences."""

    use: AuthorisedUse
    by: By
    standing: Standing
    reasons: tuple[str, ...]


def rule(use: AuthorisedUse, by: By, place: Place, today: datetime.date) -> Ruling:
    """What one row says."""
    outside = _outside(use, place)
    started = use.start is None or use.start <= today
    ended = use.expiry is not None and use.expiry < today
    name = f'Row "{use.label}"'
    match use.status:
        case "prohibited":
            if outside or not started or ended:
                when = outside or (f"it starts on {use.start}" if not started else f"it ended on {use.expiry}")
                return Ruling(use, by, "silent", (f"{name} prohibits it, but does not apply: {when}.",))
            return Ruling(use, by, "prohibits", (f"{name} prohibits it.",))
        case "proposed":
            standing: Standing = "silent" if outside else "proposed"
            return Ruling(use, by, standing, (f"{name} proposes it; nobody has approved it yet.",))
        case "retired":
            standing = "silent" if outside else "expired"
            return Ruling(use, by, standing, (f"{name} is retired.",))
    if outside:
        return Ruling(use, by, "out_of_scope", (f"{name} is {use.status}, but {outside}.",))
    if ended:
        return Ruling(use, by, "expired", (f"{name} was {use.status} until {use.expiry}.",))
    if not started:
        return Ruling(use, by, "out_of_scope", (f"{name} is {use.status} from {use.start} on, not yet.",))
    return Ruling(use, by, "authorises", _authorised(use, today))


def _authorised(use: AuthorisedUse, today: datetime.date) -> tuple[str, ...]:
    until = f" until {use.expiry}" if use.expiry else ""
    reasons = [f'Row "{use.label}": {use.status}{until}.']
    if use.next_review is not None and use.next_review < today:
        reasons.append(f"Its review was due on {use.next_review}.")
    if use.scope.in_aims is False:
        why = f": {use.scope.justification.rstrip('.')}" if use.scope.justification else ""
        reasons.append(f"It is declared outside the AI management system{why}.")
    sentences = [condition for condition in use.conditions if " " in condition]
    if sentences:
        reasons.append(f"For people to check: {'; '.join(sentence.rstrip('.') for sentence in sentences)}.")
    return tuple(reasons)


def _outside(use: AuthorisedUse, place: Place) -> str:
    """Why the row does not cover the place, as the end of a sentence; empty if it does.

    A row that is limited does not cover a place of which the limited property is unknown: an authorisation has to be
    shown, not assumed.
    """
    if use.units and not any(_unit_covers(unit, place.unit) for unit in use.units):
        return _limited("the unit", use.units, place.unit)
    if use.hosts and not _fits(use.hosts, (place.host,)):
        return _limited("the machine", use.hosts, place.host)
    if use.allowed_device_groups and not _fits(use.allowed_device_groups, place.groups):
        return _limited("the device group", use.allowed_device_groups, ", ".join(place.groups))
    if use.environments and not _fits(use.environments, (place.environment,)):
        return _limited("the environment", use.environments, place.environment)
    return ""


def _limited(what: str, allowed: Sequence[str], here: str) -> str:
    only = ", ".join(allowed[:5]) + (", …" if len(allowed) > 5 else "")
    return (
        f"only for {what} {only}; here it is {here}"
        if here
        else f"only for {what} {only}, and {what} is not known here"
    )


def _unit_covers(unit: str, here: str) -> bool:
    wide, narrow = unit.casefold().strip("/"), here.casefold().strip("/")
    return narrow == wide or narrow.startswith(wide + "/")


def _fits(patterns: Iterable[str], names: Iterable[str]) -> bool:
    known = [name.casefold() for name in names if name]
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in known)


def decide(rulings: Iterable[Ruling]) -> tuple[Ruling | None, tuple[str, ...]]:
    """The ruling that counts, and what to say about the others.

    A prohibition beats everything. Otherwise a row that authorises beats one that does not, and among those of one
    standing the most specific wins; if they are equally specific, the stricter.
    """
    ranked = sorted(rulings, key=_order)
    if not ranked or ranked[0].standing == "silent":
        return None, tuple(reason for ruling in ranked for reason in ruling.reasons)
    first, rest = ranked[0], ranked[1:]
    notes: list[str] = []
    for other in rest:
        if other.standing == "silent":
            notes += other.reasons
        elif first.standing == "prohibits":
            notes.append(f'Row "{other.use.label}" ({other.use.status}) does not count against a prohibition.')
        elif other.standing == first.standing:
            how = (
                "more specific than"
                if _specificity(first) > _specificity(other)
                else "as specific as, and stricter than,"
            )
            notes.append(f'Row "{first.use.label}" is {how} row "{other.use.label}" ({other.use.status}).')
        else:
            notes.append(f'Row "{other.use.label}" ({other.use.status}) does not change that.')
    return first, tuple(notes)


def _specificity(ruling: Ruling) -> tuple[int, ...]:
    use = ruling.use
    deepest = max((unit.strip("/").count("/") + 1 for unit in use.units), default=0)
    return (
        -BY.index(ruling.by),
        bool(use.hosts),
        bool(use.allowed_device_groups),
        deepest,
        bool(use.environments),
        bool(use.allowed_accounts) + bool(use.conditions) + bool(use.allowed_domains) + bool(use.allowed_processes),
    )


def _order(ruling: Ruling) -> tuple[object, ...]:
    use = ruling.use
    return (
        _RANK.index(ruling.standing),
        tuple(-part for part in _specificity(ruling)),
        _STRICT.index(use.status),
        use.expiry or _NEVER,
        use.id,
        use.name,
        msgspec.json.encode(use),
    )
