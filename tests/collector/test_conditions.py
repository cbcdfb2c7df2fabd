"""Conditions and limits of an authorisation that a scan can check."""

from __future__ import annotations

import pytest

from aimscope_collector.findings import Verdict
from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_signatures.model import Sighting
from tests.collector.example import (
    CURSOR,
    inventory,
    judge,
    only,
    see,
    use,
    verdicts,
)


def account(domain: str, **details: str) -> Sighting:
    return see("cursor", "account", presence="used", details=details, path="~/.cursor/cli.json", domain=domain)


PERSONAL: list[tuple[str, Sighting, AuthorisedUse, bool]] = [
    ("organisation's domain", account("corp.example"), use(), False),
    ("below the organisation's domain", account("de.corp.example"), use(), False),
    ("ends alike", account("notcorp.example"), use(), True),
    ("freemail", account("mail.example"), use(), True),
    ("allowed by the row", account("partner.example"), use(allowed_accounts=("partner.example",)), False),
    (
        "allowed by the row, as an address",
        account("partner.example"),
        use(allowed_accounts=("a@partner.example",)),
        False,
    ),
    (
        "allowed by the row, as a pattern",
        account("x.partner.example"),
        use(allowed_accounts=("*.partner.example",)),
        False,
    ),
    ("the sensor knows it as ours", account("brand.example", organisational="True"), use(), False),
]


@pytest.mark.parametrize(("sighting", "row", "personal"), [case[1:] for case in PERSONAL], ids=[c[0] for c in PERSONAL])
def test_personal_account(sighting: Sighting, row: AuthorisedUse, personal: bool) -> None:
    found = verdicts(judge(CURSOR, sighting, rows=(row,)))
    assert found == ({"": "authorised", "personal_account": "condition_unmet"} if personal else {"": "authorised"})


def test_a_personal_account_is_a_finding_of_its_own_with_its_own_evidence_and_risk() -> None:
    personal = account("mail.example")
    result = judge(CURSOR, personal, rows=(use(),))
    breach = next(finding for finding in result.findings if finding.condition)
    whole = next(finding for finding in result.findings if not finding.condition)
    assert breach.evidence == (personal,)
    assert breach.reasons == ("It is used with an account at mail.example, which is not one of the organisation's.",)
    assert "Not all of it: accounts that are not the organisation's have a finding of their own." in whole.reasons
    assert breach.risk is not None
    assert whole.risk is not None
    assert "personal_account" in [factor.name for factor in breach.risk.factors]
    assert "personal_account" not in [factor.name for factor in whole.risk.factors]


def test_a_personal_account_of_something_unregistered_is_part_of_its_risk() -> None:
    finding = only(judge(CURSOR, account("mail.example")))
    assert finding.verdict == "unregistered"
    assert finding.risk is not None
    assert "personal_account" in [factor.name for factor in finding.risk.factors]


@pytest.mark.parametrize(("details", "personal"), [({}, False), ({"organisational": "False"}, True)])
def test_without_organisation_domains_only_the_sensor_can_tell(details: dict[str, str], personal: bool) -> None:
    result = judge(CURSOR, account("mail.example", **details), inventory_=inventory(use(), domains=()))
    assert ("personal_account" in verdicts(result)) is personal


REMOTE = see("cursor", "mcp_server", presence="configured", client="cursor", name="x", host="mcp.example.com")
LOCAL = see("cursor", "mcp_server", presence="configured", client="cursor", name="y", package="npm:y")
CREDENTIAL = see("cursor", "credential", presence="configured", env_name="CURSOR_API_KEY", place="dotenv")
PROCESS = see("cursor", "process", presence="used", name="Cursor")
NODE = see("cursor", "process", presence="used", name="node", package="npm:@anysphere/cursor")
CONDITIONS: list[tuple[AuthorisedUse, Sighting, Verdict | None]] = [
    (use(conditions=("no_remote_mcp",)), REMOTE, "condition_unmet"),
    (use(conditions=("no_remote_mcp",)), LOCAL, None),
    (use(), REMOTE, None),
    (use(conditions=("no_stored_credentials",)), CREDENTIAL, "condition_unmet"),
    (use(), CREDENTIAL, None),
    (
        use(allowed_domains=("cursor.com",)),
        see("cursor", "connection", process="x", host="api2.cursor.sh"),
        "out_of_scope",
    ),
    (use(allowed_domains=("cursor.com",)), see("cursor", "connection", process="x", host="api.cursor.com"), None),
    (use(allowed_processes=("Cursor.exe",)), PROCESS, None),
    (use(allowed_processes=("cursor-cli",)), PROCESS, "out_of_scope"),
    (use(allowed_processes=("cursor",)), NODE, None),
    (use(allowed_processes=("code",)), NODE, "out_of_scope"),
]


@pytest.mark.parametrize(("row", "sighting", "verdict"), CONDITIONS)
def test_condition(row: AuthorisedUse, sighting: Sighting, verdict: Verdict | None) -> None:
    result = judge(CURSOR, sighting, rows=(row,))
    assert [finding.verdict for finding in result.findings if finding.condition] == ([verdict] if verdict else [])


def test_conditions_of_a_row_that_does_not_authorise_are_not_checked() -> None:
    row = use(status="prohibited", conditions=("no_remote_mcp",))
    assert verdicts(judge(CURSOR, REMOTE, rows=(row,))) == {"": "prohibited"}


def test_an_account_that_is_only_guessed_breaks_no_condition() -> None:
    guessed = see("cursor", "account", identity="low", path="~/.x", domain="mail.example")
    assert verdicts(judge(CURSOR, guessed, rows=(use(),))) == {"": "authorised"}
