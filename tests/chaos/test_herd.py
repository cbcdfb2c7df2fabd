"""RELIABILITY 20: twenty thousand agents come back after ten minutes of outage. A simulated clock, the real pacing.

Agents follow ``uplink.course``; the collector answers with its own jitter and ``Retry-After``. What the machine can do
is assumed, and less than what is measured: the figures are in ``docs/reliability.md``.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from aimscope_agent.uplink.course import Course, Heard, Rules, follow
from aimscope_collector.ingest.context import Context
from aimscope_collector.ingest.limits import Limits
from aimscope_collector.ingest.writing import unavailable
from aimscope_collector.store.writer import _MOST_WAITING, Busy
from tests.chaos.crowd import say

_AGENTS: Final = 20_000
_DOWN: Final = (1_800.0, 2_400.0)
"""The outage."""
_END: Final = 7_200.0
_CHECK_INS: Final = 3_000.0
"""A second, on the event loop."""
_REPORTS: Final = 300.0
_ROWS: Final = 30_000.0
"""A second, that the writer commits."""
_ROWS_EACH: Final = 400
"""A machine's whole state as it may have changed in a day."""


class _Collector:
    """One event loop, one writer: how long each is busy, and what the collector answers."""

    def __init__(self, rng: random.Random) -> None:
        limits = Limits()
        self._uniform = rng.random
        context: Any = SimpleNamespace(limits=limits, uniform=rng.random)
        self._context = cast("Context", context)
        self._loop = 0.0
        self._writer = 0.0
        self.waits: list[float] = []
        """Of signs of life, seconds."""
        self.arrivals: Counter[int] = Counter()
        """Requests by second."""

    def check_in(self, at: float) -> Heard:
        self.arrivals[int(at)] += 1
        self._loop = max(self._loop, at) + 1 / _CHECK_INS
        self.waits.append(self._loop - at)
        return Heard("check_in", 200, understood=True, pace=self._pace())

    def report(self, at: float, rows: int) -> tuple[Heard, float]:
        """The answer, and when it comes."""
        self.arrivals[int(at)] += 1
        self._loop = max(self._loop, at) + 1 / _REPORTS
        waiting = max(0.0, self._writer - at) * _ROWS
        if waiting + rows > _MOST_WAITING:
            refusal = unavailable(self._context, Busy("too many reports are waiting to be written"))
            again = round(refusal.retry_after or 0)
            return Heard(
                "report", 503, understood=True, problem="unavailable", retry_after=again, more=True
            ), self._loop
        self._writer = max(self._writer, self._loop) + rows / _ROWS
        return Heard("report", 200, understood=True, committed=True, rows=rows, pace=self._pace()), self._writer

    def _pace(self) -> int:
        return Context.jittered(self._context, self._context.limits.check_in)


def _simulated(seed: int) -> tuple[_Collector, list[float]]:
    """All requests, and when each agent's state was with the collector after the outage."""
    rng = random.Random(seed)
    collector, rules = _Collector(rng), Rules()
    courses = [Course() for _ in range(_AGENTS)]
    pending = [False] * _AGENTS
    drained = [0.0] * _AGENTS
    queue = [(rng.random() * 300, number) for number in range(_AGENTS)]
    heapq.heapify(queue)
    told = False
    while queue and queue[0][0] < _END:
        at, number = heapq.heappop(queue)
        if not told and at >= _DOWN[0]:
            told = True
            pending = [True] * _AGENTS  # everybody has something to report by the end of it
        course = courses[number]
        ends = at
        if _DOWN[0] <= at < _DOWN[1]:
            heard = Heard("report" if course.errand == "report" else "check_in", 0, more=pending[number])
        elif course.errand == "report":
            heard, ends = collector.report(at, _ROWS_EACH)
            if heard.committed:
                pending[number] = False
                drained[number] = ends
        else:
            heard = collector.check_in(at)
        more = pending[number]
        heard = Heard(
            *(heard.errand, heard.status, heard.understood, heard.problem, heard.retry_after, heard.pace),
            committed=heard.committed,
            rows=heard.rows,
            more=more,
        )
        step = follow(course, heard, draw=rng.random(), rules=rules)
        courses[number] = step.course
        heapq.heappush(queue, (max(at, ends) + max(step.wait, 0.001), number))
    return collector, drained


@pytest.mark.timeout(300)
def test_a_fleet_comes_back_without_an_echo() -> None:
    collector, drained = _simulated(7)
    assert all(drained), "somebody's state never arrived"
    seconds = max(drained) - _DOWN[1]
    waits = sorted(collector.waits)
    p99 = waits[int(len(waits) * 0.99)]
    usual = max(collector.arrivals[second] for second in range(900, 1_800))
    peak = max(collector.arrivals[second] for second in range(int(_DOWN[1]), int(_DOWN[1]) + 300))
    echo = max(collector.arrivals[second] for second in range(int(_DOWN[1]) + 1_200, int(_END)))
    say(
        f"{_AGENTS} agents: all state there {seconds:.0f} s after the outage; check-ins p99 {p99 * 1e3:.0f} ms; "
        f"busiest second {usual} before, {peak} at return, {echo} from 20 minutes after"
    )
    assert seconds < 1_200, "slow to drain"
    assert p99 < 1.0, "signs of life wait"
    assert peak < 10 * usual
    assert echo < 2 * usual, "an echo"
