"""Devices: who an address or a name is, which unit a device belongs to, and lists of the devices there should be.

Everything here is pure. Names and addresses in the clear are seen only where they come in (``at the door``); what is
kept, and compared later, are pseudonyms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Final, Literal, Protocol

import msgspec

from aimscope_collector.authorisation import Machines, Place

By = Literal["person", "import", "token", "rule", "tag", ""]
STRONGEST: Final[tuple[By, ...]] = ("person", "import", "token", "rule", "tag", "")
"""Whose word about a device's unit counts first."""
UNIT_TAG: Final = "unit="
_BRIDGE: Final = "172.17.0.1"
"""What every machine with a container engine calls itself."""


class Veiled(Protocol):
    """A name as it is kept: a pseudonym, and the name sealed."""

    @property
    def pseudonym(self) -> str:
        """The same for the same name."""

    @property
    def sealed(self) -> bytes:
        """Only the holder of the key can open it."""


class Door(Protocol):
    """Where clear names end."""

    def device(self, name: str) -> Veiled:
        """A device's name."""

    def address(self, text: str) -> Veiled:
        """A device's address."""


class Claim(msgspec.Struct, frozen=True):
    """Somebody said that a device had an address or a name, from one second to another."""

    device: int
    valid_from: int
    valid_to: int
    rank: int = 0
    """Whose word it is: 0 counts before 1."""


class Resolved(msgspec.Struct, frozen=True):
    """The device behind an address, or why that is not known."""

    device: int | None
    why: Literal["", "nobody", "several"] = ""


SLACK: Final = 7_200
"""Seconds for which an address stays whose it was: agents say anew once an hour what they have."""


def resolve(first: int, last: int, claims: Sequence[Claim]) -> Resolved:
    """Who had an address from ``first`` to ``last``: the only device that claims it for any part of that time.

    Where two claim it nobody can tell, and a use must not be laid at the wrong door. Shortly before and after its claim
    a device has an address as well, unless another one claims it at that very time. Only where nobody whose word
    counts more (``rank``) claims it, the next are heard.
    """
    for rank in sorted({claim.rank for claim in claims}):
        found = _resolved(first, last, [claim for claim in claims if claim.rank == rank])
        if found.why != "nobody":
            return found
    return Resolved(None, "nobody")


def _resolved(first: int, last: int, claims: Sequence[Claim]) -> Resolved:
    devices = _holders(first - SLACK, last + SLACK, claims)
    if len(devices) > 1 and last - first <= SLACK:
        devices = _holders(first, last, claims) or devices
    if len(devices) == 1:
        return Resolved(devices.pop())
    return Resolved(None, "several" if devices else "nobody")


def _holders(first: int, last: int, claims: Iterable[Claim]) -> set[int]:
    return {claim.device for claim in claims if claim.valid_from <= last and first <= claim.valid_to}


def is_address(text: str) -> bool:
    """Whether a device is named by its address."""
    return parsed_address(text) is not None


def parsed_address(text: str) -> str | None:
    """An address in its one form, without a zone; ``None`` for anything else."""
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def tells_apart(text: str) -> bool:
    """Whether an address can be that of one device only: not one that every machine has."""
    known = parsed_address(text)
    if known is None or known == _BRIDGE:
        return False
    address = ip_address(known)
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)


def veil(name: str, door: Door) -> Veiled | None:
    """The pseudonym of a device that is named by its name or its address; ``None`` for nothing that tells it."""
    name = name.strip().rstrip(".")
    address = parsed_address(name)
    if address is not None:
        return door.address(address) if tells_apart(address) else None
    return door.device(name) if name else None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a device in the clear, when it reports."""

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class UnitRule(msgspec.Struct, frozen=True):
    """Devices of which ``what`` fits ``pattern`` belong to ``unit``. The lowest position that fits decides."""

    position: int
    what: Literal["host", "subnet", "tag", "group"]
    pattern: str
    unit: int

    def holds(self, facts: Facts) -> bool:
        """Whether the device is one of those."""
        match self.what:
            case "host":
                return _any_fits(facts.names, self.pattern)
            case "subnet":
                machines = Machines((self.pattern,))
                return any(machines.cover(Place(host=address)) for address in facts.addresses)
            case "tag":
                return _any_fits(facts.tags, self.pattern)
            case "group":
                return _any_fits(facts.groups, self.pattern)


def unit_of(facts: Facts, rules: Iterable[UnitRule], units: Mapping[str, int]) -> tuple[int | None, By]:
    """The unit that rules or the device's own tag ``unit=PATH`` give it. ``units`` are the ids of paths."""
    for rule in sorted(rules, key=lambda rule: (rule.position, rule.unit, rule.what, rule.pattern)):
        if rule.holds(facts):
            return rule.unit, "rule"
    for tag in sorted(facts.tags):
        unit = units.get(tag.removeprefix(UNIT_TAG).strip("/")) if tag.startswith(UNIT_TAG) else None
        if unit is not None:
            return unit, "tag"
    return None, ""


def stronger(one: str, other: str) -> bool:
    """Whether the first's word about a unit replaces the second's: it counts as much, or more."""
    order = list(STRONGEST)
    return order.index(_by(one)) <= order.index(_by(other))


def _by(text: str) -> By:
    return next((by for by in STRONGEST if by == text), "")


def is_pattern(text: str) -> bool:
    """Whether a pattern stands for more than one name, so that only a clear name can be compared with it."""
    return any(mark in text for mark in "*?[/")


def _any_fits(names: Sequence[str], pattern: str) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.strip().casefold()) for name in names if name)


class Placed(msgspec.Struct, frozen=True):
    """Where a device belongs by rules and its own tag, and the patterns of inventory rows that it fits.

    Plain names are no patterns: they are compared as pseudonyms, whenever that is.
    """

    unit: int | None
    by: By
    fits: tuple[str, ...]


class Placer:
    """Rules, units and patterns, asked at the door while names are clear. Made anew when any of them changes."""

    def __init__(self, rules: Iterable[UnitRule], units: Mapping[str, int], patterns: Iterable[str]) -> None:
        self._rules = tuple(rules)
        self._units = dict(units)
        self._patterns = {each: Machines((each,)) for each in patterns if is_pattern(each)}

    def place(self, facts: Facts) -> Placed:
        """Where a device belongs."""
        unit, by = unit_of(facts, self._rules, self._units)
        place = Place(host="", names=(*facts.names, *facts.addresses))
        return Placed(unit, by, tuple(sorted(each for each, them in self._patterns.items() if them.cover(place))))
