"""Whether a row of the inventory applies to a place and a day, and which of several rows decides."""

from __future__ import annotations

import datetime
import functools
import heapq
import re
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase, translate
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal, NamedTuple

import msgspec

from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.inventory.problems import printable
from aimscope_collector.inventory.resolve import BY, By

Standing = Literal["prohibits", "authorises", "expired", "out_of_scope", "proposed", "silent"]

_RANK: Final[tuple[Standing, ...]] = ("prohibits", "authorises", "expired", "out_of_scope", "proposed", "silent")
_STRICT: Final = ("prohibited", "retired", "restricted", "tolerated", "approved", "proposed")
_NEVER: Final = datetime.date.max
_NAMED: Final = 5
"""So many machines or units of a list are named in a sentence."""
_NOTED: Final = 10
"""So many rows that do not decide are named."""
_PSEUDONYM: Final = re.compile(r"device-[0-9a-f]{12}")
"""What an agent whose privacy policy hides devices puts in the place of a name or an address."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a use happens. Empty means that it is not known.

    ``host`` is the name of the machine, or its address where that is all that is known; ``names`` are other names and
    addresses of it. ``fits``, where it is known, are the patterns of rows that it was found to fit while its name was
    in the clear: then only they count, because ``host`` is no name to compare.
    """

    host: str
    unit: str = ""
    groups: tuple[str, ...] = ()
    environment: str = ""
    names: tuple[str, ...] = ()
    fits: frozenset[str] | None = None


def is_pseudonym(host: str) -> bool:
    """Whether a machine is hidden behind a pseudonym, so that no rule about machines can be checked."""
    return _PSEUDONYM.fullmatch(host) is not None


class _Name(NamedTuple):
    """A name or an address as it is compared."""

    text: str
    address: IPv4Address | IPv6Address | None
    is_pseudonym: bool


@functools.lru_cache(maxsize=16_384)
def _known_as(name: str) -> _Name:
    folded = name.strip().casefold()
    try:
        address = ip_address(folded)
    except ValueError:
        return _Name(folded, None, is_pseudonym(folded))
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return _Name(str(address), address, is_pseudonym=False)


