"""The pieces for SIEMs: read by what can read them, and naming the fields that the formats write."""

from __future__ import annotations

import configparser
import csv
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aimscope_collector.findings import VERDICTS
from aimscope_collector.formats import cef as cef_format
from aimscope_collector.formats import formats
from aimscope_collector.formats import leef as leef_format
from aimscope_collector.formats._facts import FIELDS
from aimscope_collector.formats.sentinel import COLUMNS
from tests.collector.formats.shared import EVENTS, EXPORTS, records
from tests.deploy.commands import refuse_unknown

FOLDER = Path(__file__).parents[2] / "deploy" / "siem"
PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
RSYSLOG = shutil.which("rsyslogd", path=PLACES)
SYSLOG_NG = shutil.which("syslog-ng", path=PLACES)
SORTS = (
    *(f"ai.finding.{verdict}" for verdict in VERDICTS),
    *(f"ai.agent.health.{status}" for status in ("enrolled", "silent", "back", "revoked", "cloned", "degraded")),
    *("ai.observation", "ai.inventory", "ai.audit"),
)


def test_every_product_has_a_readme_that_says_what_was_tested() -> None:
    folders = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
    listed = re.findall(r"\]\(([a-z]+)/README\.md\)", (FOLDER / "README.md").read_text("utf-8"))
    assert sorted(listed) == folders
    for name in folders:
        readme = (FOLDER / name / "README.md").read_text("utf-8")
        assert "\nTested: " in readme, name
        for file in (FOLDER / name).iterdir():
            assert file.name == "README.md" or file.name in readme, file
        named = re.findall(r"[Ff]ormat `(\w+)`", readme)
        assert set(named) <= set(formats()), name
        for line in re.findall(r"^\s*(aimscope [^|\n]+)", readme, re.MULTILINE):
            words = [word for word in line.split()[1:] if not word.endswith((".json", ".jsonl", ".ndjson"))]
            refuse_unknown(["scan", "host", *words[1:]] if words[:1] == ["scan"] else words)


