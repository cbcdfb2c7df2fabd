"""One use against rows of the inventory: the verdict."""

from __future__ import annotations

import itertools

import pytest

from aimscope_collector.findings import Verdict
from aimscope_collector.inventory.model import AuthorisedUse, Scope
from aimscope_collector.reconcile import reconcile
from tests.collector.example import (
    COMPLETE,
    CURSOR,
    SERVICES,
    TODAY,
    TOMORROW,
    YESTERDAY,
    judge,
    only,
    see,
    use,
)

VERDICTS: list[tuple[str, tuple[AuthorisedUse, ...], Verdict]] = [
    ("no row", (), "unregistered"),
    ("a row about something else", (use(name="ChatGPT"),), "unregistered"),
    ("approved", (use(),), "authorised"),
    ("restricted", (use(status="restricted"),), "authorised"),
    ("proposed only", (use(status="proposed"),), "unregistered"),
    ("retired", (use(status="retired"),), "expired"),
    ("prohibited", (use(status="prohibited"),), "prohibited"),
    ("tolerated until tomorrow", (use(status="tolerated", expiry=TOMORROW),), "authorised"),
    ("tolerated until today, the day included", (use(status="tolerated", expiry=TODAY),), "authorised"),
    ("tolerated until yesterday", (use(status="tolerated", expiry=YESTERDAY),), "expired"),
    ("approved from today on", (use(start=TODAY),), "authorised"),
    ("approved from tomorrow on", (use(start=TOMORROW),), "out_of_scope"),
    ("for this unit", (use(units=("Engineering",)),), "authorised"),
    ("for another unit", (use(units=("sales",)),), "out_of_scope"),
    ("for a unit whose name begins alike", (use(units=("engineer",)),), "out_of_scope"),
    ("for a unit below this one", (use(units=("engineering/tools",)),), "out_of_scope"),
    ("for this machine", (use(hosts=("LAPTOP-*",)),), "authorised"),
    ("for other machines", (use(hosts=("server-*",)),), "out_of_scope"),
    ("for a device group, ours unknown", (use(allowed_device_groups=("developers",)),), "out_of_scope"),
    ("for an environment, ours unknown", (use(environments=("lab",)),), "out_of_scope"),
    ("retired elsewhere", (use(status="retired", units=("sales",)),), "unregistered"),
    ("prohibited elsewhere", (use(status="prohibited", units=("sales",)),), "unregistered"),
    ("prohibited until yesterday", (use(status="prohibited", expiry=YESTERDAY), use(id="2")), "authorised"),
    ("prohibited from tomorrow on", (use(status="prohibited", start=TOMORROW), use(id="2")), "authorised"),
    (
        "prohibited in general, approved for this machine",
        (use(name="All", categories=("coding-assistant",), status="prohibited"), use(hosts=("laptop-7",))),
        "prohibited",
    ),
    ("approved here, for others out of scope", (use(units=("sales",)), use(id="2")), "authorised"),
    ("expired here, proposed anew", (use(expiry=YESTERDAY), use(id="2", status="proposed")), "expired"),
    (
        "expired for this unit, approved for all",
        (use(units=("engineering",), expiry=YESTERDAY), use(id="2")),
        "authorised",
    ),
    ("whole vendor approved", (use(name="Anysphere tools", vendors=("Anysphere, Inc.",)),), "authorised"),
    ("whole category approved", (use(name="Code", categories=("coding-assistant",)),), "authorised"),
    ("by alias", (use(name="Cursor IDE"),), "authorised"),
    ("by the name of another vendor", (use(vendor="Somebody Else"),), "unregistered"),
    ("by a name that is only near", (use(name="Cursor for teams"),), "unregistered"),
    ("outside the AIMS, still approved", (use(scope=Scope(in_aims=False, justification="Test lab")),), "authorised"),
]


@pytest.mark.parametrize(("rows", "verdict"), [case[1:] for case in VERDICTS], ids=[case[0] for case in VERDICTS])
def test_verdict(rows: tuple[AuthorisedUse, ...], verdict: Verdict) -> None:
    finding = only(judge(CURSOR, rows=rows))
    assert finding.verdict == verdict
    assert finding.reasons
    assert all(reason.endswith(".") for reason in finding.reasons)