class Machines:
    """What ``hosts`` of a row or an ignore means: names, addresses, networks (``10.0.0.0/24``), ``*`` for any text.

    A pseudonym fits only itself, and ``*``: any other pattern fits it by chance, or not at all.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = frozenset(patterns := tuple(patterns))
        self._names: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        globs: list[str] = []
        for pattern in patterns:
            network = _network(pattern)
            if network is not None:
                version, free, start = network
                self._networks.setdefault((version, free), set()).add(start)
            elif re.search(r"[*?[]", pattern):
                globs.append(pattern.strip().casefold())
            else:
                self._names.add(_known_as(pattern).text)
        self._all = "*" in globs
        self._globs = re.compile("|".join(map(translate, dict.fromkeys(globs)))) if globs else None

    def cover(self, place: Place) -> bool:
        """Whether the machine there is one of them."""
        if place.fits is not None:
            return self._all or not self._patterns.isdisjoint(place.fits)
        if self._all or (place.host and self._cover(place.host)):
            return True
        return bool(place.names) and any(self._cover(name) for name in place.names if name)

    def _cover(self, name: str) -> bool:
        text, address, is_pseudonym = _known_as(name)
        if text in self._names:
            return True
        if is_pseudonym:
            return False
        if address is not None and self._networks:
            bits = int(address)
            for (version, free), starts in self._networks.items():
                if version == address.version and bits >> free in starts:
                    return True
        return self._globs is not None and self._globs.match(text) is not None


def _network(pattern: str) -> tuple[int, int, int] | None:
    """Version, bits that are free, and the others; ``None`` for what is no network."""
    if "/" not in pattern:
        return None
    try:
        network = ip_network(pattern.strip(), strict=False)
    except ValueError:
        return None
    free = network.max_prefixlen - network.prefixlen
    return network.version, free, int(network.network_address) >> free


class Row:
    """A row of the inventory about a service: ``by`` is what they agree in. Made once, asked often."""

    def __init__(self, use: AuthorisedUse, by: By) -> None:
        self.use = use
        self.by = by
        self._tells_apart = bool(use.hosts or use.allowed_device_groups or use.environments)
        self._units: dict[str, bool] = {}

    @functools.cached_property
    def specificity(self) -> tuple[int, ...]:
        """Higher is more specific."""
        use = self.use
        deepest = max((unit.strip("/").count("/") + 1 for unit in use.units), default=0)
        return (
            -BY.index(self.by),
            bool(use.hosts),
            bool(use.allowed_device_groups),
            deepest,
            bool(use.environments),
            bool(use.allowed_accounts) + bool(use.conditions) + bool(use.allowed_domains) + bool(use.allowed_processes),
        )

    @functools.cached_property
    def order(self) -> tuple[object, ...]:
        """Among rows of one standing: the most specific first, then the stricter."""
        use = self.use
        return (
            tuple(-part for part in self.specificity),
            _STRICT.index(use.status),
            use.expiry or _NEVER,
            use.id,
            use.name,
            msgspec.json.encode(use),
        )

    def tells_apart(self, unit: str) -> bool:
        """Whether it does not say the same of every place in a unit."""
        return self._tells_apart and (not self.use.units or self._covers_unit(unit))

    def outside(self, place: Place) -> Outside | None:
        """Why the row does not cover the place; ``None`` if it does.

        A row that is limited does not cover a place of which the limited property is unknown: an authorisation has to
        be shown, not assumed.
        """
        use = self.use
        if use.units and not self._covers_unit(place.unit):
            return Outside("the unit", "elsewhere" if place.unit else "unknown")
        if use.hosts and not self._machines.cover(place):
            return _other_machine(place)
        if use.allowed_device_groups and not _fits(use.allowed_device_groups, place.groups):
            return Outside("the device group", "elsewhere" if place.groups else "unknown")
        if use.environments and not _fits(use.environments, (place.environment,)):
            return Outside("the environment", "elsewhere" if place.environment else "unknown")
        return None

    @functools.cached_property
    def _machines(self) -> Machines:
        return Machines(self.use.hosts)

    def _covers_unit(self, unit: str) -> bool:
        known = self._units.get(unit)
        if known is None:
            known = self._units[unit] = any(_unit_covers(wide, unit) for wide in self.use.units)
        return known


class Outside(NamedTuple):
    """What a row is limited to, and how a place stands to that."""

    what: Literal["the unit", "the machine", "the device group", "the environment"]
    how: Literal["elsewhere", "unknown", "hidden"]


_ELSEWHERE: Final = Outside("the machine", "elsewhere")
_UNKNOWN: Final = Outside("the machine", "unknown")
_HIDDEN: Final = Outside("the machine", "hidden")


def _other_machine(place: Place) -> Outside:
    if not place.host:
        return _UNKNOWN
    return _HIDDEN if _known_as(place.host).is_pseudonym else _ELSEWHERE


class Ruling:
    """What one row says about places to all of which it stands in the same way, on a day."""

    def __init__(self, row: Row, where: Outside | None, places: Collection[Place], today: datetime.date) -> None:
        self.row = row
        self.use = row.use
        self._where = where
        self._places = places
        self._today = today
        self._ended = self.use.expiry is not None and self.use.expiry < today
        self._started = self.use.start is None or self.use.start <= today
        self.standing = self._standing()
        self.order = (_RANK.index(self.standing), row.order)
        """The one that counts comes first."""

    def _standing(self) -> Standing:
        here = self._where is None
        match self.use.status:
            case "prohibited":
                return "prohibits" if here and self._started and not self._ended else "silent"
            case "proposed":
                return "proposed" if here else "silent"
            case "retired":
                return "expired" if here else "silent"
        if here and self._ended:
            return "expired"
        return "authorises" if here and self._started else "out_of_scope"

    @functools.cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why, in sentences."""
        use, name = self.use, f'Row "{self.use.label}"'
        outside = _limited(use, self._where, self._places) if self._where else ""
        match use.status:
            case "prohibited" if outside:
                return (f"{name} prohibits it, but {outside}.",)
            case "prohibited" if self.standing == "silent":
                when = f"it ended on {use.expiry}" if self._started else f"it starts on {use.start}"
                return (f"{name} prohibits it, but does not apply: {when}.",)
            case "prohibited":
                return (f"{name} prohibits it.",)
            case "proposed":
                return (f"{name} proposes it; nobody has approved it yet.",)
            case "retired":
                return (f"{name} is retired.",)
        if outside:
            return (f"{name} is {use.status}, but {outside}.",)
        if self._ended:
            return (f"{name} was {use.status} until {use.expiry}.",)
        if not self._started:
            return (f"{name} is {use.status} from {use.start} on, not yet.",)
        return _authorised(use, self._today)


