"""A fleet's sums against the inventory: pure, and the same whatever order they come in.

Devices that no row tells apart share a *place*, so that what is judged grows with the catalogue and the units and not
with the fleet.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from aimscope_collector.assets import is_pattern
from aimscope_collector.authorisation import Place
from aimscope_collector.findings import Finding, Verdict
from aimscope_collector.inventory.model import Ignore, Inventory
from aimscope_collector.reconcile import reconcile
from aimscope_collector.rules import Rules
from aimscope_signatures.kinds import IDENTITIES, PRESENCES
from aimscope_signatures.model import Sighting

WEEKS: Final = 13
_OTHER_GROUP: Final = "another group"
_IN_UNIT: Final = "every machine of "
"""Begins a pattern that stands for a unit; no device has such a name."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device as far as rows of the inventory look at it. ``fits`` are patterns its clear name was found to fit."""

    id: int
    pseudonym: str
    unit: str = ""
    groups: tuple[str, ...] = ()
    environment: str = ""
    fits: frozenset[str] = frozenset()
    managed: bool = False


class Places:
    """Devices, put together where an inventory does not tell them apart."""

    def __init__(self, devices: Iterable[Device], inventory: Inventory | None, ignores: Sequence[Ignore] = ()) -> None:
        patterns, groups = _compared(inventory, ignores)
        alike: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[Device]] = defaultdict(list)
        for device in devices:
            known = tuple(sorted(groups.intersection(device.groups)))
            named = known or ((_OTHER_GROUP,) if device.groups else ())
            fits = tuple(sorted(patterns & device.fits))
            alike[device.unit, device.environment, named, fits].append(device)
        self.places: list[Place] = []
        self.number: dict[int, int] = {}
        """Device → its place."""
        self.members: list[tuple[Device, ...]] = []
        for key in sorted(alike):
            unit, environment, named, fits = key
            members = tuple(sorted(alike[key], key=lambda device: device.id))
            host = members[0].pseudonym if len(members) == 1 else f"{len(members):,} machines"
            for device in members:
                self.number[device.id] = len(self.places)
            here = {*fits, *(pattern for pattern in patterns if _is_within(unit, pattern))}
            self.places.append(Place(host=host, unit=unit, groups=named, environment=environment, fits=frozenset(here)))
            self.members.append(members)


def _compared(inventory: Inventory | None, ignores: Sequence[Ignore]) -> tuple[frozenset[str], frozenset[str]]:
    """The patterns of machines, and the groups that rows name."""
    uses = inventory.systems if inventory else ()
    every = (*(inventory.ignores if inventory else ()), *ignores)
    patterns = {pattern for use in uses for pattern in use.hosts}
    patterns.update(pattern for ignore in every for pattern in ignore.hosts)
    return frozenset(patterns), frozenset(group for use in uses for group in use.allowed_device_groups)


def limited(ignore: Ignore, unit: str | None) -> Ignore:
    """An ignore that holds in one unit and those below it."""
    return ignore if unit is None else msgspec.structs.replace(ignore, hosts=(f"{_IN_UNIT}{unit.strip('/')}/",))


def _is_within(unit: str, pattern: str) -> bool:
    return pattern.startswith(_IN_UNIT) and f"{_IN_UNIT}{unit}/".casefold().startswith(pattern.casefold())


