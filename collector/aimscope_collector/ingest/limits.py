"""The bounds of what agents may send, and the pace they are told to keep."""

from __future__ import annotations

import math
from typing import Final

import msgspec

DAY: Final = 86_400


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Of one agent where nothing else is said. Seconds, bytes, cells."""

    most_packed: int = 1 << 20
    most_inflated: int = 4 << 20
    body_seconds: float = 10.0
    most_reading: int = 64
    """Bodies read at one time, of all agents."""
    most_at_once: int = 2
    """Requests of one agent at one time."""
    cells_a_second: float = 200.0
    cells_at_once: int = 50_000
    cells_a_day: int = 1_000_000
    epochs_a_day: int = 16
    """Ledgers an agent may begin besides the one it has."""
    evidence: int = 20_000
    """Pieces of evidence an agent may name that nobody had named before; beyond, only service and kind are kept."""
    months_back: int = 120
    months_ahead: int = 1
    enrolments_a_second: float = 100.0
    failures_a_minute: float = 10.0
    """Refused enrolments of one address."""
    strangers_a_second: float = 200.0
    """Identities looked up that this collector does not know."""
    check_in: int = 300
    jitter: float = 0.2
    """Part of the time by which it is stretched or shortened."""
    clock: int = 300
    """Seconds a clock may be wrong before somebody is told."""
    overlap: int = 3_600
    """How long the previous secret works."""
    rotate: int = 30 * DAY
    restamp: int = 3_600
    """How often an agent's addresses are confirmed."""


class Bucket:
    """A token bucket: ``rate`` a second, at most ``burst`` at once. Time is what the caller says."""

    __slots__ = ("at", "burst", "level", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self.level = burst
        self.at = -math.inf

    def take(self, amount: float, at: float) -> float:
        """Take what is there: 0 where it was enough, else the seconds until it will be, and nothing was taken."""
        wait = self.wait(amount, at)
        if not wait:
            self.level -= min(amount, self.burst)
        return wait

    def wait(self, amount: float, at: float) -> float:
        """Seconds until so much is there; 0 where it is."""
        if at > self.at:
            if self.at > -math.inf:
                self.level = min(self.burst, self.level + (at - self.at) * self.rate)
            self.at = at
        return max(0.0, (min(amount, self.burst) - self.level) / self.rate)


class Allowance:
    """What one agent has used of its bounds; in memory, and begun anew with the process."""

    __slots__ = ("busy", "cells", "cells_today", "day", "epochs_today")

    def __init__(self, limits: Limits) -> None:
        self.cells = Bucket(limits.cells_a_second, limits.cells_at_once)
        self.busy = 0
        self.day = 0
        self.cells_today = 0
        self.epochs_today = 0

    def unused(self, at: float, limits: Limits) -> bool:
        """Whether forgetting it makes no difference to speak of."""
        few = self.cells_today < limits.cells_a_day // 100 and not self.epochs_today
        return few and not self.busy and not self.cells.wait(limits.cells_at_once, at)

    def today(self, day: int) -> None:
        """Begin the day's counters anew on another day of the collector's clock."""
        if day != self.day:
            self.day = day
            self.cells_today = 0
            self.epochs_today = 0
