"""OCSF, read by a model we did not write and checked against the attributes of four releases of the schema."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from py_ocsf_models.events.findings.detection_finding import DetectionFinding

from aimscope_collector.events import DeviceFacts, Event
from aimscope_collector.formats import format_named
from aimscope_collector.formats.ocsf import VERSIONS
from tests.collector.formats.shared import EVENTS, HOSTILE, SCHEMAS, poisoned, records

SCHEMA = json.loads((SCHEMAS / "ocsf" / "attributes.json").read_text())
CLASSES = {about["uid"]: about for about in SCHEMA["classes"].values()}
PLAIN: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "long": int, "boolean": bool, "json": dict, "object": dict,
}  # fmt: skip


def release(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def check(value: dict[str, Any], about: dict[str, Any], version: str, profiles: list[str], path: str) -> None:
    """Raise ``AssertionError`` for what that release of the schema does not allow."""
    declared = about["attributes"]
    assert set(value) <= set(declared), f"{path}: {set(value) - set(declared)}"
    if "at_least_one" in about:
        assert set(value) & set(about["at_least_one"]), f"{path} identifies nothing"
    for name, said in declared.items():
        kind, *more = said.split()
        since = dict(zip(more[::2], more[1::2], strict=True))
        kind, _, profile = kind.partition("@")
        if name not in value:
            assert not (kind.endswith("!") and (not profile or profile in profiles)), f"{path}.{name} is required"
            continue
        assert release(version) >= release(since.get("since", "0")), f"{path}.{name} is of a later release"
        assert release(version) < release(since.get("deprecated", "99")), f"{path}.{name} is deprecated"
        assert not profile or profile in profiles, f"{path}.{name} needs the profile {profile}"
        check_value(
            value[name], kind.rstrip("!"), about.get("enums", {}).get(name), version, profiles, f"{path}.{name}"
        )


def check_value(
    value: Any, kind: str, enum: dict[str, str] | None, version: str, profiles: list[str], path: str
) -> None:
    if kind.endswith("[]"):
        assert isinstance(value, list), path
        for one in value:
            check_value(one, kind[:-2], enum, version, profiles, path)
    elif kind in PLAIN:
        assert isinstance(value, PLAIN[kind]), f"{path} is no {kind}"
        assert isinstance(value, bool) == (kind == "boolean"), path
        assert enum is None or str(value) in enum, f"{path} has no {value}"
    else:
        check(value, SCHEMA["objects"][kind], version, profiles, path)


def check_event(event: dict[str, Any], version: str) -> None:
    about = CLASSES[event["class_uid"]]
    assert event["metadata"]["version"] == version
    check(event, about, version, event["metadata"].get("profiles", []), about["caption"])
    assert event["category_uid"] == about["category_uid"]
    assert event["class_name"] == about["caption"]
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    for name, captions in about["enums"].items():  # a caption says what the number says; 99 has words of its own
        caption, number = name.removesuffix("_id"), event.get(name)
        if caption != name and number not in (None, 99) and caption in event:
            assert event[caption] == captions[str(number)], name
    caption = about["enums"]["activity_id"].get(str(event["activity_id"]))
    assert event["activity_id"] == 99 or event["activity_name"] == caption


@pytest.mark.parametrize("wanted", ["auto", "detection", "compliance"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_event_is_valid_in_every_release(version: str, wanted: str) -> None:
    for record in records("ocsf", version=version, **{"class": wanted}):
        check_event(json.loads(record), version)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_events_are_valid_and_read(text: str) -> None:
    for event in EVENTS:
        found = json.loads(format_named("ocsf").render(poisoned(event, text), {}))
        check_event(found, "1.5.0")
        read(found)


def read(found: dict[str, Any]) -> DetectionFinding | ComplianceFinding | None:
    model = {2004: DetectionFinding, 2003: ComplianceFinding}.get(found["class_uid"])
    return model.model_validate(found) if model else None


def test_a_model_we_did_not_write_reads_findings() -> None:
    found = [json.loads(record) for record in records("ocsf")]
    first = read(found[0])
    assert isinstance(first, DetectionFinding)
    assert first.finding_info.uid == "f-7d3e1a90b2c4"
    assert first.finding_info.title == "AI service in use that is not registered: Perplexity"
    assert (first.severity_id.name, first.status_id and first.status_id.name) == ("High", "New")
    assert (first.risk_level, first.risk_score, first.time) == ("High", 12, 1_790_000_000_000)
    expired = read(found[4])
    assert isinstance(expired, ComplianceFinding)
    assert expired.compliance.standards == ["ISO/IEC 42001:2023"]
    assert expired.compliance.status_id
    assert expired.compliance.status_id.name == "Fail"
    dormant = read(found[6])
    assert isinstance(dormant, ComplianceFinding)
    assert dormant.compliance.status_id
    assert dormant.compliance.status_id.name == "Pass"


def test_classes_are_those_that_fit() -> None:
    classes = [
        (event.type, json.loads(record)["class_uid"]) for event, record in zip(EVENTS, records("ocsf"), strict=True)
    ]
    assert classes == [
        *[("ai.finding", 2004)] * 4,
        ("ai.finding", 2003),
        ("ai.finding", 2004),
        ("ai.finding", 2003),
        ("ai.observation", 0),
        ("ai.inventory", 5020),
        *[("ai.agent.health", 6002)] * 2,
        *[("ai.coverage", 0)] * 2,
        ("ai.audit", 6003),
    ]


@pytest.mark.parametrize(("wanted", "uid"), [("detection", 2004), ("compliance", 2003)])
def test_findings_can_all_have_one_class(wanted: str, uid: int) -> None:
    found = [json.loads(one) for one in records("ocsf", **{"class": wanted})]
    assert {one["class_uid"] for one in found if "finding_info" in one} == {uid}


def test_a_finding_that_is_authorised_stays_in_its_class() -> None:
    created, updated, closed = (json.loads(record) for record in records("ocsf")[:3])
    assert [one["type_uid"] for one in (created, updated, closed)] == [200401, 200402, 200403]
    assert closed["finding_info"]["types"] == ["authorised"]
    assert (closed["status"], closed["comment"]) == ("Resolved", "authorise, by r.okafor")
    assert [one["is_alert"] for one in (created, updated, closed)] == [True, True, False]
    facts = EVENTS[4].finding
    assert facts
    renewed = [msgspec.structs.replace(facts, verdict="authorised", first_verdict=first) for first in ("expired", None)]
    events = [msgspec.structs.replace(EVENTS[4], activity="update", finding=one) for one in renewed]
    classes = [json.loads(format_named("ocsf").render(event, {}))["class_uid"] for event in events]
    assert classes == [2003, 2004]  # where nobody says how it began, it cannot stay


def test_installed_software_is_inventory_only_where_the_device_is_known() -> None:
    installed = next(event for event in EVENTS if event.type == "ai.inventory")
    assert json.loads(format_named("ocsf").render(installed, {}))["sbom"]["package"]["name"] == "Ollama"
    nowhere = json.loads(format_named("ocsf").render(msgspec.structs.replace(installed, device=None), {}))
    check_event(nowhere, "1.5.0")
    assert nowhere["class_uid"] == 0
    nameless = msgspec.structs.replace(installed, device=DeviceFacts(uid=""))
    check_event(json.loads(format_named("ocsf").render(nameless, {})), "1.5.0")


def test_the_check_notices_what_is_wrong() -> None:
    good = json.loads(records("ocsf")[8])
    wrong: list[dict[str, Any]] = [
        {key: value for key, value in good.items() if key != "device"},
        {**good, "colour": "red"},
        {**good, "activity_id": 7, "type_uid": 502007},
        {**good, "time": "now"},
        {**good, "package": {"name": "a", "version": "b"}},
        {**good, "sbom": {"package": {"name": "a", "version": "b"}}},
        {**good, "severity": "High"},
        {**good, "device": {"type_id": 0}},
    ]
    check_event(good, "1.5.0")
    for one in wrong:
        with pytest.raises((AssertionError, KeyError)):
            check_event(one, "1.5.0")


def test_bare_events_are_valid() -> None:
    for kind in ("ai.finding", "ai.observation", "ai.coverage", "ai.audit"):
        bare = Event(uid="e-1", type=kind, activity="create", at=0)
        check_event(json.loads(format_named("ocsf").render(bare, {})), "1.5.0")
