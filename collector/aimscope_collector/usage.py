"""From maps of days to how many devices and people used a service on each day: pure."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

Seen = tuple[str, int, int, int, int]
"""Service, unit (0: none), device, subject (0: the machine), map of the month's days."""


class UsageDay(msgspec.Struct, frozen=True, order=True):
    """One day of one service in one unit."""

    day: int
    """Year × 10,000 + month × 100 + day."""
    service: str
    unit: int
    assets: int
    subjects: int


def days_of(month: int, seen: Iterable[Seen]) -> Iterator[UsageDay]:
    """Every day of a month (year × 100 + month) on which anything was seen; a device counts once, however often.

    Days the month does not have are nobody's.
    """
    if not 1 <= month % 100 <= 12:
        return
    length = calendar.monthrange(month // 100, month % 100)[1]
    devices: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    people: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    for service, unit, device, subject, days in seen:
        key = (service, unit)
        of = devices[key]
        of[device] = of.get(device, 0) | days
        if subject:
            who = people[key]
            who[subject] = who.get(subject, 0) | days
    for key, maps in devices.items():
        service, unit = key
        subjects = _counts(people[key].values())
        for bit, assets in enumerate(_counts(maps.values())[:length]):
            if assets:
                yield UsageDay(month * 100 + bit + 1, service, unit, assets, subjects[bit])


def _counts(maps: Iterable[int]) -> list[int]:
    """How many maps have each of the 31 days."""
    alike: dict[int, int] = defaultdict(int)
    for days in maps:
        alike[days] += 1
    counts = [0] * 31
    for days, times in alike.items():
        for bit in range(31):
            if days >> bit & 1:
                counts[bit] += times
    return counts
