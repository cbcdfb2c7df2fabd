"""Messages of the first schema, recorded on 2026-11-23: the files are never to be changed, only added to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures import wire
from aimscope_signatures.model import Status

FOLDER = Path(__file__).parents[1] / "_data" / "wire" / "v1"
KINDS: dict[str, Any] = {
    "report": wire.Report,
    "check-in": wire.CheckIn,
    "enrol": wire.Enrol,
    "enrolled": wire.Enrolled,
    "pace": wire.Pace,
    "problem": wire.Problem,
}
MOMENT = 1_790_000_000


def recorded(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


def test_every_message_is_recorded() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_what_was_once_said_is_still_understood(name: str) -> None:
    message = msgspec.json.decode(recorded(name), type=KINDS[name])
    assert msgspec.json.decode(msgspec.json.encode(message), type=KINDS[name]) == message


@pytest.mark.parametrize("name", KINDS)
def test_what_a_newer_version_adds_is_passed_over(name: str) -> None:
    message = msgspec.json.decode(recorded(name))
    assert msgspec.convert({**message, "added": {"later": [1]}}, KINDS[name]) == msgspec.convert(message, KINDS[name])


def test_a_row_may_grow_at_its_end() -> None:
    message = msgspec.json.decode(recorded("report"))
    grown = {**message, **{name: [[*row, "added"] for row in message[name]] for name in ("looks", "runs")}}
    assert msgspec.convert(grown, wire.Report, strict=True) == msgspec.convert(message, wire.Report, strict=True)


def test_the_recorded_report_means_what_it_meant() -> None:
    report = msgspec.json.decode(recorded("report"), type=wire.Report)
    first, second, third = report.cells
    assert report.facts[first.fact].service == "claude"
    assert report.facts[first.fact].held == (("server_name", "domain", "claude.ai"),)
    assert (first.month, first.asset, first.subject, first.count) == (202609, "10.0.0.7", "ann", 12)
    assert (first.first, first.last, first.days) == (MOMENT - 5_000, MOMENT - 60, 0b1100000000000000000)
    assert (first.identity, first.presence, first.bytes_out, first.bytes_in) == ("high", "used", 18_000, 90_500)
    assert (second.asset, second.bytes_out, second.details) == ("", None, (("process", "ollama"),))
    assert report.facts[third.fact].service == ""
    assert [look.status for look in report.looks] == [Status.COMPLETE, Status.DENIED]
    assert (report.looks[0].sequence, report.looks[0].emits, report.looks[1].remedy) == (
        4,
        ("app", "service"),
        "run as root",
    )
    assert (report.runs[0].uid, report.runs[0].complete, report.acknowledged) == ("run-4", False, 8)


def test_fields_that_later_versions_added_have_defaults() -> None:
    needed = {
        "report": {"schema", "epoch", "sequence", "sent"},
        "check-in": {"schema", "epoch", "acknowledged", "sent"},
    }
    for name, fields in needed.items():
        assert {each.name for each in msgspec.structs.fields(KINDS[name]) if each.required} == fields
        assert fields <= set(get_type_hints(KINDS[name]))


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_a_torn_message_is_refused_and_nothing_else(name: str, data: st.DataObject) -> None:
    whole = recorded(name).rstrip()
    torn = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(torn, type=KINDS[name])


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("report", "sequence", 0),
        ("report", "sequence", 1 << 60),
        ("report", "epoch", "a b"),
        ("report", "epoch", ""),
        ("check-in", "machine", "xyz"),
        ("check-in", "notices", ["x" * 2_000]),
        ("enrol", "secret", "0" * 63),
        ("pace", "next_check_in", 0),
        ("pace", "next_check_in", 86_401),
    ],
)
def test_what_is_out_of_bounds_is_refused(name: str, field: str, value: object) -> None:
    message = {**msgspec.json.decode(recorded(name)), field: value}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(message, KINDS[name])
