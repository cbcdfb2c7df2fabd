"""The register delta: what to add and to retire, in files that the inventory's own readers read back."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.inventory.load import parse
from aimscope_collector.inventory.model import AuthorisedUse, Inventory
from aimscope_collector.reports import Refused
from aimscope_collector.review import Decision
from aimscope_collector.store import decisions, inventories
from aimscope_collector.store.database import writing
from tests.collector.example import TODAY, inventory, use
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.collector.reports.made import VIEWER, made, whom

IN_FORCE = inventory(
    use(id="A1", services=("cursor",), units=("eng",), owner="Ann"),
    AuthorisedUse(
        id="A2",
        name="Amazon Bedrock",
        services=("bedrock",),
        status="approved",
        expiry=TODAY - datetime.timedelta(days=9),
    ),
    AuthorisedUse(id="A3", name="Ollama", services=("ollama",), status="approved"),
)


@pytest.fixture
def told(database: sa.Engine) -> sa.Engine:
    planted = Planted(database)
    for number in range(6):
        agent = planted.agent(f"s{number}", "sales")
        planted.saw(agent, "chatgpt", "dns.query", presence="used", name="chatgpt.com")
        planted.looked(agent, "models", "model", "application", "dns.query")
    planted.saw(planted.agent("l", "legal"), "otter", "dns.query", presence="used", name="otter.ai")
    planted.saw(planted.agent("h", "hr"), "cursor", "application", id="dpkg:cursor")
    planted.saw(planted.agent("m", "hr"), "mystery", "dns.query", presence="used", name="m.example")
    with writing(database) as connection:
        inventories.keep(connection, inventory=IN_FORCE, author="a", note="", effective_from=NOW - DAY, now=NOW - DAY)
    planted.reconcile(IN_FORCE)
    with writing(database) as connection:
        taken = [
            Decision(uid="1", service="otter", action="prohibit", reason="No contract.", by="ann", at=NOW - 9),
            Decision(
                uid="2",
                service="mystery",
                unit="hr",
                action="tolerate",
                reason="Trial.",
                by="bob",
                at=NOW - 8,
                until=NOW + 3 * DAY,
            ),
        ]
        decisions.decide(connection, taken, now=NOW)
    return database


def read(engine: sa.Engine, form: str, **options: Any) -> Inventory:
    ((name, content),) = made(engine, "register-delta", form, **options).items()
    loaded = parse(content, name)
    assert loaded.content is not None, loaded.problems
    return loaded.content


EXPECTED = {
    ("ChatGPT", "proposed", ("sales",)),
    ("Cursor", "proposed", ("hr",)),
    ("Otter", "prohibited", ()),
    ("Mystery", "tolerated", ("hr",)),
    ("Amazon Bedrock", "retired", ()),
}


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_the_changes_are_read_back_as_an_inventory(told: sa.Engine, form: str) -> None:
    rows = read(told, form).systems
    assert {(one.name, one.status, one.units) for one in rows} >= EXPECTED
    by_name = {one.name: one for one in rows}
    assert by_name["Otter"].approver == "ann"
    assert by_name["Mystery"].expiry == TODAY + datetime.timedelta(days=3)
    assert by_name["ChatGPT"].services == ("chatgpt",)
    assert "6 computers" in by_name["ChatGPT"].notes


def test_each_change_has_its_reason(told: sa.Engine) -> None:
    text = made(told, "register-delta", "yaml")["register-delta.yaml"].decode()
    assert "# ADD: Seen on 6 computers in 1 unit from 2026-11-23 to 2026-11-23: not registered." in " ".join(
        text.split("\n")
    ).replace("   ", " ")
    assert "# RETIRE: It ended on 2026-11-14, and is not seen in use." in text
    assert "would\n# replace all other rows" in text or "would replace all other rows" in text.replace("\n# ", " ")


def test_the_whole_inventory_keeps_every_other_row_and_what_is_beside_them(told: sa.Engine) -> None:
    whole = read(told, "yaml", options={"content": "whole"})
    assert whole.organisation == IN_FORCE.organisation
    assert whole.systems[0] == IN_FORCE.systems[0]
    assert whole.systems[1].status == "retired"
    assert [one.id for one in whole.systems[:3]] == ["A1", "A2", "A3"]
    assert {(one.name, one.status, one.units) for one in whole.systems} >= EXPECTED
    with pytest.raises(Refused, match="ask for yaml"):
        made(told, "register-delta", "csv", options={"content": "whole"})


def test_what_is_in_the_inventory_already_or_dismissed_is_no_change(told: sa.Engine) -> None:
    with writing(told) as connection:
        one = Decision(uid="3", service="chatgpt", action="dismiss", reason="A test.", by="ann", at=NOW - 5)
        decisions.decide(connection, [one], now=NOW)
    names = {one.name for one in read(told, "yaml").systems}
    assert "ChatGPT" not in names
    assert "Otter" in names


def test_a_viewer_sees_no_small_numbers_no_reasons_and_only_their_units(told: sa.Engine) -> None:
    rows = {one.name: one for one in read(told, "yaml", who=VIEWER).systems}
    assert "fewer than 5 computers" in rows["Otter"].notes
    assert "No contract." not in rows["Otter"].notes
    assert rows["Otter"].approver == ""
    assert {one.name for one in read(told, "yaml", who=whom("viewer", units=("sales",))).systems} & {
        "Otter",
        "Cursor",
    } == set()


def test_without_an_inventory_everything_is_to_be_added(database: sa.Engine) -> None:
    planted = Planted(database)
    planted.saw(
        planted.agent("a", "x"),
        "",
        "mcp_server",
        presence="configured",
        client="c",
        name="tools: {a}\n#b",
        package="",
        host="",
    )
    planted.saw(planted.agent("b", "x"), "chatgpt", "dns.query", presence="used", name="chatgpt.com")
    planted.reconcile(None)
    rows = read(database, "yaml", options={"content": "whole"}).systems
    assert {one.status for one in rows} == {"proposed"}
    assert len(rows) == 2
