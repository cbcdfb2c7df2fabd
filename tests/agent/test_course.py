from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.uplink.course import Course, Heard, Rules, follow

RULES = Rules()
DRAWS = st.floats(0, 1, exclude_max=True)
HEARD = st.builds(
    Heard,
    errand=st.sampled_from(["check_in", "report"]),
    status=st.sampled_from([0, 200, 204, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503]),
    understood=st.booleans(),
    problem=st.sampled_from(["", "revoked", "replaced", "unauthorised", "malformed", "too-fast"]),
    retry_after=st.none() | st.integers(-5, 10**9),
    pace=st.none() | st.integers(-5, 10**9),
    committed=st.booleans(),
    rows=st.integers(0, 1_000),
    more=st.booleans(),
)
STEPS = st.lists(st.tuples(HEARD, DRAWS), max_size=60)


def heard(errand: str, status: int, **more: object) -> Heard:
    return msgspec.convert({"errand": errand, "status": status, **more}, Heard)


@given(STEPS)
def test_whatever_is_heard_the_agent_is_patient_and_bounded(steps: list[tuple[Heard, float]]) -> None:
    course = Course()
    hurried = 0
    for said, draw in steps:
        told = msgspec.structs.replace(said, errand="report" if course.errand == "report" else "check_in")
        step = follow(course, told, draw=draw, rules=RULES)
        assert math.isfinite(step.wait)
        assert 0 <= step.wait <= 86_400 * 1.1 + RULES.longest
        assert 1 <= step.course.size <= 1_000
        assert step.deed != "leave_out" or (told.rows <= 1 and told.errand == "report")
        assert step.deed == "" or told.status in {400, 413, 422}
        if course.errand == "nothing":
            assert step.course.errand == "nothing"
        if told.status in {429, 503} and told.retry_after is not None and course.errand != "nothing":
            assert step.wait >= min(max(told.retry_after, 0), 86_400)
        if told.status == 0 and course.errand != "nothing":
            assert step.wait <= RULES.longest
        hurried = hurried + 1 if step.wait == 0 and step.course.errand == "report" else 0
        assert hurried <= 2 * RULES.batches + 1
        course = step.course


def test_the_collector_sets_the_pace() -> None:
    step = follow(Course(), heard("check_in", 200, understood=True, pace=77), draw=0.5, rules=RULES)
    assert 77 <= step.wait <= 77 * 1.1
    assert step.course.errand == "check_in"


def test_only_so_many_reports_follow_a_check_in() -> None:
    course = follow(Course(), heard("check_in", 200, understood=True, pace=60, more=True), draw=0, rules=RULES).course
    reports, wait = 0, 0.0
    while course.errand == "report":
        said = heard("report", 200, understood=True, pace=60, committed=True, more=True, rows=1_000)
        step = follow(course, said, draw=0, rules=RULES)
        course, wait, reports = step.course, step.wait, reports + 1
    assert (reports, wait) == (RULES.batches, 60)


def test_back_off_doubles_to_a_quarter_of_an_hour_and_is_drawn_from_all_of_it() -> None:
    course, bounds = Course(), []
    for _ in range(12):
        bounds.append(follow(course, heard("check_in", 0), draw=0.999999, rules=RULES).wait)
        assert follow(course, heard("check_in", 0), draw=0, rules=RULES).wait == 0
        course = follow(course, heard("check_in", 0), draw=0.5, rules=RULES).course
    assert [round(bound) for bound in bounds[:9]] == [5, 10, 20, 40, 80, 160, 320, 640, 900]
    assert max(bounds) <= 900


def test_signs_of_life_do_not_reset_the_back_off_of_reports() -> None:
    course = Course()
    for _ in range(8):
        course = follow(course, heard("check_in", 200, understood=True, pace=60, more=True), draw=1, rules=RULES).course
        step = follow(course, heard("report", 503, understood=True, rows=5), draw=1, rules=RULES)
        course = step.course
        assert course.errand == "check_in"
    assert step.wait > 600


@pytest.mark.parametrize("word", ["revoked", "replaced"])
def test_after_a_revocation_there_is_nothing_to_do(word: str) -> None:
    step = follow(Course(), heard("check_in", 401, understood=True, problem=word), draw=0.5, rules=RULES)
    assert step.course.errand == "nothing"
    assert "enrol again" in step.notice


def test_a_proxy_that_asks_for_a_password_revokes_nobody() -> None:
    step = follow(Course(), heard("check_in", 401), draw=0.5, rules=RULES)
    assert (step.course.errand, step.notice) == ("check_in", "")


def test_a_gateway_page_that_says_400_costs_no_row() -> None:
    course = msgspec.structs.replace(Course(), errand="report")
    assert follow(course, heard("report", 400, rows=1), draw=0.5, rules=RULES).deed == ""


@given(st.integers(0, 999), st.integers(1, 1_000))
def test_one_row_among_a_thousand_is_found_and_the_rest_goes_through(poison: int, total: int) -> None:
    queue = list(range(total))
    bad = poison % total
    course = msgspec.structs.replace(Course(), errand="report")
    left: list[int] = []
    for _ in range(120):
        if not queue:
            break
        if course.errand == "check_in":
            said = heard("check_in", 200, understood=True, pace=60, more=True)
            course = follow(course, said, draw=0, rules=RULES).course
        batch = queue[: course.size]
        refused = bad in batch
        said = heard(
            "report",
            422 if refused else 200,
            understood=True,
            problem="malformed" if refused else "",
            committed=not refused,
            rows=len(batch),
            more=len(queue) > len(batch),
        )
        step = follow(course, said, draw=0, rules=RULES)
        if step.deed == "leave_out":
            left += batch
        if not refused or step.deed == "leave_out":
            queue = queue[len(batch) :]
        course = step.course
    assert (queue, left) == ([], [bad])


def test_where_every_row_is_refused_it_is_the_collector_that_is_doubted() -> None:
    course, left = msgspec.structs.replace(Course(), errand="report", size=1), 0
    for _ in range(20):
        if course.errand == "check_in":
            said = heard("check_in", 200, understood=True, pace=60, more=True)
            course = follow(course, said, draw=0, rules=RULES).course
        step = follow(course, heard("report", 400, understood=True, problem="x", rows=1), draw=0, rules=RULES)
        left += step.deed == "leave_out"
        course = step.course
    assert left == RULES.doubts
    assert "refuses every report" in step.notice
