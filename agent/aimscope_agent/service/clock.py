"""What time it is: this machine's clock, or the collector's where this machine's is days off.

A total's month is fixed when it is seen (``wire.Month``), so a clock that is years off would give months that nobody
keeps. What the collector said last counts then; a clock that is off by less is left alone, for the collector corrects
that on reading. Before the first answer of a collector there is nothing but this machine's own clock.

Signed feeds are judged by this machine's own clock all the same: whoever speaks for the collector must not be able to
make fresh what has expired.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_NEAR: Final = 86_400
"""Seconds that a clock may be off."""
_LONG: Final = 400 * 86_400
"""Longer than this no machine sleeps: then its clock was set."""


class Clock:
    """Seconds since 1970 UTC. ``ahead`` and ``told`` are what was learnt before a restart: see those attributes."""

    def __init__(
        self, own: Callable[[], int], monotonic: Callable[[], float], *, ahead: int = 0, told: int = 0
    ) -> None:
        self.own = own
        self.ahead = ahead
        """Seconds that this machine's clock is ahead of the collector's; 0 where that is less than a day."""
        self.told = told
        """The last moment that the collector named; 0: none yet."""
        self._monotonic = monotonic
        self._told_at: float | None = None

    def __call__(self) -> int:
        """Now."""
        return self.own() - self.off()

    def off(self) -> int:
        """Seconds by which this machine's clock is ahead at present: it may have been set since the last answer."""
        own = self.own()
        if not self.told:
            return 0
        if self._told_at is None:  # a restart: what is nearer to the last word is likelier
            return min((0, self.ahead), key=lambda ahead: abs(own - ahead - self.told))
        expected = self.told + round(self._monotonic() - self._told_at)
        ahead = min((0, self.ahead), key=lambda ahead: abs(own - ahead - expected))
        late = own - ahead - expected
        # a machine that slept is late by as much; none is early
        return ahead if -_NEAR <= late <= _LONG else own - expected

    def hear(self, moment: int) -> bool:
        """The collector says what time it is. Whether this machine's clock turned out to be another than thought."""
        before, known = self.ahead, self.told > 0
        ahead = self.own() - moment
        self.ahead = ahead if abs(ahead) > _NEAR else 0
        self.told, self._told_at = moment, self._monotonic()
        return abs(self.ahead - (before if known else 0)) > _NEAR

    @property
    def notice(self) -> str:
        """What somebody should know; empty where the clock is right."""
        if not self.ahead:
            return ""
        how = "ahead" if self.ahead > 0 else "behind"
        return f"this machine's clock is {abs(self.ahead) // _NEAR:,} days {how}: set it; the collector's is used"


def of_child(own: Callable[[], int], ahead: int) -> Callable[[], int]:
    """The same for a child, which is begun anew when the clock turns out to be another."""
    return lambda: own() - ahead
