"""The period a report is about: days in UTC, the last one included; a quarter of a year where nobody says."""

from __future__ import annotations

import datetime
from typing import Final

from aimscope_collector.reports import Refused

USUAL_DAYS: Final = 90
LONGEST_DAYS: Final = 3_660
_DAY: Final = 86_400
_EPOCH: Final = datetime.date(1970, 1, 1)


def period_of(first: datetime.date | None, last: datetime.date | None, *, now: int) -> tuple[int, int]:
    """Seconds of the first day's beginning and of the last day's end. Raises ``Refused``.

    The last day is today where it is not said, and the first one ``USUAL_DAYS`` before its end.
    """
    end = day_of(now) if last is None else last
    begin = end - datetime.timedelta(days=USUAL_DAYS - 1) if first is None else first
    if begin > day_of(now):
        raise Refused("The period lies in the future: nothing is known of it.")
    if end < begin:
        raise Refused("The period ends before it begins: give an earlier first day, or a later last one.")
    if (end - begin).days >= LONGEST_DAYS:
        raise Refused(f"The period is longer than {LONGEST_DAYS:,} days: make several reports.")
    if begin < _EPOCH:
        raise Refused("The period begins before 1970: give a later first day.")
    return seconds_of(begin), seconds_of(end) + _DAY


def as_of(day: datetime.date | None, *, until: int, now: int) -> int:
    """The moment of which the inventory is told: the end of that day or else of the period, and never later than now.

    Raises ``Refused``.
    """
    if day is None:
        return min(until - 1, now)
    if day > day_of(now):
        raise Refused("The inventory of a day to come is not known: give an earlier day.")
    return min(max(0, seconds_of(day) + _DAY - 1), now)


def day_of(moment: int) -> datetime.date:
    """The day of a moment."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date()


def seconds_of(day: datetime.date) -> int:
    """When a day begins."""
    return (day - _EPOCH).days * _DAY


def number_of(day: datetime.date) -> int:
    """Year × 10,000 + month × 100 + day, as tables of the store have days."""
    return day.year * 10_000 + day.month * 100 + day.day
