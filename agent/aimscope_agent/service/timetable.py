"""When the service does what: as scheduled, and later where it failed."""

from __future__ import annotations

from typing import Final

from aimscope_agent import schedule
from aimscope_agent.schedule import Schedule
from aimscope_agent.service.book import Book
from aimscope_agent.service.reporter import Given

_AGAIN: Final = 30.0
_LONGEST: Final = 3_600.0
_HEALTHY: Final = 600.0
"""Seconds after which what fails then has not failed again."""


class Timetable:
    """Of duties, by name. Those without a schedule are done all the time."""

    def __init__(self, book: Book, given: Given) -> None:
        self._book = book
        self._given = given
        self._draws: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    def due(self, duty: str, when: Schedule) -> int:
        """When it is to be done next, seconds since 1970 UTC; 0: at once."""
        return schedule.due(when, self._book.last.get(duty, 0), self._draw(duty))

    def wait(self, duty: str, when: Schedule | None) -> float:
        """Seconds until it is to begin."""
        held = max(0.0, self._not_before.get(duty, 0.0) - self._given.monotonic())
        if when is None:
            return held
        now, last = self._given.clock(), self._book.last.get(duty, 0)
        settled = schedule.anchor(when, last, now)
        if settled != last:
            self._book.done(duty, settled)
        wait = schedule.wait(when, settled, now, self._draw(duty))
        if wait == 0 and not when.on_battery:
            wait = schedule.wait(when, settled, now, self._draw(duty), battery=self._given.battery())
        return max(held, float(wait))

    def begun(self, duty: str) -> None:
        """It begins now."""
        self._begun[duty] = self._given.monotonic()

    def done(self, duty: str) -> None:
        """It was done."""
        for kept in (self._failures, self._not_before, self._draws):
            kept.pop(duty, None)
        self._book.say(duty, "")
        self._book.done(duty, self._given.clock())

    def put_off(self, duty: str, reason: str) -> None:
        """It came to nothing: it is tried again, after twice the time where it fails again."""
        if self._given.monotonic() - self._begun.get(duty, 0.0) > _HEALTHY:
            self._failures.pop(duty, None)
        failures = self._failures[duty] = self._failures.get(duty, 0) + 1
        bound = min(_LONGEST, _AGAIN * 2 ** min(failures - 1, 10))
        self._not_before[duty] = self._given.monotonic() + bound * (0.5 + self._given.chance() / 2)
        self._book.say(duty, f"{duty}: {reason}")

    def failing(self, duty: str) -> bool:
        """Whether it came to nothing the last time."""
        return duty in self._failures

    def clear(self) -> None:
        """Nothing has failed yet: the configuration is another."""
        self._not_before.clear()
        self._failures.clear()

    def _draw(self, duty: str) -> float:
        return self._draws.setdefault(duty, self._given.chance())