_UNSEEN: Final = (
    "It is for certain accounts only. Where the evidence shows no account, as with traffic, which account was used "
    "cannot be seen from it."
)


def _authorised(use: AuthorisedUse, today: datetime.date) -> tuple[str, ...]:
    until = f" until {use.expiry}" if use.expiry else ""
    reasons = [f'Row "{use.label}": {use.status}{until}.']
    if use.next_review is not None and use.next_review < today:
        reasons.append(f"Its review was due on {use.next_review}.")
    if use.scope.in_aims is False:
        why = f": {use.scope.justification.rstrip('.')}" if use.scope.justification else ""
        reasons.append(f"It is declared outside the AI management system{why}.")
    if use.allowed_accounts or "organisation_account" in use.conditions:
        # an account that shows is judged (`conditions`); traffic alone shows none
        reasons.append(_UNSEEN)
    sentences = [condition for condition in use.conditions if " " in condition]
    if sentences:
        reasons.append(f"For people to check: {'; '.join(sentence.rstrip('.') for sentence in sentences)}.")
    return tuple(reasons)


def _limited(use: AuthorisedUse, where: Outside, places: Collection[Place]) -> str:
    """Why a row does not cover places, as the end of a sentence."""
    match where.what:
        case "the unit":
            allowed, here = use.units, {place.unit for place in places}
        case "the machine":
            allowed, here = use.hosts, {place.host for place in places}
        case "the device group":
            allowed, here = use.allowed_device_groups, {", ".join(place.groups) for place in places}
        case "the environment":
            allowed, here = use.environments, {place.environment for place in places}
    only = f"only for {where.what} {', '.join(allowed[:_NAMED])}{', …' if len(allowed) > _NAMED else ''}"
    match where.how:
        case "elsewhere":
            return f"{only}; here it is {_listed(here)}"
        case "hidden":
            return f"{only}, which cannot be checked: devices have pseudonyms here"
    why = ": its name and address were not told, or not kept" if where.what == "the machine" else ""
    return f"{only}, and {where.what} is not known here{why}"


def _listed(names: Iterable[str]) -> str:
    """The first few, fit for a sentence: logs name machines as anybody called them."""
    known = sorted(names)
    more = len(known) - _NAMED
    return printable(", ".join(known[:_NAMED])) + (f" and {more:,} more" if more > 0 else "")


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
    several = tuple(rulings)
    ranked = heapq.nsmallest(_NOTED + 2, several, key=lambda ruling: ruling.order)
    if not ranked or ranked[0].standing == "silent":
        return None, _noted([reason for ruling in ranked[: _NOTED + 1] for reason in ruling.reasons], len(several))
    first, rest = ranked[0], ranked[1:]
    return first, _noted([_beside(first, other) for other in rest], len(several) - 1)


def _noted(notes: Sequence[str], rows: int) -> tuple[str, ...]:
    more = rows - _NOTED
    return tuple(notes) if more <= 1 else (*notes[:_NOTED], f"{more:,} more rows do not change that.")


def _beside(first: Ruling, other: Ruling) -> str:
    """How a row stands to the one that decides."""
    if other.standing == "silent":
        return " ".join(other.reasons)
    if first.standing == "prohibits":
        return f'Row "{other.use.label}" ({other.use.status}) does not count against a prohibition.'
    if other.standing == first.standing:
        more = first.row.specificity > other.row.specificity
        how = "more specific than" if more else "as specific as, and stricter than,"
        return f'Row "{first.use.label}" is {how} row "{other.use.label}" ({other.use.status}).'
    return f'Row "{other.use.label}" ({other.use.status}) does not change that.'
