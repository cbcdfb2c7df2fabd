"""Which time it is on a machine whose clock is years off, is set, or stands while the machine sleeps."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.service.clock import Clock, of_child

DAY = 86_400
YEAR = 365 * DAY
TRUE = int(datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC).timestamp())
OFF = [-10 * YEAR, -YEAR, -2 * DAY, 2 * DAY, 40 * DAY, YEAR, 10 * YEAR]


class Machine:
    """A machine: what is true, what its clock shows, and seconds that stand still while it sleeps."""

    def __init__(self, off: int = 0) -> None:
        self.true, self.off, self.awake = TRUE, off, 1_000.0
        self.clock = self.begun()

    def begun(self, ahead: int = 0, told: int = 0) -> Clock:
        self.clock = Clock(lambda: self.true + self.off, lambda: self.awake, ahead=ahead, told=told)
        return self.clock

    def passes(self, seconds: int, *, asleep: bool = False) -> None:
        self.true += seconds
        self.awake += 0 if asleep else seconds

    def restart(self) -> None:
        self.awake = 5.0
        self.begun(self.clock.ahead, self.clock.told)


@pytest.mark.parametrize("off", OFF)
def test_before_the_first_answer_the_own_clock_counts_and_then_the_collectors(off: int) -> None:
    machine = Machine(off)
    assert machine.clock() == TRUE + off
    assert machine.clock.notice == ""
    assert machine.clock.hear(TRUE) is True
    machine.passes(100)
    assert machine.clock() == machine.true
    assert ("ahead" if off > 0 else "behind") in machine.clock.notice
    assert machine.clock.hear(machine.true) is False
    assert of_child(lambda: machine.true + off, machine.clock.off())() == machine.true


@pytest.mark.parametrize("off", [-DAY + 10, -3_600, -1, 0, 5, 3_600, DAY - 10])
def test_a_clock_that_is_nearly_right_is_left_alone(off: int) -> None:
    machine = Machine(off)
    assert machine.clock.hear(TRUE) is False
    machine.passes(100)
    assert (machine.clock(), machine.clock.notice) == (machine.true + off, "")


@pytest.mark.parametrize("off", OFF)
def test_a_clock_that_is_set_right_between_two_answers_is_believed_at_once(off: int) -> None:
    machine = Machine(off)
    machine.clock.hear(TRUE)
    machine.passes(100)
    machine.off = 0
    assert machine.clock() == machine.true
    assert machine.clock.hear(machine.true) is True
    assert (machine.clock(), machine.clock.notice) == (machine.true, "")


@pytest.mark.parametrize("off", [-10 * YEAR, -2 * DAY, 10 * YEAR])
def test_a_clock_that_jumps_between_two_answers_is_not_believed(off: int) -> None:
    machine = Machine()
    machine.clock.hear(TRUE)
    machine.passes(100)
    machine.off = off
    assert machine.clock() == machine.true
    machine.passes(100)
    assert machine.clock.hear(machine.true) is True
    assert machine.clock() == machine.true


@pytest.mark.parametrize("off", [*OFF, 0])
def test_a_machine_that_sleeps_or_restarts_keeps_what_it_knows(off: int) -> None:
    machine = Machine(off)
    machine.clock.hear(TRUE)
    if abs(off) > 40 * DAY or not off:  # a clock that is off by less than it slept cannot be told from one set right
        machine.passes(20 * DAY, asleep=True)
        assert machine.clock() == machine.true
    machine.restart()
    machine.passes(60)
    assert machine.clock() == machine.true or abs(off) <= 40 * DAY
    machine.clock.hear(machine.true)
    machine.off = 0
    machine.restart()
    assert machine.clock() == machine.true


@given(
    st.lists(
        st.tuples(st.integers(0, 30 * DAY), st.sampled_from([0, 10 * YEAR, -10 * YEAR, 1_800, -1_800]), st.booleans()),
        max_size=12,
    )
)
def test_whatever_happens_between_answers_is_right_after_each(steps: list[tuple[int, int, bool]]) -> None:
    machine = Machine()
    for seconds, off, restarts in steps:
        machine.passes(seconds)
        machine.off = off
        if restarts:
            machine.restart()
        machine.clock.hear(machine.true)
        machine.passes(60)
        assert abs(machine.clock() - machine.true) <= 1_800
