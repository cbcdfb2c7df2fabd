"""Bills of materials: what was seen in a unit, valid by the standard's own schema, whatever machines say."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from aimscope_collector.reports import Asked, Refused, report_named
from aimscope_collector.reports.making import check
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.collector.reports.made import VIEWER, made, whom


def bills(engine: sa.Engine, spec: str = "1.6", form: str = "zip", **options: Any) -> dict[str, dict[str, Any]]:
    files = made(engine, "bill-of-materials", form, options={"spec": spec}, **options)
    validator = JsonStrictValidator(SchemaVersion.from_version(spec))
    for name, content in files.items():
        assert name.endswith(".cdx.json")
        assert validator.validate_str(content.decode()) is None
    found = [json.loads(content) for content in files.values()]
    return {one["metadata"]["component"]["name"]: one for one in found}


def said(one: dict[str, Any]) -> dict[str, str]:
    return {each["name"].removeprefix("aimscope:"): each["value"] for each in one.get("properties", ())}


@pytest.fixture
def told(database: sa.Engine) -> sa.Engine:
    planted = Planted(database)
    for number in range(3):
        agent = planted.agent(f"e{number}", "eng/a")
        planted.saw(agent, "chatgpt", "tls.client_hello", presence="used", server_name="chatgpt.com", blocked="")
        planted.saw(agent, "ollama", "model", id="meta-llama/Llama-3.1-8B")
        planted.saw(agent, "openai-api", "package", package="npm:@openai/agents")
    planted.saw(agent, "", "mcp_server", presence="configured", client="c", name="own\x00\ntools", package="", host="")
    planted.saw(planted.agent("s", "sales"), "cursor", "application", id="dpkg:cursor")
    planted.saw(
        planted.agent("old", "past"), "otter", "dns.query", presence="used", name="otter.ai", at=NOW - 200 * DAY
    )
    planted.reconcile(inventory(use(services=("cursor",))))
    return database


@pytest.mark.parametrize("spec", ["1.6", "1.7"])
def test_each_unit_has_its_own_valid_bill(told: sa.Engine, spec: str) -> None:
    found = bills(told, spec)
    assert set(found) == {"eng/a", "sales"}
    unit = found["eng/a"]
    assert unit["specVersion"] == spec
    services = {one["name"]: one for one in unit["services"]}
    assert set(services) == {"ChatGPT", "Ollama", "OpenAI API"}
    assert services["ChatGPT"]["endpoints"] == ["https://chatgpt.com/"]
    assert services["ChatGPT"]["provider"] == {"name": "OpenAI"}
    assert said(services["ChatGPT"])["verdict"] == "unregistered"
    components = {one["name"]: one for one in unit["components"]}
    assert components["meta-llama/Llama-3.1-8B"]["type"] == "machine-learning-model"
    assert said(components["meta-llama/Llama-3.1-8B"])["computers"] == "3"
    assert components["npm:@openai/agents"]["purl"] == "pkg:npm/%40openai/agents"
    assert said(components["own tools"])["unknown"] == "yes"
    assert said({one["name"]: one for one in found["sales"]["services"]}["Cursor"])["verdict"] == "authorised"


def test_one_unit_holds_what_is_below_it_and_nothing_else(told: sa.Engine) -> None:
    found = bills(told, form="json", unit="eng")
    assert set(found) == {"eng"}
    assert "ChatGPT" in {one["name"] for one in found["eng"]["services"]}
    assert "Cursor" not in {one["name"] for one in found["eng"]["services"]}
    with pytest.raises(Refused, match="does not reach"):
        bills(told, unit="eng", who=whom("reviewer", units=("sales",)))
    assert set(bills(told, who=whom("reviewer", units=("sales",)))) == {"sales"}


def test_the_same_moment_gives_the_same_bytes_and_no_names_of_machines(told: sa.Engine) -> None:
    first = made(told, "bill-of-materials", "zip")
    assert first == made(told, "bill-of-materials", "zip")
    text = b"".join(first.values()).decode()
    assert "device-" not in text
    assert "person-" not in text


def test_one_bill_of_everything_says_whose_it_is(told: sa.Engine) -> None:
    (bill,) = bills(told, form="json").values()
    assert {one["name"] for one in bill["services"]} == {"ChatGPT", "Ollama", "OpenAI API", "Cursor"}
    assert set(bills(told, form="json", who=whom("reviewer", units=("sales",)))) == {"sales"}


def test_evidence_takes_its_permission() -> None:
    asked = Asked(since=0, until=1, as_of=0, form="json")
    with pytest.raises(Refused, match="sightings:read"):
        check(report_named("bill-of-materials"), asked, VIEWER)


def test_nothing_seen_is_an_empty_bill(database: sa.Engine) -> None:
    (bill,) = bills(database).values()
    assert bill.get("services", []) == []
