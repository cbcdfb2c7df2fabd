"""Findings of a whole fleet: what is counted, where, and when it is no longer there."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aimscope_collector.store import units
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.review import OVERRIDE
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import DAY, NOW, Planted


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    return Planted(database)


def test_one_finding_per_service_and_unit_counts_devices_people_and_agents_once(fleet: Planted) -> None:
    for name in ("a", "b"):
        agent = fleet.agent(name, "emea/sales")
        fleet.saw(agent, "cursor", "application", id="dpkg:cursor", subject="ann", first=NOW - DAY)
        fleet.saw(agent, "cursor", "config_file", path="~/.cursor", subject="ann")
        fleet.saw(agent, "cursor", "config_file", path="~/.cursor", subject="bob", epoch=2)
    fleet.saw(fleet.agent("c", "emea/it"), "cursor", "application", id="dpkg:cursor")
    fleet.reconcile(inventory())
    found = fleet.findings()
    sales = found["cursor", "emea/sales", ""]
    assert (sales.verdict, sales.assets, sales.subjects, sales.agents, sales.count) == ("unregistered", 2, 2, 2, 6)
    assert (sales.first, sales.last) == (NOW - DAY, NOW)
    assert found["cursor", "emea/it", ""].assets == 1
    assert len(found) == 2


def test_a_row_of_the_inventory_counts_in_its_unit_only(fleet: Planted) -> None:
    for unit in ("emea/sales", "apac"):
        fleet.saw(fleet.agent(unit, unit), "cursor", "application", id="dpkg:cursor")
    fleet.reconcile(inventory(use(units=("emea",))))
    found = fleet.findings()
    assert found["cursor", "emea/sales", ""].verdict == "authorised"
    assert found["cursor", "apac", ""].verdict == "out_of_scope"


def test_rows_for_machines_are_compared_with_pseudonyms_and_with_what_was_found_at_the_door(fleet: Planted) -> None:
    fleet.saw(fleet.agent("lab-1", "it", fits=["lab-*"]), "cursor", "application", id="dpkg:cursor")
    fleet.saw(fleet.agent("ANN-PC", "it"), "cursor", "application", id="dpkg:cursor")
    fleet.saw(fleet.agent("bob-pc", "it"), "cursor", "application", id="dpkg:cursor")
    fleet.reconcile(inventory(use(hosts=("lab-*", "ann-pc", "10.9.9.9"))))
    found = fleet.findings()
    assert found["cursor", "it", ""].assets == 2
    assert found["cursor", "it", ""].verdict == "authorised"
    assert found["cursor", "it", "out_of_scope"].assets == 1


def test_what_a_later_complete_look_did_not_see_is_gone_and_the_finding_stays(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "cursor", "application", id="dpkg:cursor", at=NOW - 5 * DAY)
    fleet.looked(agent, "applications", "application", at=NOW - 5 * DAY + 30)
    fleet.reconcile(inventory())
    assert fleet.findings()["cursor", "", ""].assets == 1
    fleet.looked(agent, "applications", "application", at=NOW, sequence=2)
    outcome = fleet.reconcile(inventory())
    assert fleet.findings() == {}
    assert outcome.changes.gone == (fleet.findings(gone=True)["cursor", "", ""].id,)


@pytest.mark.parametrize(("status", "kinds"), [("partial", ["application"]), ("complete", ["process"])])
def test_a_look_that_could_have_missed_it_proves_nothing(fleet: Planted, status: str, kinds: list[str]) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "cursor", "application", id="dpkg:cursor", at=NOW - 5 * DAY)
    fleet.looked(agent, "applications", *kinds, status=status)
    fleet.reconcile(inventory())
    assert fleet.findings()["cursor", "", ""].assets == 1


def test_a_look_of_a_clock_that_was_wrong_proves_nothing(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.looked(agent, "applications", "application", at=NOW + 20 * DAY)
    fleet.saw(agent, "cursor", "application", id="dpkg:cursor")
    fleet.looked(agent, "applications", "application", sequence=2)
    fleet.reconcile(inventory())
    assert fleet.findings()["cursor", "", ""].assets == 1


def test_what_an_agent_saw_before_it_was_installed_anew_is_for_the_new_one_to_see(fleet: Planted) -> None:
    new = fleet.agent("a", uid="new")
    old = fleet.agent("a", uid="old", replaced_by=new)
    fleet.saw(old, "cursor", "application", id="dpkg:cursor")
    fleet.saw(old, "otter", "dns.query", name="otter.ai")
    fleet.reconcile(inventory())
    assert set(fleet.findings()) == {("otter", "", ""), ("cursor", "", "")}
    fleet.looked(new, "applications", "application")
    fleet.reconcile(inventory())
    assert set(fleet.findings()) == {("otter", "", "")}


def test_use_on_the_network_ages_and_is_not_gone_by_a_look(fleet: Planted) -> None:
    agent = fleet.agent("gateway")
    fleet.saw(agent, "chatgpt", "dns.query", name="chatgpt.com", at=NOW - 60 * DAY, presence="used")
    fleet.saw(agent, "otter", "dns.query", name="otter.ai", at=NOW - 120 * DAY, presence="used")
    fleet.looked(agent, "dns", "dns.query")
    fleet.reconcile(inventory())
    assert set(fleet.findings()) == {("chatgpt", "", "")}


def test_a_wrong_clock_shifts_when_and_never_what(fleet: Planted) -> None:
    ahead = 400 * DAY
    fleet.saw(fleet.agent("a", clock_skew=ahead), "cursor", "application", id="dpkg:cursor", at=NOW + ahead)
    fleet.saw(fleet.agent("b"), "otter", "dns.query", name="otter.ai", at=NOW + 9 * DAY)
    fleet.reconcile()
    found = fleet.findings()
    assert found["cursor", "", ""].last == NOW
    assert found["otter", "", ""].last == NOW


def test_what_no_clock_can_mean_is_clamped(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a"), "otter", "dns.query", name="otter.ai", first=-(1 << 53))
    fleet.reconcile()
    assert fleet.findings()["otter", "", ""].first == 0


def test_first_goes_back_beyond_what_counts(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "otter", "dns.query", name="otter.ai", at=NOW - 300 * DAY, count=100)
    fleet.saw(agent, "otter", "dns.query", name="otter.ai", at=NOW, count=2)
    fleet.reconcile()
    row = fleet.findings()["otter", "", ""]
    assert (row.first, row.count) == (NOW - 300 * DAY, 2)


def test_the_trend_counts_devices_a_week(fleet: Planted) -> None:
    for name, weeks in (("a", (0, 1, 12)), ("b", (0,))):
        agent = fleet.agent(name)
        for week in weeks:
            fleet.saw(agent, "otter", "dns.query", name="otter.ai", at=NOW - week * 7 * DAY, epoch=week)
    fleet.reconcile()
    assert fleet.findings()["otter", "", ""].trend == "[1,0,0,0,0,0,0,0,0,0,0,1,2]"


def test_no_agent_can_make_a_sum_overflow(fleet: Planted) -> None:
    for number in range(8):
        agent = fleet.agent(f"a{number}")
        fleet.saw(agent, "otter", "dns.query", name="otter.ai", count=(1 << 53) - 1, bytes_out=(1 << 53) - 1)
    fleet.reconcile()
    assert fleet.findings()["otter", "", ""].assets == 8


def test_ai_in_no_catalogue_is_a_finding_for_each_thing(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "", "mcp_server", client="cursor", name="crm", host="mcp.example", identity="medium")
    fleet.saw(agent, "", "model", id="acme/secret-7b", identity="medium")
    fleet.reconcile(inventory())
    assert {row.verdict for row in fleet.findings().values()} == {"unknown_ai"}
    assert {row.name for row in fleet.findings().values()} == {"MCP server crm (mcp.example)", "Model acme/secret-7b"}


def test_a_personal_account_is_a_finding_of_its_own(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "cursor", "account", path="~/.cursor", domain="gmail.com", presence="used")
    fleet.saw(agent, "cursor", "application", id="dpkg:cursor")
    ours = fleet.agent("b")
    fleet.saw(ours, "cursor", "account", path="~/x", domain="corp.example", presence="used")
    fleet.reconcile(inventory(use(conditions=("organisation_account",))))
    found = fleet.findings()
    assert found["cursor", "", ""].assets == 2
    assert (found["cursor", "", "personal_account"].verdict, found["cursor", "", "personal_account"].assets) == (
        "condition_unmet",
        1,
    )


def test_units_that_are_not_in_scope_are_counted_not_raised(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a", "apac"), "cursor", "application", id="dpkg:cursor")
    fleet.saw(fleet.agent("b", "emea"), "cursor", "application", id="dpkg:cursor")
    with writing(fleet.engine) as connection:
        units.set_scope(
            connection, path="apac", scope="not_yet", justification="Next year.", below=True, actor="ann", now=NOW
        )
    outcome = fleet.reconcile(inventory())
    assert set(fleet.findings()) == {("cursor", "emea", "")}
    assert outcome.elsewhere == {"apac": 1}


@pytest.mark.parametrize(("unit", "left"), [(None, set()), ("emea", {"apac"}), ("em", {"emea/it", "apac"})])
def test_a_detection_that_was_declared_wrong_is_left_out_where_it_was(
    fleet: Planted, unit: str | None, left: set[str]
) -> None:
    for path in ("emea/it", "apac"):
        fleet.saw(fleet.agent(path, path), "cursor", "application", id="dpkg:cursor")
    with writing(fleet.engine) as connection:
        told = {"service": "cursor", "reason": "r", "by": "ann", "at": NOW, "until": NOW + DAY}
        connection.execute(OVERRIDE.insert().values(unit=unit, evidence='{"id":"dpkg:cursor"}', **told))
    fleet.reconcile(inventory())
    assert {path for _, path, _ in fleet.findings()} == left
    fleet.reconcile(inventory(), now=NOW + 2 * DAY)
    assert len(fleet.findings()) == 2


def test_nothing_changes_where_nothing_changed(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a"), "cursor", "application", id="dpkg:cursor")
    first = fleet.reconcile(inventory())
    again = fleet.reconcile(inventory(), now=NOW + 60)
    assert len(first.changes.new) == 1
    assert again.changes == type(again.changes)()


def test_another_verdict_is_a_change_and_the_same_finding(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a"), "cursor", "application", id="dpkg:cursor")
    new = fleet.reconcile(inventory()).changes.new
    assert fleet.reconcile(inventory(use())).changes.changed == new
    assert fleet.findings()["cursor", "", ""].verdict == "authorised"


def test_what_is_touched_is_judged_and_the_rest_is_left(fleet: Planted) -> None:
    agent = fleet.agent("a")
    fleet.saw(agent, "cursor", "application", id="dpkg:cursor")
    fleet.saw(agent, "otter", "dns.query", name="otter.ai")
    fleet.reconcile(inventory(use()), services=["cursor"])
    assert set(fleet.findings()) == {("cursor", "", "")}
    fleet.reconcile(inventory(use()), services=["otter"])
    assert set(fleet.findings()) == {("cursor", "", ""), ("otter", "", "")}