def patterns_of(inventory: Inventory | None, ignores: Sequence[Ignore] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What rows say of machines: patterns that only clear names fit, and plain names whose pseudonyms are compared."""
    patterns, _ = _compared(inventory, ignores)
    return (
        tuple(sorted(filter(is_pattern, patterns))),
        tuple(sorted(pattern for pattern in patterns if not is_pattern(pattern))),
    )


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one piece of evidence at one place. ``ids`` are the rows of evidence that say so."""

    service: str
    kind: str
    fields: tuple[tuple[str, str], ...]
    details: tuple[tuple[str, str], ...] = ()
    place: int
    identity: int
    presence: int
    count: int
    first: int
    last: int
    bytes_out: int | None = None
    bytes_in: int | None = None
    ids: tuple[int, ...]


class Judged(msgspec.Struct, frozen=True):
    """A finding, and the totals behind it: what stands in the row of the database, and who is counted for it."""

    finding: Finding
    totals: tuple[Total, ...]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """``present`` are the places at which each service was seen, also weakly or ignored; ``elsewhere`` the number of
    findings for units that are not in scope.
    """

    judged: tuple[Judged, ...]
    present: dict[str, frozenset[int]]
    elsewhere: dict[str, int]


def judge(
    totals: Iterable[Total],
    places: Places,
    rules: Rules,
    *,
    ignores: Sequence[Ignore],
    today: datetime.date,
    in_scope: Callable[[str], bool],
) -> Judgement:
    """Findings of everything seen."""
    behind: dict[tuple[str, str, tuple[tuple[str, str], ...], str], Total] = {}
    sightings: list[Sighting] = []
    present: dict[str, set[int]] = defaultdict(set)
    for total in totals:
        sighting = _sighting(total)
        behind[total.service, total.kind, total.fields, sighting.asset] = total
        sightings.append(sighting)
        present[total.service].add(total.place)
    told = reconcile(
        sightings,
        (),
        rules.inventory,
        (),
        unit="",
        host="",
        today=today,
        places=lambda asset: places.places[int(asset)],
        ignores=ignores,
        rules=rules,
    )
    found: list[Judged] = []
    elsewhere: dict[str, int] = defaultdict(int)
    for finding in told.findings:
        if not in_scope(finding.unit):
            elsewhere[finding.unit] += 1
            continue
        several = tuple(behind[each.service, each.kind, each.evidence, each.asset] for each in finding.evidence)
        found.append(Judged(finding, several))
    return Judgement(
        judged=tuple(found),
        present={service: frozenset(seen) for service, seen in present.items()},
        elsewhere=dict(elsewhere),
    )


def _sighting(total: Total) -> Sighting:
    return Sighting(
        month="",
        asset=str(total.place),
        service=total.service,
        kind=total.kind,
        subject="",
        evidence=total.fields,
        identity=IDENTITIES[min(total.identity, len(IDENTITIES) - 1)],
        presence=PRESENCES[min(total.presence, len(PRESENCES) - 1)],
        count=total.count,
        first=total.first,
        last=total.last,
        days=0,
        details=total.details,
        bytes_out=total.bytes_out,
        bytes_in=total.bytes_in,
    )


def finding_id(service: str, unit: str, condition: str) -> str:
    """The same in every database."""
    return "f-" + hashlib.sha256(f"{service}\0{unit}\0{condition}".encode()).hexdigest()[:20]


class Weeks:
    """Which of the last thirteen weeks (Monday to Sunday, this one last) a month's map of days touches."""

    def __init__(self, today: datetime.date) -> None:
        monday = today - datetime.timedelta(days=today.weekday())
        self.first = monday - datetime.timedelta(weeks=WEEKS - 1)
        weeks: dict[int, list[int]] = defaultdict(lambda: [0] * 32)
        for number in range(WEEKS * 7):
            day = self.first + datetime.timedelta(days=number)
            weeks[day.year * 100 + day.month][day.day - 1] = 1 << number // 7
        self._tables = {
            month: tuple(_table(days[at : at + 8]) for at in range(0, 32, 8)) for month, days in weeks.items()
        }

    def of(self, month: int, days: int) -> int:
        """A map of weeks, the oldest in the lowest bit."""
        tables = self._tables.get(month)
        if tables is None:
            return 0
        one, two, three, four = tables  # a look-up for each byte: a million maps are asked for
        return one[days & 255] | two[days >> 8 & 255] | three[days >> 16 & 255] | four[days >> 24 & 255]


def _table(weeks: Sequence[int]) -> list[int]:
    """For each map of eight days, the weeks they are in."""
    found = [0] * 256
    for days in range(1, 256):
        lowest = (days & -days).bit_length() - 1
        found[days] = found[days & (days - 1)] | weeks[lowest]
    return found


class Behind(msgspec.Struct):
    """Who is behind a finding: devices with the weeks in which each was seen, people, agents."""

    devices: dict[int, int] = msgspec.field(default_factory=dict)
    subjects: set[int] = msgspec.field(default_factory=set)
    agents: set[int] = msgspec.field(default_factory=set)

    def trend(self) -> tuple[int, ...]:
        """Devices a week, the oldest week first."""
        alike = Counter(self.devices.values())
        return tuple(sum(devices for weeks, devices in alike.items() if weeks >> week & 1) for week in range(WEEKS))


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as the database keeps it, but for what people decided about it."""

    id: str
    service: str
    unit: str
    condition: str
    verdict: Verdict
    name: str
    vendor: str
    category: str
    row: str
    reasons: str
    identity: int | None
    presence: int | None
    assets: int
    subjects: int
    agents: int
    count: int
    first: int | None
    last: int | None
    bytes_out: int | None
    bytes_in: int | None
    trend: str
    risk: str
    score: int


def row_of(finding: Finding, totals: Sequence[Total], behind: Behind) -> Row:
    """What is written down of a finding."""
    return Row(
        id=finding_id(*finding.key),
        service=finding.service,
        unit=finding.unit,
        condition=finding.condition,
        verdict=finding.verdict,
        name=finding.name,
        vendor=finding.vendor,
        category=finding.category,
        row=finding.row,
        reasons=_json(finding.reasons),
        identity=IDENTITIES.index(finding.identity) if finding.identity else None,
        presence=PRESENCES.index(finding.presence) if finding.presence else None,
        assets=len(behind.devices),
        subjects=len(behind.subjects),
        agents=len(behind.agents),
        count=sum(total.count for total in totals),
        first=min((total.first for total in totals), default=None),
        last=max((total.last for total in totals), default=None),
        bytes_out=_sum(total.bytes_out for total in totals),
        bytes_in=_sum(total.bytes_in for total in totals),
        trend=_json(behind.trend()),
        risk=_json(finding.risk),
        score=finding.risk.likelihood * finding.risk.impact if finding.risk else 0,
    )


def merged(totals: Iterable[Total]) -> list[Total]:
    """One total where several rows of evidence say the same of a place: known under two names, or at two times."""
    found: dict[tuple[str, str, tuple[tuple[str, str], ...], int], Total] = {}
    for total in totals:
        key = (total.service, total.kind, total.fields, total.place)
        known = found.get(key)
        found[key] = _both(known, total) if known else total
    return list(found.values())


def _both(one: Total, other: Total) -> Total:
    return msgspec.structs.replace(
        one,
        details=max(one.details, other.details),
        identity=max(one.identity, other.identity),
        presence=max(one.presence, other.presence),
        count=one.count + other.count,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        bytes_out=_sum((one.bytes_out, other.bytes_out)),
        bytes_in=_sum((one.bytes_in, other.bytes_in)),
        ids=tuple(sorted({*one.ids, *other.ids})),
    )


def _sum(volumes: Iterable[int | None]) -> int | None:
    known = [volume for volume in volumes if volume is not None]
    return sum(known) if known else None


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def units_in_scope(scopes: Mapping[str, str]) -> Callable[[str], bool]:
    """Whether findings are raised for a unit; a device without unit belongs to the organisation, which is in scope."""
    return lambda unit: scopes.get(unit, "in") == "in"
