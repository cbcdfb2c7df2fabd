"""What reopens a settled finding, what does not, and what follows for corrective action and the inventory."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aimscope_collector import corrective
from aimscope_collector.corrective import CorrectiveAction
from aimscope_collector.drafting_use import draft_use
from aimscope_collector.reopening import Noted, Triggers, reopen, reopening, with_seen
from aimscope_collector.review import Act, Decision, Facts, Refused, Seen, standing
from aimscope_collector.services import Service

DAY = 86_400


def noted(**changes: Any) -> Noted:
    known: dict[str, Any] = {"id": "f-1", "service": "chatgpt", "unit": "emea", "verdict": "unregistered", "assets": 10}
    return Noted(**known | changes)


def decided(action: Act, before: Noted | None = None, **more: Any) -> Decision:
    seen = {before.unit: before.seen()} if before else {}
    return Decision(
        uid="u", service="chatgpt", action=action, reason="r", by="a", at=100 * DAY, facts=Facts(seen=seen), **more
    )


@pytest.mark.parametrize("action", ["register", "tolerate", "dismiss"])
@pytest.mark.parametrize("verdict", ["prohibited", "expired", "out_of_scope", "condition_unmet"])
def test_a_worse_verdict_reopens_once(action: Act, verdict: str) -> None:
    why = reopening(decided(action, noted()), noted(verdict=verdict))
    assert why is not None
    assert why.rule == "verdict"
    assert reopening(decided(action, noted(verdict=verdict)), noted(verdict=verdict)) is None


@pytest.mark.parametrize("action", ["register", "tolerate", "prohibit", "dismiss"])
@pytest.mark.parametrize("verdict", ["authorised", "unregistered", "dormant"])
def test_the_same_or_a_better_verdict_does_not(action: Act, verdict: str) -> None:
    assert reopening(decided(action, noted()), noted(verdict=verdict)) is None


def test_a_units_finding_of_which_the_decision_knew_nothing() -> None:
    assert reopening(decided("tolerate"), noted(verdict="expired", assets=10_000)) is None
    why = reopening(decided("tolerate"), noted(verdict="prohibited"))
    assert why is not None


@pytest.mark.parametrize("action", ["register", "tolerate", "dismiss"])
def test_a_condition_that_broke_since_reopens(action: Act) -> None:
    before = noted(conditions=("no_remote_mcp",))
    why = reopening(decided(action, before), noted(conditions=("no_remote_mcp", "personal_account")))
    assert why is not None
    assert "personal_account" in why.reason
    assert "no_remote_mcp" not in why.reason
    assert reopening(decided(action, before), noted()) is None


def test_spreading_reopens_what_is_tolerated_and_not_what_is_registered() -> None:
    before = noted(assets=4)
    assert reopening(decided("tolerate", before), noted(assets=8)) is None
    why = reopening(decided("tolerate", before), noted(assets=9))
    assert why is not None
    assert why.rule == "spread"
    assert reopening(decided("register", before), noted(assets=9_000)) is None
    assert reopening(decided("tolerate", noted(assets=100)), noted(assets=199)) is None
    lax = Triggers(spread_factor=10)
    assert reopening(decided("tolerate", before), noted(assets=9), triggers=lax) is None


def test_a_jump_in_volume_reopens() -> None:
    before = noted(bytes_out=10_000_000)
    assert reopening(decided("tolerate", before), noted(bytes_out=99_000_000)) is None
    why = reopening(decided("tolerate", before), noted(bytes_out=100_000_000))
    assert why is not None
    assert why.rule == "volume"
    assert reopening(decided("tolerate", noted()), noted(bytes_out=None)) is None
    assert reopening(decided("tolerate", noted(bytes_out=1)), noted(bytes_out=1_000)) is None


def test_a_prohibition_has_time_to_take_effect() -> None:
    decision = decided("prohibit", noted())
    assert reopening(decision, noted(active=True, last=114 * DAY)) is None
    assert reopening(decision, noted(active=False, last=200 * DAY)) is None
    assert reopening(decision, noted(active=True, last=200 * DAY, present=False)) is None
    why = reopening(decision, noted(active=True, last=114 * DAY + 1))
    assert why is not None
    assert why.rule == "seen_again"


def test_once_corrected_any_use_reopens() -> None:
    decision = decided("prohibit", noted())
    used = noted(active=True, last=103 * DAY)
    assert reopening(decision, used) is None
    assert reopening(decision, used, corrected_at=102 * DAY) is not None
    assert reopening(decision, used, corrected_at=104 * DAY) is None
    assert reopening(decision, used, corrected_at=50 * DAY) is None, "a correction of an earlier prohibition"


def test_a_rule_reopens_the_one_unit_with_the_same_decision_wherever_it_is_computed() -> None:
    org = decided("tolerate", noted(), until=900 * DAY)
    found = noted(verdict="prohibited")
    why = reopening(org, found)
    assert why is not None
    act = reopen(org, found, why, at=200 * DAY)
    assert act.uid == reopen(org, found, why, at=201 * DAY).uid
    state = standing([org, act], "emea", 300 * DAY)
    assert (state.state, state.reopened, state.reason) == ("under_review", "changed", why.reason)
    assert standing([org, act], "apac", 300 * DAY).state == "tolerated"
    assert reopening(act, found) is None


def test_what_a_decision_keeps_is_about_its_units_alone() -> None:
    decision = with_seen(decided("register", unit="emea"), [noted(), noted(unit="emea/x"), noted(unit="apac")])
    assert set(decision.facts.seen) == {"emea", "emea/x"}
    assert decision.facts.seen["emea"] == Seen("unregistered", (), 10, None)


def action(**changes: Any) -> CorrectiveAction:
    return CorrectiveAction(
        finding="f-1", cause="c", action="a", owner="o", due=10, opened_by="ann", opened_at=1, **changes
    )


def test_stages_of_a_corrective_action() -> None:
    assert action().stage(10) == "open"
    assert action().stage(11) == "overdue"
    assert action(done_at=12).stage(99) == "done"
    assert action(done_at=12, checked_at=13, effective=True).stage(99) == "effective"
    assert action(done_at=12, checked_at=13, effective=False).stage(99) == "ineffective"


@pytest.mark.parametrize("part", ["cause", "action", "owner"])
def test_a_corrective_action_names_everything(part: str) -> None:
    corrective.check(action())
    with pytest.raises(Refused, match=part):
        corrective.check(msgspec.structs.replace(action(), **{part: " "}))
    with pytest.raises(Refused, match="past"):
        corrective.check(msgspec.structs.replace(action(), due=1))


def test_a_corrective_action_is_due_where_a_prohibited_use_goes_on() -> None:
    def due(state: Any = "prohibited", *actions: CorrectiveAction, **changes: Any) -> bool:
        known: dict[str, Any] = {"verdict": "unregistered", "active": True, "present": True} | changes
        return corrective.is_due(state, actions=actions, **known)

    assert due()
    assert due("unreviewed", verdict="prohibited")
    assert due("prohibited", action(done_at=2, effective=False))
    assert not due("tolerated")
    assert not due("dismissed", verdict="prohibited")
    assert not due(active=False)
    assert not due(present=False)
    assert not due("prohibited", action())
    assert not due("prohibited", action(done_at=5))
    assert corrective.corrected_at([action(), action(done_at=5), action(done_at=3)]) == 5
    assert corrective.corrected_at([action()]) is None


def test_a_drafted_row_says_what_is_known_and_leaves_the_rest_to_people() -> None:
    service = Service(
        id="chatgpt", name="ChatGPT", vendor="OpenAI", category="assistant", trains_on_input="opt-out", domains=("x.y",)
    )
    row = draft_use(
        finding="f-1",
        name="x",
        unit="emea",
        condition="personal_account",
        service=service,
        assets=1,
        first=0,
        last=DAY,
        hosts=["ignored.example"],
    )
    assert (row.status, row.services, row.units, row.kind) == ("proposed", ("chatgpt",), ("emea",), "app")
    assert row.conditions == ("organisation_account",)
    assert (row.id, row.owner, row.approver, row.purpose, row.domains) == ("", "", "", "", ())
    assert row.notes == "Drafted from finding f-1: seen from 1970-01-01 to 1970-01-02 on 1 machine."


def test_a_drafted_row_of_ai_in_no_catalogue_is_known_by_its_hosts() -> None:
    row = draft_use(
        finding="f-2",
        name="Model x",
        unit="",
        condition="model x: no_remote_mcp",
        hosts=["llm.corp.example"] * 2,
    )
    assert (row.name, row.services, row.domains, row.units) == ("Model x", (), ("llm.corp.example",), ())
    assert row.conditions == ("no_remote_mcp",)
    assert draft_use(finding="f-3", name="Model x", unit="", condition="model x").conditions == ()
