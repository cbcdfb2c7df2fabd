"""Sightings of many machines in one reconciliation: each is judged where its asset is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_collector.authorisation import Place
from aimscope_collector.findings import Finding, Reconciliation
from aimscope_collector.inventory.model import AuthorisedUse, Ignore
from aimscope_collector.reconcile import reconcile
from aimscope_collector.rules import Rules
from aimscope_signatures.kinds import Identity, Presence
from aimscope_signatures.model import Sighting
from tests.collector.example import SERVICES, TODAY, YESTERDAY, inventory, see, use

SEVEN, EIGHT, NINE = "10.0.0.7", "10.0.0.8", "10.0.0.9"
HIDDEN, HIDDEN_TOO = "device-07bdf8db18b5", "device-f33fd4fa5fe3"


def chatgpt(asset: str, presence: Presence = "used", identity: Identity = "high", **more: Any) -> Sighting:
    return see("chatgpt", "http.request", asset=asset, presence=presence, identity=identity, host="chatgpt.com", **more)


def row(**fields: Any) -> AuthorisedUse:
    return use(**{"name": "ChatGPT", **fields})


def gateway(*sightings: Sighting, rows: tuple[AuthorisedUse, ...] = (), host: str = "", **more: Any) -> Reconciliation:
    """What a gateway says, which has no name of its own."""
    given = {"unit": "", **more}
    return reconcile(sightings, (), inventory(*rows), SERVICES, host=host, today=TODAY, **given)


def judged(result: Reconciliation) -> dict[tuple[str, str], list[str]]:
    """Condition and verdict → assets."""
    return {
        (finding.condition, finding.verdict): [sighting.asset for sighting in finding.evidence]
        for finding in result.findings
    }


OTHERS = "Not on all machines: on others it is outside of what its row allows, which is a finding of its own."
PERSONAL = "Not all of it: accounts that are not the organisation's have a finding of their own."


def find(result: Reconciliation, condition: str) -> Finding:
    return next(finding for finding in result.findings if finding.condition == condition)


def test_what_is_authorised_on_one_machine_is_out_of_scope_on_another() -> None:
    result = gateway(chatgpt(SEVEN), chatgpt(EIGHT), rows=(row(hosts=(SEVEN,)),))
    assert judged(result) == {("", "authorised"): [SEVEN], ("out_of_scope", "out_of_scope"): [EIGHT]}
    here, elsewhere = find(result, ""), find(result, "out_of_scope")
    assert here.reasons == ('Row "ChatGPT": approved.', OTHERS)
    assert elsewhere.reasons == ('Row "ChatGPT" is approved, but only for the machine 10.0.0.7; here it is 10.0.0.8.',)
    assert (here.row, elsewhere.row) == ("ChatGPT", "ChatGPT")


@pytest.mark.parametrize(
    ("hosts", "verdict"),
    [((), "authorised"), ((SEVEN, EIGHT), "authorised"), (("10.0.0.0/29",), "out_of_scope"), ((NINE,), "out_of_scope")],
)
def test_machines_that_are_judged_alike_make_one_finding(hosts: tuple[str, ...], verdict: str) -> None:
    seen = (chatgpt(SEVEN), chatgpt(EIGHT)) if hosts != ("10.0.0.0/29",) else (chatgpt(EIGHT), chatgpt(NINE))
    result = gateway(*seen, rows=(row(hosts=hosts),))
    assert judged(result) == {("", verdict): [sighting.asset for sighting in seen]}


def test_a_machine_without_a_row_is_not_covered_by_the_row_of_a_near_address() -> None:
    result = gateway(chatgpt("10.0.0.70"), rows=(row(hosts=(SEVEN,)),))
    assert judged(result) == {("", "out_of_scope"): ["10.0.0.70"]}


def test_a_prohibition_for_some_machines() -> None:
    prohibited = row(status="prohibited", hosts=("10.0.0.8/32",))
    result = gateway(chatgpt(SEVEN), chatgpt(EIGHT), rows=(prohibited,))
    assert judged(result) == {("prohibited", "prohibited"): [EIGHT], ("unregistered", "unregistered"): [SEVEN]}
    assert find(result, "unregistered").row == ""
    result = gateway(chatgpt(SEVEN), chatgpt(EIGHT), rows=(prohibited, row(id="2")))
    assert judged(result) == {("prohibited", "prohibited"): [EIGHT], ("", "authorised"): [SEVEN]}


def test_two_rows_for_two_machines_are_one_authorised_finding_that_names_both() -> None:
    rows = (row(id="A", hosts=(SEVEN,)), row(id="B", hosts=(EIGHT,), status="restricted"))
    result = gateway(chatgpt(SEVEN), chatgpt(EIGHT), chatgpt(NINE), rows=rows)
    assert {key: sorted(assets) for key, assets in judged(result).items()} == {
        ("", "authorised"): [SEVEN, EIGHT],
        ("out_of_scope", "out_of_scope"): [NINE],
    }
    here = find(result, "")
    assert sorted(here.row.split("; ")) == ["A (ChatGPT)", "B (ChatGPT)"]
    assert {'Row "A (ChatGPT)": approved.', 'Row "B (ChatGPT)": restricted.'} < set(here.reasons)
    assert result.unmatched == ()


def test_a_condition_holds_where_its_row_does() -> None:
    def account(asset: str) -> Sighting:
        return see("chatgpt", "account", asset=asset, presence="used", path="x", domain="partner.example")

    rows = (row(id="A", hosts=(SEVEN,), allowed_accounts=("partner.example",)), row(id="B", hosts=(EIGHT,)))
    result = gateway(account(SEVEN), account(EIGHT), account(NINE), rows=rows)
    assert {key: sorted(assets) for key, assets in judged(result).items()} == {
        ("", "authorised"): [SEVEN, EIGHT],
        ("personal_account", "condition_unmet"): [EIGHT],
        ("out_of_scope", "out_of_scope"): [NINE],
    }
    assert PERSONAL in find(result, "").reasons


def test_an_expired_row_for_one_machine() -> None:
    rows = (row(id="A", hosts=(SEVEN,)), row(id="B", hosts=(EIGHT,), expiry=YESTERDAY))
    result = gateway(chatgpt(SEVEN), chatgpt(EIGHT), rows=rows)
    assert judged(result) == {("", "authorised"): [SEVEN], ("expired", "expired"): [EIGHT]}


def test_ai_in_no_catalogue_is_split_in_the_same_way() -> None:
    def own(asset: str) -> Sighting:
        return see("", "dns.query", asset=asset, presence="used", name="llm.corp.example")

    rows = (use(name="Our model", domains=("llm.corp.example",), hosts=("10.0.0.6/31",)),)
    result = gateway(own(SEVEN), own(EIGHT), rows=rows)
    what = "dns query llm.corp.example"
    assert judged(result) == {(what, "authorised"): [SEVEN], (f"{what}: out_of_scope", "out_of_scope"): [EIGHT]}


def test_hints_on_one_machine_are_no_finding_because_another_one_is_sure() -> None:
    weak = chatgpt(EIGHT, identity="low")
    result = gateway(chatgpt(SEVEN), weak, rows=(row(hosts=(SEVEN,)),))
    assert judged(result) == {("", "authorised"): [SEVEN]}
    assert result.weak == (weak,)
    assert find(result, "").reasons == ('Row "ChatGPT": approved.',)


# where an asset is


def test_a_sighting_without_asset_is_about_the_machine_that_looked() -> None:
    rows = (row(hosts=("laptop-7",)),)
    assert judged(gateway(chatgpt(""), rows=rows, host="laptop-7")) == {("", "authorised"): [""]}
    assert judged(gateway(chatgpt(""), rows=rows, host="laptop-8")) == {("", "out_of_scope"): [""]}
    both = gateway(chatgpt(""), chatgpt("laptop-7"), rows=rows, host="gateway-1")
    assert judged(both) == {("", "authorised"): ["laptop-7"], ("out_of_scope", "out_of_scope"): [""]}


def test_other_machines_are_in_the_unit_groups_and_environment_of_the_one_that_looked() -> None:
    rows = (row(units=("emea",), allowed_device_groups=("developers",), environments=("lab",), hosts=("10.*",)),)
    more: dict[str, Any] = {"groups": ("Developers",), "environment": "lab"}
    assert judged(gateway(chatgpt(SEVEN), rows=rows, unit="emea/sales", **more)) == {("", "authorised"): [SEVEN]}
    assert judged(gateway(chatgpt(SEVEN), rows=rows, unit="apac", **more)) == {("", "out_of_scope"): [SEVEN]}


def test_places_say_otherwise() -> None:
    known = {
        SEVEN: Place(host="laptop-7", unit="sales", names=(SEVEN,)),
        EIGHT: Place(host="laptop-8", unit="finance", names=(EIGHT,)),
    }
    seen = (chatgpt(SEVEN), chatgpt(EIGHT), chatgpt(NINE))
    result = gateway(*seen, rows=(row(units=("sales",)),), unit="office", places=known.get)
    assert {finding.key: finding.verdict for finding in result.findings} == {
        ("chatgpt", "sales", ""): "authorised",
        ("chatgpt", "finance", ""): "out_of_scope",
        ("chatgpt", "office", ""): "out_of_scope",
    }
    assert any("only for the unit sales; here it is finance." in reason for reason in _all_reasons(result))
    for hosts in (("laptop-7",), (SEVEN,)):
        only = gateway(*seen, rows=(row(hosts=hosts),), places=known.get)
        assert {f.unit: f.verdict for f in only.findings} == {
            "sales": "authorised",
            "finance": "out_of_scope",
            "": "out_of_scope",
        }


def test_groups_of_machines_in_one_unit() -> None:
    known = {
        SEVEN: Place(host=SEVEN, groups=("developers",)),
        EIGHT: Place(host=EIGHT, groups=("sales",)),
        NINE: Place(host=NINE, environment="lab"),
    }
    seen = (chatgpt(SEVEN), chatgpt(EIGHT), chatgpt(NINE))
    result = gateway(*seen, rows=(row(allowed_device_groups=("dev*",)),), places=known.get)
    assert judged(result) == {("", "authorised"): [SEVEN], ("out_of_scope", "out_of_scope"): [EIGHT, NINE]}
    reasons = set(find(result, "out_of_scope").reasons)
    assert len(reasons) == 2
    assert any(reason.endswith("here it is sales.") for reason in reasons)
    assert any(reason.endswith("the device group is not known here.") for reason in reasons)


def _all_reasons(result: Reconciliation) -> list[str]:
    return [reason for finding in result.findings for reason in finding.reasons]


# devices that are not shown


def test_behind_pseudonyms_a_rule_about_machines_cannot_be_checked_and_that_is_said() -> None:
    result = gateway(chatgpt(HIDDEN), chatgpt(HIDDEN_TOO), rows=(row(hosts=(SEVEN, "d*")),))
    assert judged(result) == {("", "out_of_scope"): [HIDDEN, HIDDEN_TOO]}
    (reason,) = find(result, "").reasons
    assert reason == (
        'Row "ChatGPT" is approved, but only for the machine 10.0.0.7, d*, which cannot be checked: '
        "devices have pseudonyms here."
    )


def test_a_prohibition_that_cannot_be_checked_is_told() -> None:
    rows = (row(id="P", status="prohibited", hosts=(SEVEN,)), row(id="A"))
    result = gateway(chatgpt(HIDDEN), rows=rows)
    assert judged(result) == {("", "authorised"): [HIDDEN]}
    assert any("cannot be checked: devices have pseudonyms here" in reason for reason in _all_reasons(result))


def test_a_pseudonym_may_be_named_itself() -> None:
    result = gateway(chatgpt(HIDDEN), chatgpt(HIDDEN_TOO), rows=(row(hosts=(HIDDEN,)),))
    assert judged(result) == {("", "authorised"): [HIDDEN], ("out_of_scope", "out_of_scope"): [HIDDEN_TOO]}


def test_a_device_that_is_not_known_is_told_from_one_that_is_another() -> None:
    result = gateway(chatgpt(""), chatgpt(EIGHT), rows=(row(hosts=(SEVEN,)),))
    assert judged(result) == {("", "out_of_scope"): ["", EIGHT]} or judged(result) == {
        ("", "out_of_scope"): [EIGHT, ""]
    }
    reasons = _all_reasons(result)
    assert any("the machine is not known here" in reason for reason in reasons)
    assert any("here it is 10.0.0.8." in reason for reason in reasons)


# ignores


def test_ignores_count_on_their_machines_only() -> None:
    ignore = Ignore(service="chatgpt", reason="A test.", expiry=TODAY, hosts=(EIGHT, "10.0.1.0/24"))
    seen = (chatgpt(SEVEN), chatgpt(EIGHT), chatgpt("10.0.1.9"), chatgpt("10.0.0.80"))
    result = gateway(*seen, ignores=(ignore,))
    assert {sighting.asset for sighting in result.ignored} == {EIGHT, "10.0.1.9"}
    assert judged(result) == {("", "unregistered"): [SEVEN, "10.0.0.80"]}


def test_an_ignore_counts_on_the_machine_that_looked_and_on_known_ones() -> None:
    ignore = Ignore(service="chatgpt", reason="A test.", expiry=TODAY, hosts=("laptop-*",))
    known = {EIGHT: Place(host="laptop-8")}
    result = gateway(chatgpt(""), chatgpt(SEVEN), chatgpt(EIGHT), ignores=(ignore,), host="laptop-1", places=known.get)
    assert [sighting.asset for sighting in result.ignored] == ["", EIGHT]


def test_an_expired_ignore_is_told_where_its_machine_was_seen() -> None:
    ignore = Ignore(service="chatgpt", reason="A test.", expiry=YESTERDAY, hosts=(EIGHT,))
    assert gateway(chatgpt(EIGHT), ignores=(ignore,)).expired_ignores == (ignore,)
    assert gateway(chatgpt(SEVEN), ignores=(ignore,)).expired_ignores == ()


# attempts that were blocked


@pytest.mark.parametrize("status", ["prohibited", "approved", "proposed"])
def test_what_was_only_tried_and_blocked_is_marked(status: str) -> None:
    result = gateway(chatgpt(SEVEN, "attempted"), rows=(row(status=status),))
    (finding,) = result.findings
    assert (finding.blocked, finding.presence) == (True, "attempted")
    assert finding.verdict == {"approved": "authorised", "proposed": "unregistered"}.get(status, status)


@pytest.mark.parametrize("presence", ["used", "uploaded", "installed", "configured", "mentioned"])
def test_anything_else_beside_it_is_more_than_an_attempt(presence: Presence) -> None:
    result = gateway(chatgpt(SEVEN, "attempted"), chatgpt(EIGHT, presence), rows=(row(status="prohibited"),))
    assert [finding.blocked for finding in result.findings] == [False]


def test_the_attempts_of_one_machine_and_the_use_of_another() -> None:
    result = gateway(chatgpt(SEVEN), chatgpt(EIGHT, "attempted"), rows=(row(hosts=(SEVEN,)),))
    assert {finding.verdict: finding.blocked for finding in result.findings} == {
        "authorised": False,
        "out_of_scope": True,
    }


# many


def test_a_reason_names_the_first_few_of_many_machines() -> None:
    seen = [chatgpt(f"10.0.1.{number}") for number in range(100)]
    (finding,) = gateway(*seen, rows=(row(hosts=(SEVEN,)),)).findings
    (reason,) = finding.reasons
    assert reason.endswith("here it is 10.0.1.0, 10.0.1.1, 10.0.1.10, 10.0.1.11, 10.0.1.12 and 95 more.")


def test_a_row_for_each_of_many_machines_makes_one_finding_with_few_sentences() -> None:
    rows = tuple(row(id=f"R{number}", hosts=(f"10.0.1.{number}",)) for number in range(60))
    seen = [chatgpt(f"10.0.1.{number}") for number in range(61)]
    result = gateway(*seen, rows=rows)
    assert {key: len(assets) for key, assets in judged(result).items()} == {
        ("", "authorised"): 60,
        ("out_of_scope", "out_of_scope"): 1,
    }
    assert all(len(finding.reasons) < 20 for finding in result.findings)
    assert find(result, "").row.endswith("; …")


def test_rules_made_once_say_the_same() -> None:
    held = inventory(row(hosts=(SEVEN,)), use(name="Nobody knows this"))
    rules = Rules(held, SERVICES)
    for seen in ((chatgpt(SEVEN),), (chatgpt(EIGHT),), (chatgpt(SEVEN), chatgpt(EIGHT))):
        with_rules = reconcile(seen, (), held, SERVICES, unit="", host="", today=TODAY, rules=rules)
        assert with_rules == reconcile(seen, (), held, SERVICES, unit="", host="", today=TODAY)


_ASSETS = ["", SEVEN, EIGHT, NINE, HIDDEN, "laptop-7"]
_seen = st.lists(
    st.builds(
        lambda asset, service, presence, identity, size: msgspec.structs.replace(
            see(service, "http.request", asset=asset, presence=presence, identity=identity, host="x.example"),
            bytes_out=size,
        ),
        st.sampled_from(_ASSETS),
        st.sampled_from(["chatgpt", "cursor", ""]),
        st.sampled_from(["attempted", "used"]),
        st.sampled_from(["low", "high"]),
        st.sampled_from([None, 0, 5]),
    ),
    max_size=12,
)
_held = st.lists(
    st.builds(
        row,
        name=st.sampled_from(["ChatGPT", "Cursor", "Own"]),
        id=st.sampled_from(["", "a", "b"]),
        status=st.sampled_from(["approved", "restricted", "prohibited", "proposed", "retired"]),
        hosts=st.sampled_from([(), (SEVEN,), ("10.0.0.8/31",), ("lap*",), ("*",)]),
        units=st.sampled_from([(), ("sales",), ("finance",)]),
        domains=st.sampled_from([(), ("x.example",)]),
        expiry=st.sampled_from([None, YESTERDAY]),
    ),
    max_size=6,
)
_PLACES = {NINE: Place(host=NINE, unit="finance"), "laptop-7": Place(host="laptop-7", unit="sales", names=(EIGHT,))}


@given(_seen, _held, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_does_not_matter_and_nothing_is_lost(
    seen: list[Sighting], rows: list[AuthorisedUse], random: Any
) -> None:
    first = gateway(*seen, rows=tuple(rows), unit="sales", places=_PLACES.get)
    random.shuffle(seen)
    random.shuffle(rows)
    second = gateway(*seen, *seen, rows=tuple(rows), unit="sales", places=_PLACES.get)
    assert (second.findings, second.weak) == (first.findings, first.weak)
    assert len({finding.key for finding in first.findings}) == len(first.findings)
    told = [sighting for finding in first.findings for sighting in finding.evidence] + list(first.weak)
    assert len(told) == len(set(told)) == len(set(seen))
    assert all(finding.identity != "low" for finding in first.findings)
    assert all(reason.endswith(".") for reason in _all_reasons(first))


@given(_seen, _held)
@settings(deadline=None)
def test_each_machine_is_judged_as_if_it_were_alone(seen: list[Sighting], rows: list[AuthorisedUse]) -> None:
    sure = [sighting for sighting in seen if sighting.identity != "low"]
    together = gateway(*sure, rows=tuple(rows), unit="sales", places=_PLACES.get)
    for sighting in set(sure):
        (finding,) = (finding for finding in together.findings if sighting in finding.evidence)
        (alone,) = gateway(sighting, rows=tuple(rows), unit="sales", places=_PLACES.get).findings
        assert (finding.service, finding.unit, finding.verdict) == (alone.service, alone.unit, alone.verdict)
        assert finding.row.split("; ").count(alone.row) == 1
