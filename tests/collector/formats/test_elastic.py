"""ECS and _bulk, against the names, types and values of five releases of ECS and of the index template."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from aimscope_collector.formats import Unknown, format_named
from aimscope_collector.formats.ecs import VERSIONS
from tests.collector.formats.shared import EVENTS, HOSTILE, SCHEMAS, poisoned, records

SCHEMA = json.loads((SCHEMAS / "ecs" / "fields.json").read_text())


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{path}.{name}" if path else name)
    else:
        yield path, value


def is_of(value: Any, kind: str) -> bool:
    if kind.endswith("[]"):
        return isinstance(value, list) and all(is_of(one, kind[:-2]) for one in value)
    if kind == "date":
        return datetime.datetime.fromisoformat(value).tzinfo is not None
    known: dict[str, type] = {"long": int, "float": float}
    return isinstance(value, known.get(kind, str))


def check(document: dict[str, Any]) -> None:
    for name, value in leaves(document):
        if not name.startswith("aimscope."):
            assert is_of(value, SCHEMA["fields"][name]), f"{name}: {value!r}"
    event = document["event"]
    for name, allowed in SCHEMA["allowed"].items():
        value = event[name.removeprefix("event.")]
        assert set([value] if isinstance(value, str) else value) <= set(allowed), name
    for category in event["category"]:
        assert set(event["type"]) <= set(SCHEMA["expected_types"][category]), category


@pytest.mark.parametrize("version", VERSIONS)
def test_documents_are_ecs(version: str) -> None:
    for record in records("ecs", version=version):
        document = json.loads(record)
        assert document["ecs"]["version"] == version
        check(document)


def test_the_check_notices_what_is_wrong() -> None:
    good = json.loads(records("ecs")[0])
    check(good)
    for wrong in ({"colour": "red"}, {"message": 1}, {"event": {**good["event"], "kind": "alarm"}},
                  {"event": {**good["event"], "type": ["installation", "user"]}}):  # fmt: skip
        with pytest.raises((AssertionError, KeyError)):
            check({**good, **wrong})


def test_every_text_comes_back_as_it_was() -> None:
    for text in HOSTILE:
        for event in EVENTS[:2]:
            document = json.loads(format_named("ecs").render(poisoned(event, text), {}))
            check(document)
            said = document["message"]
            assert said == text or (said.endswith(")") and text.startswith(said.rpartition("… (+")[0]))


def test_kinds_and_categories() -> None:
    found = [json.loads(record)["event"] for record in records("ecs")]
    assert [one["kind"] for one in found] == [
        *("alert", "alert", "event", "alert", "alert", "alert", "event"),
        *("state", "asset", "event", "event", "event", "event", "event"),
    ]
    assert [one["category"] for one in found[:6]] == [*[["network", "package"]] * 4, ["process"], ["web"]]
    assert [one["outcome"] for one in found[11:13]] == ["failure", "success"]


def test_bulk_creates_each_document_under_the_id_of_its_event() -> None:
    body = format_named("elastic").body(records("elastic", dataset="aimscope.eu", namespace="prod"))
    assert body.endswith(b"\n")
    lines = [json.loads(line) for line in body.decode().splitlines()]
    assert len(lines) == 2 * len(EVENTS)
    for action, document, event in zip(lines[::2], lines[1::2], EVENTS, strict=True):
        assert action == {"create": {"_index": "logs-aimscope.eu-prod", "_id": event.uid}}
        assert document["event"]["id"] == event.uid
        assert document["event"]["dataset"] == "aimscope.eu"
        assert document["data_stream"] == {"type": "logs", "dataset": "aimscope.eu", "namespace": "prod"}
        check(document)


@pytest.mark.parametrize("name", ["a-b", "A", "a b", "", "a*", "../a", "a" * 101])
def test_names_that_no_data_stream_may_have_are_refused(name: str) -> None:
    with pytest.raises(Unknown, match="small letters"):
        format_named("elastic").render(EVENTS[0], {"namespace": name})