def test_groups_and_environment_of_the_machine_can_be_told() -> None:
    rows = (use(allowed_device_groups=("developers",), environments=("lab",)),)
    assert only(judge(CURSOR, rows=rows, groups=("Developers",), environment="Lab")).verdict == "authorised"


def test_a_unit_covers_those_below() -> None:
    assert only(judge(CURSOR, rows=(use(units=("emea",)),), unit="EMEA/Sales")).verdict == "authorised"


def test_an_unknown_unit_is_no_authorisation_and_the_reason_says_so() -> None:
    finding = only(judge(CURSOR, rows=(use(units=("sales",)),), unit=""))
    assert finding.verdict == "out_of_scope"
    assert "the unit is not known here" in finding.reasons[0]


def test_without_an_inventory_nothing_is_judged() -> None:
    account = see("cursor", "account", presence="used", path="~/.cursor/x", domain="mail.example")
    result = reconcile((CURSOR, account), COMPLETE, None, SERVICES, unit="", host="laptop-7", today=TODAY)
    assert [finding.verdict for finding in result.findings] == ["observed"]
    assert not result.judged


def test_an_empty_inventory_judges() -> None:
    assert judge(CURSOR).judged


# which of several rows


def test_the_more_specific_row_wins_and_says_so() -> None:
    wide = use(name="All of Anysphere", id="W", vendors=("Anysphere",))
    narrow = use(id="N", units=("engineering",), conditions=("no_stored_credentials",))
    for rows in ((wide, narrow), (narrow, wide)):
        finding = only(judge(CURSOR, rows=rows))
        assert finding.row == "N (Cursor)"
        assert 'Row "N (Cursor)" is more specific than row "W (All of Anysphere)" (approved).' in finding.reasons


def test_of_equally_specific_rows_the_stricter_wins() -> None:
    rows = (use(id="A"), use(id="B", status="restricted"))
    finding = only(judge(CURSOR, rows=rows))
    assert finding.row == "B (Cursor)"
    assert any("stricter" in reason for reason in finding.reasons)


def test_a_prohibition_says_which_approval_does_not_count() -> None:
    finding = only(judge(CURSOR, rows=(use(id="A"), use(id="P", status="prohibited", vendors=("Anysphere",)))))
    assert 'Row "A (Cursor)" (approved) does not count against a prohibition.' in finding.reasons


def test_an_overdue_review_and_a_condition_for_people_are_mentioned() -> None:
    finding = only(judge(CURSOR, rows=(use(next_review=YESTERDAY, conditions=("Only with test data",)),)))
    assert finding.verdict == "authorised"
    assert "Its review was due on 2026-11-22." in finding.reasons
    assert "For people to check: Only with test data." in finding.reasons


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (use(allowed_accounts=("*@acme.example",)), True),
        (use(conditions=("organisation_account",)), True),
        (use(conditions=("no_stored_credentials",)), False),
        (use(), False),
        (use(status="prohibited", allowed_accounts=("*@acme.example",)), False),
    ],
)
def test_traffic_without_an_account_is_authorised_and_what_it_cannot_show_is_said(
    row: AuthorisedUse, told: bool
) -> None:
    finding = only(judge(see("cursor", "tls.hello", sni="api2.cursor.sh"), rows=(row,)))
    assert finding.verdict == ("prohibited" if row.status == "prohibited" else "authorised")
    assert any("which account was used cannot be seen" in reason for reason in finding.reasons) is told


@pytest.mark.parametrize("status", ["proposed", "retired", "prohibited"])
def test_a_row_for_another_place_that_authorises_nothing_decides_nothing(status: str) -> None:
    assert only(judge(CURSOR, rows=(use(status=status, units=("sales",)),))).row == ""


def test_rows_alike_in_every_rank_are_taken_in_an_order_of_their_own() -> None:
    rows = (use(name="Cursor", notes="b"), use(name="cursor"), use(name="Cursor", notes="a"))
    assert len({only(judge(CURSOR, rows=order)).reasons for order in itertools.permutations(rows)}) == 1
