"""When something is due: every so often or at times of the clock, not in quiet hours, not on battery. Pure.

Moments are seconds since 1970 UTC, chance and time zone are handed in. What was missed while the machine slept or was
off is done once. A time of the clock that summer time leaves out comes an hour later, one that it repeats comes once;
a clock that is set back delays by one interval at most.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Final

import msgspec

MINUTE: Final = 60
DAY: Final = 86_400
LONGEST: Final = 366 * DAY
PATIENCE: Final = DAY
"""Seconds that something due waits for a machine to be plugged in, at most."""
_ON_BATTERY: Final = 600
_SHIFT: Final = 3 * 3_600
"""No zone moves its clock by more at once."""
_HORIZON: Final = 4 * 366 * DAY + DAY
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": DAY}
_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_PART: Final = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")
_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

Zone = datetime.tzinfo | None
"""``None`` is the zone of this machine."""


class ScheduleError(ValueError):
    """A time that cannot be meant; the text says what can."""


class Cron(msgspec.Struct, frozen=True):
    """Times of the clock: minute, hour, day of the month, month, weekday (0 and 7 are Sunday)."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """A day fits by its number or by its weekday: as cron has it where both are restricted."""

    def fits(self, day: datetime.date) -> bool:
        """Whether something is due on this day."""
        if day.month not in self.months:
            return False
        number, weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return number or weekday if self.either else number and weekday


class Schedule(msgspec.Struct, frozen=True):
    """When something is to be done."""

    every: int = 0
    """Seconds from one time to the next; 0: as ``cron`` says."""
    cron: Cron | None = None
    jitter: int = 0
    """Seconds by which it may be later, by chance."""
    quiet: tuple[tuple[int, int], ...] = ()
    """Minutes of the day from and to which nothing is done."""
    on_battery: bool = False


def duration(text: str) -> int:
    """Seconds of ``90s``, ``15m``, ``6h``, ``1d``. Raises ``ScheduleError``."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit() and len(number) <= 8):
        raise ScheduleError(f"{text!r} is no length of time: write 90s, 15m, 6h or 1d")
    seconds = int(number) * _UNITS[unit]
    if seconds > LONGEST:
        raise ScheduleError(f"{text!r} is longer than a year")
    return seconds


def cron(text: str) -> Cron:
    """Five fields of numbers, lists, ranges and steps: ``30 3 * * 1-5``. Raises ``ScheduleError``."""
    words = text.split()
    if len(words) != len(_FIELDS):
        raise ScheduleError(f"{text!r} is no time of the clock: minute hour day month weekday, e.g. '30 3 * * 1-5'")
    minutes, hours, days, months, weekdays = (
        _numbers(word, *field) for word, field in zip(words, _FIELDS, strict=True)
    )
    found = Cron(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(day % 7 for day in weekdays),
        either=not words[2].startswith("*") and not words[4].startswith("*"),
    )
    start = datetime.date(2000, 1, 1)  # a leap year: four years have every date there is
    if not any(found.fits(start + datetime.timedelta(number)) for number in range(1_461)):
        raise ScheduleError(f"{text!r} never comes")
    return found


