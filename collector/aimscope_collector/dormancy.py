"""Authorised systems that nobody uses: said only where every device concerned was looked at, and completely."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from aimscope_collector.authorisation import Row, Ruling
from aimscope_collector.findings import Finding
from aimscope_collector.judging import Places
from aimscope_collector.rules import Rules
from aimscope_collector.services import Service

Looks = frozenset[tuple[str, frozenset[str], bool]]
"""The latest look of each sensor of a device: its name, the kinds it would have shown, whether it was complete."""


class _Devices(msgspec.Struct, frozen=True):
    """Managed devices of one place, by how they were looked at."""

    looks: Counter[Looks]


class Dormancy:
    """Places, and how the managed devices at each were looked at (device → looks)."""

    def __init__(self, places: Places, looks: Mapping[int, Looks]) -> None:
        self._places = places
        self._at = [
            _Devices(Counter(looks.get(device.id, frozenset()) for device in members if device.managed))
            for members in places.members
        ]
        self._shows: dict[tuple[str, Looks], bool] = {}

    def findings(
        self, rules: Rules, present: Mapping[str, frozenset[int]], today: datetime.date
    ) -> tuple[Finding, ...]:
        """What rows authorise, and nobody was seen to use where they do. ``present`` is service → places."""
        found: dict[tuple[str, str, str], tuple[tuple[object, ...], Finding]] = {}
        for rows in rules.systems:
            named = {service: row for service, row in rows.items() if row.by not in ("vendor", "category")}
            for row in named.values():
                for unit in row.use.units or ("",):
                    for service in self._unused(row, unit, named, rules, present, today):
                        finding = _finding(service, row, unit.strip("/"), self._count(row, unit), today)
                        known = found.get(finding.key)
                        if known is None or row.order < known[0]:
                            found[finding.key] = (row.order, finding)
                break  # the rows of one system differ only in how they name their services
        return tuple(finding for _, finding in found.values())

    def _unused(
        self,
        row: Row,
        unit: str,
        named: Mapping[str, Row],
        rules: Rules,
        present: Mapping[str, frozenset[int]],
        today: datetime.date,
    ) -> Iterable[Service]:
        covered = self._covered(row, unit)
        if not covered or any(not covered.isdisjoint(present.get(service, ())) for service in named):
            return
        places = [self._places.places[number] for number in sorted(covered)]
        if Ruling(row, None, places, today).standing != "authorises":
            return
        for service_id in sorted(named):
            service = rules.known[service_id]
            if self._looked_at(service, covered):
                yield service

    def _covered(self, row: Row, unit: str) -> frozenset[int]:
        wide = unit.casefold().strip("/")
        return frozenset(
            number
            for number, place in enumerate(self._places.places)
            if row.outside(place) is None and (not wide or f"{place.unit.casefold()}/".startswith(f"{wide}/"))
        )

    def _count(self, row: Row, unit: str) -> int:
        return sum(self._at[number].looks.total() for number in self._covered(row, unit))

    def _looked_at(self, service: Service, covered: Iterable[int]) -> bool:
        """Whether there is a managed device, and a complete look at each by everything that would show the service."""
        several = [looks for number in covered for looks in self._at[number].looks]
        return bool(several) and all(self._would_show(service, looks) for looks in several)

    def _would_show(self, service: Service, looks: Looks) -> bool:
        key = (service.id, looks)
        known = self._shows.get(key)
        if known is None:
            known = self._shows[key] = would_show(service, [(emits, complete) for _, emits, complete in looks])
        return known


def would_show(service: Service, looks: Sequence[tuple[frozenset[str], bool]]) -> bool:
    """Whether these looks at a device (kinds, complete) would have shown the service, had it been there."""
    if service.kinds is None:
        relevant = [complete for _, complete in looks]
    else:
        relevant = [complete for emits, complete in looks if not service.kinds.isdisjoint(emits)]
    return bool(relevant) and all(relevant)


def _finding(service: Service, row: Row, unit: str, devices: int, today: datetime.date) -> Finding:
    reasons = Ruling(row, None, (), today).reasons
    which = f"any of {devices:,} devices" if devices != 1 else "the one device"
    reason = f"It was not seen on {which} it is for, although everything that would show it was looked at."
    return Finding(
        service=service.id,
        unit=unit,
        condition="",
        verdict="dormant",
        name=service.name,
        vendor=service.vendor,
        category=service.category,
        reasons=(*reasons, reason),
        row=row.use.label,
    )
