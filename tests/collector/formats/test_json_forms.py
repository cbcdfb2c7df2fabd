"""HEC, Sentinel, UDM, Wazuh and plain JSON, against what their makers document."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

import msgspec

from aimscope_collector.events import Event
from aimscope_collector.formats import format_named
from aimscope_collector.formats._facts import FIELDS, facts
from aimscope_collector.formats.sentinel import COLUMNS
from tests.collector.formats.shared import EVENTS, HOSTILE, poisoned, records


def seconds(value: Any) -> Any:
    """The plain document with its times as numbers again."""
    if isinstance(value, dict):
        return {name: seconds(one) for name, one in value.items()}
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", value):
        return int(datetime.datetime.fromisoformat(value).timestamp())
    return value


def test_plain_json_is_the_event_itself() -> None:
    for record, event in zip(records("jsonl"), EVENTS, strict=True):
        found = seconds(json.loads(record))
        if event.finding:  # what is empty is left out
            found["finding"] = {"service": "", "vendor": "", "category": "", "condition": "", **found["finding"]}
        assert msgspec.convert(found, Event) == event


def test_plain_json_gives_hostile_texts_back() -> None:
    for text in HOSTILE[:-3]:
        assert json.loads(format_named("jsonl").render(poisoned(EVENTS[0], text), {}))["message"] == text


def test_hec_has_metadata_flat_fields_and_the_event() -> None:
    body = format_named("hec").body(records("hec", index="ai")).decode()
    decoder, at, found = json.JSONDecoder(), 0, []
    while at < len(body):  # objects one after the other, as the collector reads them
        one, at = decoder.raw_decode(body, at)
        found.append(one)
        at += len(body[at:]) - len(body[at:].lstrip())
    assert len(found) == len(EVENTS)
    for one, event in zip(found, EVENTS, strict=True):
        assert set(one) == {"time", "host", "index", "source", "sourcetype", "fields", "event"}
        assert (one["time"], one["host"], one["index"]) == (event.at, "aimscope.example.com", "ai")
        assert all(isinstance(value, str) for value in one["fields"].values())
        assert not set(one["fields"]) & set(one["event"])  # else a search sees the value twice
        assert one["fields"]["event_uid"] == one["event"]["uid"] == event.uid
    assert "index" not in json.loads(records("hec")[0])


def test_sentinel_rows_have_the_columns_of_the_table_and_no_other() -> None:
    names = [column for column, _ in COLUMNS.values()]
    reserved = {
        "type",
        "tenantid",
        "resource",
        "resourceid",
        "resourcename",
        "resourcetype",
        "subscriptionid",
        "tenanted",
    }
    assert len({name.casefold() for name in names}) == len(names)
    assert not reserved & {name.casefold() for name in names}
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,44}", name) for name in names)
    rows = json.loads(format_named("sentinel").body(records("sentinel")))
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,), "long": (int,), "boolean": (bool,), "datetime": (str,), "dynamic": (list,),
    }  # fmt: skip
    types = dict(COLUMNS.values())
    for row in rows:
        assert row["TimeGenerated"].endswith("Z")
        for column, value in row.items():
            assert type(value) in kinds[types[column]], column


def test_sentinel_without_records_is_an_empty_array() -> None:
    assert json.loads(format_named("sentinel").body([])) == []


def test_udm_has_what_the_model_demands_and_its_words() -> None:
    severities = {"INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"}
    for record, event in zip(records("udm"), EVENTS, strict=True):
        found = json.loads(record)
        assert set(found) <= {"metadata", "principal", "target", "observer", "security_result", "additional"}
        assert found["metadata"]["event_type"] == "GENERIC_EVENT"
        assert found["metadata"]["product_log_id"] == event.uid
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["metadata"]["event_timestamp"])
        (result,) = found["security_result"]
        assert result["severity"] in severities
        assert set(found["additional"]) == {name.replace(".", "_") for name in facts(event)}
    assert json.loads(records("udm")[3])["principal"]["platform"] == "WINDOWS"


def test_wazuh_is_flat_and_text() -> None:
    for record, event in zip(records("wazuh"), EVENTS, strict=True):
        (about,) = json.loads(record).values()
        assert set(about) == {name.replace(".", "_") for name in facts(event)} | {"signature"}
        assert all(isinstance(value, str) for value in about.values())


def test_fields_are_told_only_where_they_are_known() -> None:
    small = facts(EVENTS[3])
    assert "finding.assets" not in small
    assert "finding.subjects" not in small
    assert facts(EVENTS[6])["finding.assets"] == 0
    assert set(small) <= set(FIELDS)
