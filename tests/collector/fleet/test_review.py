"""A finding's standing follows from its decisions and the clock, and nothing makes it unreviewed again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector import review
from aimscope_collector.review import SETTLES, Act, Decision, Facts, Refused, Standing, Wrong, standing

DAY = 86_400
NOW = 1_000 * DAY
UNITS = ["", "emea", "emea/sales", "emea/sales/paris", "apac", "EMEA"]
ACTS: list[Act] = ["review", "register", "tolerate", "prohibit", "dismiss", "escalate", "reopen", "assign"]


def decision(action: Act, unit: str | None = None, at: int = 1, **more: Any) -> Decision:
    facts: dict[str, Any] = {"question": "May we?"} if action == "escalate" else {}
    facts |= {"assignee": "ann"} if action == "assign" else {}
    more.setdefault("facts", Facts(**facts))
    more.setdefault("until", NOW * 2 if action == "tolerate" else None)
    return Decision(
        uid=f"{action}-{unit}-{at}", service="chatgpt", unit=unit, action=action, reason="Why.", by="ann", at=at, **more
    )


@st.composite
def sequences(draw: st.DrawFn) -> list[Decision]:
    found = []
    for place in range(draw(st.integers(0, 8))):
        action = draw(st.sampled_from(ACTS))
        unit = draw(st.none() | st.sampled_from(UNITS))
        settles = action in SETTLES
        found.append(
            decision(
                action,
                unit,
                at=place,
                until=draw(st.none() | st.integers(place + 1, 20)) if settles else None,
                review_on=draw(st.none() | st.integers(place + 1, 20)) if settles else None,
                except_units=tuple(draw(st.lists(st.sampled_from(UNITS), max_size=2))) if unit is None else (),
            )
        )
    return found


def test_nothing_decided_is_unreviewed() -> None:
    assert standing([], "emea", NOW) == Standing()


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("review", "under_review"),
        ("register", "registered"),
        ("tolerate", "tolerated"),
        ("prohibit", "prohibited"),
        ("dismiss", "dismissed"),
        ("escalate", "escalated"),
        ("reopen", "under_review"),
        ("assign", "under_review"),
    ],
)
def test_each_act_has_its_state(action: Act, state: str) -> None:
    assert standing([decision(action)], "emea", NOW).state == state


@given(sequences(), st.sampled_from(UNITS), st.integers(0, 25), st.integers(0, 25))
def test_what_was_looked_at_never_becomes_unreviewed(
    decisions: list[Decision], unit: str, early: int, late: int
) -> None:
    before = standing(decisions[: len(decisions) // 2], unit, early)
    after = standing(decisions, unit, late)
    if before.state != "unreviewed":
        assert after.state != "unreviewed"


@given(sequences(), st.sampled_from(UNITS), st.integers(0, 25))
def test_the_standing_names_the_decision_it_follows_from(decisions: list[Decision], unit: str, now: int) -> None:
    found = standing(decisions, unit, now)
    by_uid = {one.uid: one for one in decisions}
    if found.settled:
        counts = by_uid[found.decision]
        assert review.concerns(counts, unit)
        assert SETTLES[counts.action] == found.state
        assert counts.until is None or counts.until > now
        assert counts.review_on is None or counts.review_on > now
    if found.reopened and found.reopened != "changed":
        assert found.state == "under_review"
        assert found.reason


@given(sequences(), st.sampled_from(UNITS), st.integers(0, 25))
def test_decisions_for_other_units_change_nothing(decisions: list[Decision], unit: str, now: int) -> None:
    ours = [one for one in decisions if one.unit is None or review.covers(one.unit, unit)]
    assert standing(ours, unit, now) == standing(decisions, unit, now)


@given(sequences(), st.sampled_from(UNITS), st.integers(0, 25), st.sampled_from(list(SETTLES)))
def test_a_units_own_last_word_counts(decisions: list[Decision], unit: str, now: int, action: Act) -> None:
    own = decision(action, unit, at=30, until=NOW)
    assert standing([*decisions, own], unit, now).state == SETTLES[action]
    wider = decision("prohibit", None, at=31)
    after = standing([*decisions, own, wider], unit, now)
    assert (after.state, after.against) == (SETTLES[action], wider.uid)


@given(sequences(), st.sampled_from(UNITS), st.integers(0, 25))
def test_the_version_changes_with_every_decision_that_covers(decisions: list[Decision], unit: str, now: int) -> None:
    added = decision("assign", unit, at=99)
    assert standing(decisions, unit, now).version != standing([*decisions, added], unit, now).version


def test_a_decision_for_the_organisation_is_inherited_by_a_future_unit() -> None:
    found = standing([decision("prohibit")], "founded/yesterday", NOW)
    assert found.state == "prohibited"
    assert found.inherited


def test_a_decision_for_a_unit_covers_those_below_and_not_its_namesakes() -> None:
    decisions = [decision("prohibit", "emea")]
    assert standing(decisions, "emea/sales", NOW).inherited
    assert not standing(decisions, "EMEA", NOW).inherited
    assert standing(decisions, "emea2", NOW).state == "unreviewed"
    assert standing(decisions, "", NOW).state == "unreviewed"


def test_the_unit_of_no_name_is_a_unit_and_not_all() -> None:
    decisions = [decision("prohibit", "")]
    assert standing(decisions, "", NOW).state == "prohibited"
    assert standing(decisions, "emea", NOW).state == "unreviewed"


def test_exceptions_are_not_covered() -> None:
    decisions = [decision("register", except_units=("emea",))]
    assert standing(decisions, "emea/sales", NOW).state == "unreviewed"
    assert standing(decisions, "apac", NOW).state == "registered"


def test_a_unit_left_out_later_is_open_with_a_reason() -> None:
    decisions = [decision("register"), decision("prohibit", at=2, except_units=("emea",))]
    found = standing(decisions, "emea", NOW)
    assert (found.state, found.reopened) == ("under_review", "excepted")
    own = [decision("register"), decision("tolerate", "emea", at=2), decision("prohibit", at=3, except_units=("emea",))]
    assert standing(own, "emea", NOW).state == "tolerated"


def test_the_end_reopens_and_says_when_it_was() -> None:
    decisions = [decision("tolerate", until=NOW)]
    assert standing(decisions, "emea", NOW - 1).state == "tolerated"
    ended = standing(decisions, "emea", NOW)
    assert (ended.state, ended.reopened) == ("under_review", "expired")
    assert "1972-09-27" in ended.reason
    assert ended.version != standing(decisions, "emea", NOW - 1).version


def test_the_review_day_reopens() -> None:
    found = standing([decision("register", review_on=NOW)], "emea", NOW)
    assert (found.state, found.reopened) == ("under_review", "review_due")


def test_once_a_units_own_decision_has_ended_the_organisations_next_counts() -> None:
    decisions = [decision("tolerate", "emea", at=1, until=10), decision("prohibit", at=20)]
    assert standing(decisions, "emea", NOW).state == "prohibited"
    assert standing(decisions[:1], "emea", NOW).reopened == "expired"


def test_looking_at_it_again_opens_it_for_the_unit_until_the_organisation_decides() -> None:
    decisions = [decision("prohibit"), decision("review", "emea", at=2)]
    assert standing(decisions, "emea", NOW).state == "under_review"
    assert standing(decisions, "apac", NOW).state == "prohibited"
    assert standing([*decisions, decision("register", at=3)], "emea", NOW).state == "registered"


def test_the_committee_answers_a_question() -> None:
    asked = decision("escalate", "emea")
    found = standing([asked], "emea", NOW)
    assert (found.state, found.question) == ("escalated", "May we?")
    answer = decision("prohibit", "emea", at=2, facts=Facts(answers=asked.uid))
    answered = standing([asked, answer], "emea", NOW)
    assert (answered.state, answered.question) == ("prohibited", "")


def test_assignment_stays_through_decisions_until_changed() -> None:
    given_to = decision("assign", "emea", facts=Facts(assignee="bob", due=50))
    found = standing([given_to, decision("review", at=2)], "emea", 51)
    assert (found.assignee, found.due, found.overdue(51), found.overdue(50)) == ("bob", 50, True, False)
    taken = decision("assign", "emea", at=3, facts=Facts(assignee=""))
    assert standing([given_to, taken], "emea", 51).assignee == ""
    settled = standing([given_to, decision("prohibit", at=2)], "emea", 51)
    assert not settled.overdue(51)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 4_001}, "shorten"),
        ({"uid": ""}, "id of its own"),
        ({"unit": "emea", "except_units": ("a",)}, "Exceptions"),
        ({"action": "tolerate", "until": None}, "until a day"),
        ({"until": 1}, "passed already"),
        ({"review_on": 0}, "passed already"),
        ({"action": "review", "until": 99}, "settles"),
        ({"action": "escalate"}, "question"),
        ({"action": "assign"}, "assigned"),
        ({"facts": Facts(wrong=Wrong()), "until": 99}, "dismissal"),
        ({"action": "dismiss", "facts": Facts(wrong=Wrong())}, "give the day"),
        ({"action": "dismiss", "facts": Facts(wrong=Wrong()), "until": 9, "except_units": ("a",)}, "no exceptions"),
        ({"action": "dismiss", "facts": Facts(wrong=Wrong()), "until": 9, "service": ""}, "which kind"),
        ({"action": "dismiss", "facts": Facts(wrong=Wrong("process")), "until": 9, "service": ""}, "which kind"),
    ],
)
def test_what_lacks_something_is_refused_with_a_sentence(changes: dict[str, Any], says: str) -> None:
    good = decision("prohibit")
    review.check(good)
    with pytest.raises(Refused, match=says):
        review.check(msgspec.structs.replace(good, **changes))


@pytest.mark.parametrize("action", ["review", "assign"])
def test_looking_and_assigning_need_no_reason(action: Act) -> None:
    review.check(msgspec.structs.replace(decision(action), reason=""))
