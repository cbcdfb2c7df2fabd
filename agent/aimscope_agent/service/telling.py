"""Those that look all the time tell now and then how it goes."""

from __future__ import annotations

import contextlib

from aimscope_agent.ledger import LedgerError
from aimscope_agent.service.desk import Desk
from aimscope_agent.service.looks import Record, day_of
from aimscope_signatures import wire

_EVERY = 300.0
_AT_ONCE = 500

Looks = tuple[wire.Look, ...]


class Telling:
    """Has coverage and the run kept: soon after the start, every few minutes, when a day ends, and at last."""

    def __init__(self, desk: Desk, record: Record, now: float, clock: int) -> None:
        self._desk = desk
        self._record = record
        self._next = now + _EVERY / 10
        self._day = day_of(clock)

    def is_due(self, now: float, clock: int) -> bool:
        """Whether to tell. ``now`` never runs back, ``clock`` is seconds since 1970."""
        if now < self._next and day_of(clock) == self._day:
            return False
        self._next = now + _EVERY
        self._day = day_of(clock)
        return True

    def tell(self, looks: Looks, clock: int) -> None:
        """Have it kept; where it cannot be, the next time will do."""
        with contextlib.suppress(LedgerError):
            for start in range(0, len(looks), _AT_ONCE):
                self._desk.keep(looks=looks[start : start + _AT_ONCE])
            self._desk.keep(runs=(self._record.run(clock),))