def test_commands_of_the_page_exist() -> None:
    page = (FOLDER.parents[1] / "docs" / "siem.md").read_text("utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = re.findall(r"^\s*aimscope ([^#\n]+)", block, re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        words = line.split()
        refuse_unknown(["scan", "host", *words[1:]] if words[1].startswith("-") else words)


def resources() -> tuple[dict[str, Any], dict[str, Any]]:
    template = json.loads((FOLDER / "sentinel" / "azuredeploy.json").read_text("utf-8"))
    table, rule = template["resources"]
    return table, rule


def test_the_table_and_the_rule_of_sentinel_have_the_columns_that_are_sent() -> None:
    table, rule = resources()
    expected = dict(COLUMNS.values())
    columns = {one["name"]: one["type"].lower() for one in table["properties"]["schema"]["columns"]}
    assert columns == expected
    (name, stream), = rule["properties"]["streamDeclarations"].items()  # fmt: skip
    assert {one["name"]: one["type"] for one in stream["columns"]} == expected
    (flow,) = rule["properties"]["dataFlows"]
    assert flow["streams"] == [name]
    assert flow["outputStream"] == "Custom-Aimscope_CL"
    assert flow["destinations"] == [one["name"] for one in rule["properties"]["destinations"]["logAnalytics"]]


def test_queries_of_sentinel_name_columns_that_exist() -> None:
    text = (FOLDER / "sentinel" / "queries.kql").read_text("utf-8")
    words = set(re.findall(r"\b(?:Event|Finding|Decision|Device|Observation|Agent|Coverage|Audit)[A-Z]\w+", text))
    assert words
    assert words <= {column for column, _ in COLUMNS.values()}


def mapped(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, about in properties.items():
        here = f"{path}.{name}" if path else name
        if "properties" in about:
            yield from mapped(about["properties"], here)
        else:
            yield here, about["type"]


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{path}.{name}" if path else name)
    else:
        yield path


def test_the_index_template_maps_every_field_that_is_written() -> None:
    template = json.loads((FOLDER / "elastic" / "index-template.json").read_text("utf-8"))
    types = dict(mapped(template["template"]["mappings"]["properties"]))
    for record in records("elastic"):
        document = json.loads(record.splitlines()[1])
        assert set(leaves(document)) - set(types) == set()
    for name, (kind, _) in FIELDS.items():
        if "." in name:
            wanted = {"number": "long", "yes": "boolean", "time": "date"}.get(kind)
            assert types[f"aimscope.{name}"] == wanted or wanted is None, name
    assert "logs-aimscope-default".startswith(template["index_patterns"][0].partition("*")[0])


def test_saved_objects_refer_to_each_other_and_to_fields_that_are_written() -> None:
    lines = (FOLDER / "elastic" / "kibana.ndjson").read_text("utf-8").splitlines()
    objects = [json.loads(line) for line in lines]
    known = {(one["type"], one["id"]) for one in objects}
    template = json.loads((FOLDER / "elastic" / "index-template.json").read_text("utf-8"))
    fields = dict(mapped(template["template"]["mappings"]["properties"]))
    for one in objects:
        assert {(reference["type"], reference["id"]) for reference in one["references"]} <= known
        if one["type"] == "search":
            assert set(one["attributes"]["columns"]) <= set(fields)
            query = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"]
            assert set(re.findall(r"([a-z_.]+):", query)) <= set(fields)
        if one["type"] == "dashboard":
            panels = json.loads(one["attributes"]["panelsJSON"])
            names = [f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels]
            assert names == [reference["name"] for reference in one["references"]]


def splunk(name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((FOLDER / "splunk" / name).read_text("utf-8"))
    return parser


def test_splunk_files_are_for_the_source_type_and_fields_that_are_sent() -> None:
    sent = [json.loads(record) for record in records("hec")]
    assert splunk("props.conf").sections() == [sent[0]["sourcetype"]]
    indexed = {name for one in sent for name in one["fields"]}
    written = {path for one in sent for path in leaves(one["event"])}
    groups = ("finding", "decision", "device", "observation", "agent", "coverage", "audit")
    files = [FOLDER / "splunk" / name for name in ("props.conf", "savedsearches.conf", "dashboard.xml")]
    text = "\n".join(file.read_text("utf-8") for file in files)
    assert set(re.findall(r"signature_id::(\S+)", text)) <= set(SORTS)
    text = re.sub(r"::\S+", ":: ", text)
    for word in re.findall(rf"\b(?:{'|'.join(groups)})\.[a-z_]+", text):
        assert word in written, word
    assert set(re.findall(r"\b(\w+)::", text)) <= indexed
    types = set(splunk("eventtypes.conf").sections())
    assert {section.removeprefix("eventtype=") for section in splunk("tags.conf").sections()} <= types
    page = ET.parse(FOLDER / "splunk" / "dashboard.xml").getroot()
    searches = splunk("savedsearches.conf")
    for search in page.iter("search"):
        assert search.get("ref") in searches.sections() or search.findtext("query")
    for section in searches.sections():
        assert "dedup event_uid" in searches[section]["search"]


def test_rules_of_wazuh_build_on_each_other_and_ask_for_fields_that_are_sent() -> None:
    sent = [json.loads(record)["aimscope"] for record in records("wazuh")]
    rules = list(ET.parse(FOLDER / "wazuh" / "local_rules.xml").getroot().iter("rule"))
    seen: set[str] = set()
    for rule in rules:
        number = rule.get("id", "")
        assert 100_000 <= int(number) <= 120_000
        assert number not in seen
        assert all(parent.text in seen for parent in rule.iter("if_sid"))
        seen.add(number)
        named = [field.get("name", "") for field in rule.iter("field")]
        named += re.findall(r"\$\(([^)]+)\)", rule.findtext("description", ""))
        assert {name.removeprefix("aimscope.") for name in named} <= {name for one in sent for name in one}
        for field in rule.iter("field"):
            if field.get("name") == "aimscope.signature":
                assert {sort.strip("^$") for sort in (field.text or "").split("|")} <= set(SORTS)
    ET.parse(FOLDER / "wazuh" / "local_decoder.xml")
    ET.parse(FOLDER / "wazuh" / "ossec-localfile.xml")


@pytest.mark.parametrize(
    ("number", "expected"), [(0, {"100500", "100510", "100512"}), (3, {"100500", "100510", "100511"}),
                             (9, {"100500", "100520"}), (11, {"100500", "100521"}), (12, {"100500"})],
)  # fmt: skip
def test_rules_of_wazuh_fire_for_the_shared_events(number: int, expected: set[str]) -> None:
    sent = json.loads(records("wazuh")[number])["aimscope"]
    fired: set[str] = set()
    for rule in ET.parse(FOLDER / "wazuh" / "local_rules.xml").getroot().iter("rule"):
        parents = [parent.text for parent in rule.iter("if_sid")]
        # these patterns mean the same in Wazuh's own regular expressions
        fields = [(field.get("name", "").removeprefix("aimscope."), field.text or "") for field in rule.iter("field")]
        if all(parent in fired for parent in parents) and all(
            re.search(text, sent.get(name, "")) for name, text in fields
        ):
            fired.add(rule.get("id", ""))
    assert fired == expected


def test_the_request_for_chronicle_holds_the_shared_events() -> None:
    request = json.loads((FOLDER / "chronicle" / "import-request.json").read_text("utf-8"))
    told = [json.loads(line) for line in (EXPORTS / "udm.txt").read_text("utf-8").splitlines()]
    assert request == {"inline_source": {"events": [{"udm": one} for one in told]}}
    assert len(told) == len(EVENTS)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_of_qradar_and_arcsight_are_the_declared_keys() -> None:
    assert {row["event_id"] for row in rows(FOLDER / "qradar" / "event-ids.csv")} == set(SORTS)
    own = {key.name: " or ".join(key.fields) for key in leef_format.KEYS}
    listed = {row["leef_key"]: row["aimscope_field"] for row in rows(FOLDER / "qradar" / "custom-properties.csv")}
    assert listed.items() <= own.items()
    assert set(own) - set(listed) == {"cat", "usrName", "identHostName", "resource", "policy", "srcBytes", "dstBytes"}
    mapping = [
        (row["cef_key"], row["label"], row["aimscope_field"]) for row in rows(FOLDER / "arcsight" / "cef-mapping.csv")
    ]
    assert mapping == [(key.name, key.label, " or ".join(key.fields)) for key in cef_format.KEYS]


def test_the_statuses_of_agents_are_those_of_the_contract() -> None:
    statuses = FIELDS["agent.status"][1].rstrip(".").replace(" or ", ", ").split(", ")
    assert {f"ai.agent.health.{status}" for status in statuses} <= set(SORTS)


@pytest.mark.skipif(RSYSLOG is None, reason="rsyslog is not installed")
def test_rsyslog_accepts_the_receiver() -> None:
    accepted([str(RSYSLOG), "-N1", "-f", str(FOLDER / "syslog" / "rsyslog-receive.conf")])


@pytest.mark.skipif(SYSLOG_NG is None, reason="syslog-ng is not installed")
def test_syslog_ng_accepts_the_receiver() -> None:
    accepted([str(SYSLOG_NG), "-s", "-f", str(FOLDER / "syslog" / "syslog-ng-receive.conf")])


def accepted(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