def quiet(texts: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Spans such as ``22:00-06:00`` as minutes of the day. Raises ``ScheduleError``."""
    spans = []
    for text in texts:
        match = _SPAN.fullmatch(text)
        if match is None:
            raise ScheduleError(f"{text!r} is no span of a day: write 22:00-06:00")
        hour, minute, until_hour, until = map(int, match.groups())
        spans.append((hour * 60 + minute, until_hour * 60 + until))
    if spans and all(_is_quiet(spans, minute) for minute in range(1_440)):
        raise ScheduleError("quiet hours leave no time at all")
    return tuple(spans)


def anchor(schedule: Schedule, last: int, now: int) -> int:
    """From when on to count: ``last``, unless the clock was set back since. To be kept in its place."""
    if last <= now or (schedule.cron is not None and last - now < DAY):
        return last
    return now


def due(schedule: Schedule, last: int, draw: float, zone: Zone = None) -> int:
    """When it is to be done next. ``last`` is when it was done; 0: never, then at once. ``draw`` is from 0 to 1."""
    if last <= 0:
        return 0
    moment = _next(schedule.cron, last, zone) if schedule.cron is not None else last + max(schedule.every, MINUTE)
    late = int(min(max(draw, 0.0), 1.0) * schedule.jitter)
    loud = _out_of_quiet(schedule, moment + late, zone)
    if loud == moment + late:
        return loud
    # all that waited for the end of quiet hours begins spread out, unless that leads into the next ones
    later = loud + late
    return later if _out_of_quiet(schedule, later, zone) == later else loud


def wait(schedule: Schedule, last: int, now: int, draw: float, *, battery: bool = False, zone: Zone = None) -> int:
    """Seconds until it is to be done; 0: now. To be asked again after at most that time."""
    moment = due(schedule, last, draw, zone)
    if moment > now:
        return moment - now
    loud = _out_of_quiet(schedule, now, zone)
    if loud > now:
        return loud - now
    if battery and not schedule.on_battery and (last > 0 and now - moment < PATIENCE):
        return min(_ON_BATTERY, max(1, PATIENCE - (now - moment)))
    return 0


def _next(times: Cron, after: int, zone: Zone) -> int:
    """The first moment of ``times`` after another one."""
    best = 0
    limit = _local(after, zone) + datetime.timedelta(seconds=_HORIZON)
    for wall in _walls(times, _local(after - _SHIFT, zone)):
        if best and wall > _local(best, zone) + datetime.timedelta(seconds=_SHIFT):
            break
        if wall > limit:
            break
        moment = _moment(wall, zone)
        if moment > after and (not best or moment < best):
            best = moment
    return best or after + LONGEST


def _walls(times: Cron, start: datetime.datetime) -> Iterator[datetime.datetime]:
    """Times of the clock from ``start`` on, in order, without end."""
    day = start.date()
    while day.year < datetime.MAXYEAR:
        if times.fits(day):
            for hour in times.hours:
                for minute in times.minutes:
                    wall = datetime.datetime.combine(day, datetime.time(hour, minute))
                    if wall >= start:
                        yield wall
        day += datetime.timedelta(1)


def _out_of_quiet(schedule: Schedule, moment: int, zone: Zone) -> int:
    """The moment, or the end of the quiet hours it lies in."""
    if not schedule.quiet:
        return moment
    for _ in range(2 * len(schedule.quiet) + 2):
        wall = _local(moment, zone)
        minute = wall.hour * 60 + wall.minute
        ends = [until for start, until in schedule.quiet if _within(start, until, minute)]
        if not ends:
            return moment
        ahead = max((until - minute) % 1_440 or 1_440 for until in ends)
        moment += ahead * MINUTE - wall.second
    return moment


def _is_quiet(spans: list[tuple[int, int]], minute: int) -> bool:
    return any(_within(start, until, minute) for start, until in spans)


def _within(start: int, until: int, minute: int) -> bool:
    return start <= minute < until if start < until else minute >= start or minute < until


def _local(moment: int, zone: Zone) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def _moment(wall: datetime.datetime, zone: Zone) -> int:
    """The first moment at which clocks show this; where none does, as if they had not been moved."""
    return int((wall.replace(tzinfo=zone) if zone is not None else wall).timestamp())


def _numbers(word: str, name: str, lowest: int, highest: int) -> set[int]:
    found: set[int] = set()
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ScheduleError(f"{part!r} is no {name}: write numbers, lists, ranges or steps, such as 1-5 or */15")
        first, last, step = (int(text) if text else None for text in match.groups())
        if step == 0 or (step is not None and first is not None and last is None):
            raise ScheduleError(f"{part!r} is no {name}: steps are of a range, such as */15 or 0-30/10")
        start = lowest if first is None else first
        end = highest if first is None else start if last is None else last
        if not lowest <= start <= end <= highest:
            raise ScheduleError(f"{part!r} is no {name}: from {lowest} to {highest}")
        found |= set(range(start, end + 1, step or 1))
    return found
