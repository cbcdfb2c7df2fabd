"""What only many machines together show."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aimscope_collector.fleet_findings import NAMESAKES, RARE, SPREADING
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import DAY, NOW, Planted


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    return Planted(database)


def conditions(fleet: Planted) -> set[tuple[str, str]]:
    return {(service, condition) for service, unit, condition in fleet.findings() if not unit}


def test_one_name_for_different_servers_is_a_finding(fleet: Planted) -> None:
    for name, package in (("a", "npm:crm-mcp"), ("b", "npm:crm-mcp-fixed"), ("c", "npm:crm-mcp")):
        fleet.saw(fleet.agent(name, "emea"), "", "mcp_server", client="x", name="crm", package=package)
    fleet.reconcile(inventory())
    row = fleet.findings()["", "", f"mcp server crm: {NAMESAKES}"]
    assert (row.assets, row.verdict) == (3, "condition_unmet")
    assert "2 different servers: npm:crm-mcp, npm:crm-mcp-fixed" in row.reasons


def test_one_server_in_several_clients_is_none(fleet: Planted) -> None:
    for name, client in (("a", "cursor"), ("b", "zed")):
        fleet.saw(fleet.agent(name), "", "mcp_server", client=client, name="crm", package="npm:crm-mcp")
    fleet.saw(fleet.agent("c"), "", "mcp_server", client="cursor", name="crm")
    fleet.reconcile(inventory())
    assert not any(NAMESAKES in condition for _, condition in conditions(fleet))


def test_what_hardly_anybody_has_is_rare_in_a_fleet_that_is_large_enough(fleet: Planted) -> None:
    agents = [fleet.agent(f"a{number}", "emea") for number in range(49)]
    for agent in agents[:3]:
        fleet.saw(agent, "cursor", "application", id="dpkg:cursor")
    fleet.saw(agents[0], "otter", "dns.query", name="otter.ai")
    fleet.saw(agents[0], "bedrock", "dns.query", name="x")
    rows = inventory(use(name="Amazon Bedrock"))
    fleet.reconcile(rows)
    assert conditions(fleet) == set()
    fleet.agent("one more", "emea")
    fleet.reconcile(rows)
    assert conditions(fleet) == {("otter", RARE)}
    assert "Of 50 devices, 1 has it." in fleet.findings()["otter", "", RARE].reasons


@pytest.mark.parametrize(("before", "after", "expected"), [(5, 10, True), (0, 12, True), (6, 10, False), (1, 9, False)])
def test_what_doubles_within_four_weeks_is_spreading(fleet: Planted, before: int, after: int, expected: bool) -> None:
    for number in range(max(before, after)):
        agent = fleet.agent(f"a{number}", f"unit{number % 2}")
        for weeks, count in ((1, after), (5, before)):
            if number < count:
                at = NOW - weeks * 7 * DAY
                fleet.saw(agent, "otter", "dns.query", name="otter.ai", at=at, epoch=weeks)
    fleet.reconcile(inventory())
    assert (("otter", SPREADING) in conditions(fleet)) == expected


def test_what_is_authorised_may_spread(fleet: Planted) -> None:
    for number in range(12):
        fleet.saw(fleet.agent(f"a{number}"), "otter", "dns.query", name="otter.ai", at=NOW - 7 * DAY)
    fleet.reconcile(inventory(use(name="Otter")))
    assert conditions(fleet) == {("otter", "")}
