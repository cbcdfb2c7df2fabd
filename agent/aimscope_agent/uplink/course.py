"""What to do after which answer: a pure state machine. Time and chance are arguments.

The collector sets the pace; nobody is asked sooner than it said. Where nobody answers, the agent comes again after a
random time below a bound that doubles from 5 s to 15 min ("full jitter"), so that a fleet does not come back as one.
Only so many batches follow a check-in. A report that is refused is halved until the row that is the cause is alone;
that row is left out, the rest goes through.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from aimscope_signatures.wire import MOST_CELLS

Errand = Literal["check_in", "report", "nothing"]
Deed = Literal["", "withdraw", "leave_out"]
_FIRST_PACE: Final = 300
_LONGEST_PACE: Final = 86_400
_TOO_LARGE: Final = 413
_BAD: Final = frozenset({400, 422})
FINAL: Final = frozenset({"revoked", "replaced"})
"""Words of a collector that wants nothing more of this agent."""
_BUSY: Final = frozenset({429, 503})
_DOUBLINGS: Final = 16


class Rules(msgspec.Struct, frozen=True):
    """How patient an agent is. Times in seconds."""

    base: float = 5.0
    longest: float = 900.0
    batches: int = 10
    """Reports that follow one check-in."""
    shut_out: float = 3_600.0
    """Between attempts while the collector does not know this agent, or no longer."""
    doubts: int = 5
    """Rows left out one after another before it is the collector that is doubted."""


class Course(msgspec.Struct, frozen=True):
    """Where an agent stands."""

    errand: Errand = "check_in"
    size: int = MOST_CELLS
    """Rows of the next report."""
    batches: int = 0
    failures: int = 0
    """In a row."""
    left_out: int = 0
    """Rows in a row, with no report accepted in between."""
    pace: int = _FIRST_PACE


class Heard(msgspec.Struct, frozen=True):
    """What became of a request."""

    errand: Literal["check_in", "report"]
    status: int
    """Of HTTP; 0: no answer."""
    understood: bool = False
    """The answer is a collector's: not a portal's, not a proxy's."""
    problem: str = ""
    retry_after: int | None = None
    pace: int | None = None
    committed: bool = False
    """The report is on the collector's disk, and that is noted here."""
    rows: int = 0
    """Of the report."""
    more: bool = False
    """There is something to report."""


class Step(msgspec.Struct, frozen=True):
    """What follows: the new course, how long to wait, what to do with the batch, and what somebody should know."""

    course: Course
    wait: float
    deed: Deed = ""
    notice: str = ""


def follow(course: Course, heard: Heard, *, draw: float, rules: Rules) -> Step:
    """The next step. ``draw`` is a random number from 0 to 1."""
    if course.errand == "nothing":
        return Step(course, rules.shut_out)
    if heard.pace is not None:
        course = msgspec.structs.replace(course, pace=min(max(heard.pace, 1), _LONGEST_PACE))
    if 200 <= heard.status < 300 and heard.understood:
        if heard.errand == "check_in":
            return _after_check_in(course, heard, draw)
        if heard.committed:
            return _after_commit(course, heard, draw, rules)
        return _fail(course, heard, draw, rules)
    if heard.status == 401 and heard.understood:
        return _shut_out(course, heard, draw, rules)
    if heard.status == 403 and heard.understood:
        return Step(
            _to(course, "check_in"), _spread(min(max(course.pace, heard.retry_after or 0), _LONGEST_PACE), draw)
        )
    too_large = heard.status == _TOO_LARGE
    if heard.errand == "report" and (too_large or (heard.status in _BAD and heard.understood)):
        return _after_refusal(course, heard, draw, rules)
    return _fail(course, heard, draw, rules)


def _after_check_in(course: Course, heard: Heard, draw: float) -> Step:
    if heard.more:
        return Step(msgspec.structs.replace(course, errand="report", batches=0), 0.0)
    course = msgspec.structs.replace(course, batches=0, failures=0)
    return Step(course, _spread(course.pace, draw))


def _after_commit(course: Course, heard: Heard, draw: float, rules: Rules) -> Step:
    course = msgspec.structs.replace(
        course, failures=0, left_out=0, batches=course.batches + 1, size=min(course.size * 2, MOST_CELLS)
    )
    if heard.more and course.batches < rules.batches:
        return Step(course, 0.0)
    return Step(_to(course, "check_in"), _spread(course.pace, draw))


def _after_refusal(course: Course, heard: Heard, draw: float, rules: Rules) -> Step:
    if heard.rows <= 1 and course.left_out >= rules.doubts:
        step = _fail(course, heard, draw, rules)
        return msgspec.structs.replace(step, notice="the collector refuses every report")
    counted = msgspec.structs.replace(course, batches=course.batches + 1)
    deed: Deed = "leave_out"
    if heard.rows > 1:
        deed = "withdraw"
        counted = msgspec.structs.replace(counted, size=max(1, min(course.size, heard.rows) // 2))
    else:
        counted = msgspec.structs.replace(counted, left_out=course.left_out + 1)
    if counted.batches < 2 * rules.batches:  # finding one row among a thousand takes ten reports
        return Step(counted, 0.0, deed)
    return Step(_to(counted, "check_in"), _spread(course.pace, draw), deed)


def _shut_out(course: Course, heard: Heard, draw: float, rules: Rules) -> Step:
    if heard.problem in FINAL:
        notice = f"the collector says {heard.problem}: nothing is sent, what was seen is kept; enrol again"
        return Step(_to(course, "nothing"), rules.shut_out, notice=notice)
    notice = "the collector does not know this agent: enrol again"
    return Step(_to(course, "check_in"), rules.shut_out * (0.5 + draw), notice=notice)


def _fail(course: Course, heard: Heard, draw: float, rules: Rules) -> Step:
    """Come again later, with a sign of life first: a collector that cannot take reports may still take that."""
    bound = min(rules.longest, rules.base * 2 ** min(course.failures, _DOUBLINGS))
    wait = draw * bound
    if heard.retry_after is not None and heard.status in _BUSY:
        wait = _spread(min(max(heard.retry_after, 0), _LONGEST_PACE), draw) + wait
    return Step(msgspec.structs.replace(_to(course, "check_in"), failures=course.failures + 1), wait)


def _to(course: Course, errand: Errand) -> Course:
    return msgspec.structs.replace(course, errand=errand)


def _spread(seconds: float, draw: float) -> float:
    """Never sooner, and up to a tenth later."""
    return seconds * (1 + draw / 10)
