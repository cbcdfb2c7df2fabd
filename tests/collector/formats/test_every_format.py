"""What holds for every format: one event is one record, of bounded size, whatever its texts hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_collector.events import Event
from aimscope_collector.formats import Unknown, format_named, formats
from aimscope_collector.formats._bounds import bounded, cut, visible
from aimscope_collector.formats._facts import FIELDS, facts
from tests.collector.formats.shared import (
    EVENTS,
    EXPORTS,
    HOSTILE,
    SOME,
    message_of,
    poisoned,
    seen_by_a_receiver,
    shown,
)

NAMES = tuple(formats())
VARIANTS = [
    *((name, {}) for name in NAMES),
    ("leef", {"version": "1.0"}),
    ("leef", {"delimiter": "^"}),
    ("leef", {"delimiter": "x1f"}),
    ("ocsf", {"version": "1.8.0", "class": "compliance"}),
    ("cef", {"header": "rfc3164", "facility": "audit"}),
    *((name, {"header": "rfc5424"}) for name in ("ocsf", "ecs", "jsonl", "wazuh", "leef")),
    ("syslog", {"pen": "4711", "bom": "yes"}),
]
IDS = [" ".join((name, *options.values())) for name, options in VARIANTS]


def test_the_formats_of_the_issue_are_there() -> None:
    assert (*("cef", "ecs", "elastic", "hec", "jsonl", "leef", "ocsf", "sentinel", "syslog", "udm", "wazuh"),) == NAMES
    with pytest.raises(Unknown, match="xml is no format: choose from cef, ecs"):
        format_named("xml")


@pytest.mark.parametrize("name", NAMES)
def test_the_shared_events_give_the_recorded_output(name: str) -> None:
    form = format_named(name)
    body = form.body([form.render(event, {}) for event in EVENTS])
    path = EXPORTS / f"{name}.{'json' if name == 'sentinel' else 'txt'}"
    if "AIMSCOPE_RECORD" in os.environ:
        path.write_bytes(body)
    assert body == path.read_bytes()
    assert seen_by_a_receiver(name, body) == len(EVENTS)


def test_the_shared_events_have_every_field_and_type() -> None:
    known = {name for event in EVENTS for name in facts(event)}
    assert sorted(set(FIELDS) - known - {"finding.condition"}) == []
    assert len({event.uid for event in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_stay_within_one_record_of_bounded_size(name: str, options: dict[str, str], text: str) -> None:
    form = format_named(name)
    records = [form.render(poisoned(event, text), options) for event in SOME]
    assert seen_by_a_receiver(name, form.body(records)) == len(SOME)
    assert max(map(len, records)) <= form.record_bytes
    for record in records:
        assert options.get("header", "none") == "none" or len(record) <= 8_000
        said = record.decode().replace("\ufeff", "", 1) if options.get("bom") else record.decode()
        apart = {"leef": {"1.0": "\t"}.get(options.get("version", ""), "\t\x1f"), "elastic": "\n"}.get(name, "")
        assert visible(said, keep=apart) == said


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)
@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=300), min_size=1, max_size=3), number=st.integers(0, len(EVENTS) - 1))
def test_any_text_stays_within_one_record(name: str, options: dict[str, str], texts: list[str], number: int) -> None:
    form = format_named(name)
    records = [form.render(poisoned(EVENTS[number], text), options) for text in texts]
    assert seen_by_a_receiver(name, form.body(records)) == len(texts)
    assert max(map(len, records)) <= form.record_bytes


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(
    text=st.one_of(st.text(min_size=1, max_size=400), st.sampled_from([text for text in HOSTILE if len(text) < 999]))
)
def test_any_text_comes_back_as_the_documentation_says(name: str, text: str) -> None:
    record = format_named(name).render(msgspec.structs.replace(EVENTS[0], message=text), {})
    assert message_of(name, record) == shown(name, text)


@pytest.mark.parametrize("name", NAMES)
def test_an_event_with_nothing_but_what_it_needs_is_a_record(name: str) -> None:
    form = format_named(name)
    for kind in ("ai.finding", "ai.observation", "ai.inventory", "ai.agent.health", "ai.coverage", "ai.audit"):
        bare = Event(uid="e-1", type=kind, activity="create", at=0)
        assert seen_by_a_receiver(name, form.body([form.render(bare, {})])) == 1


@pytest.mark.parametrize("name", NAMES)
def test_times_beyond_any_calendar_are_no_error(name: str) -> None:
    for at in (-1, 1 << 62, 253_402_300_800):
        event = msgspec.structs.replace(EVENTS[0], at=at)
        assert seen_by_a_receiver(name, format_named(name).body([format_named(name).render(event, {})])) == 1


@pytest.mark.parametrize("name", NAMES)
def test_options_nobody_declared_and_values_nobody_knows_are_refused(name: str) -> None:
    form = format_named(name)
    with pytest.raises(Unknown, match="there is no option colour"):
        form.render(EVENTS[0], {"colour": "red"})
    for option in form.options:
        if option not in ("index", "source", "sourcetype"):  # free words
            with pytest.raises(Unknown, match=option):
                form.render(EVENTS[0], {option: "No Such\nValue"})
        form.render(EVENTS[0], {option: form.options[option]})


def test_one_finding_keeps_its_uid_and_each_event_has_its_own() -> None:
    first, second, third = EVENTS[:3]
    assert first.finding
    assert [one.activity for one in (first, second, third)] == ["create", "update", "close"]
    for name in NAMES:
        told = [format_named(name).render(event, {}).decode() for event in (first, second, third)]
        assert all(first.finding.uid in one for one in told), name
        assert [event.uid in one for event, one in zip((first, second, third), told, strict=True)] == [True] * 3


def test_long_texts_and_lists_end_with_a_mark() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("a" * 2_000, 20) == "a" * 10 + "… (+1,980)"
    finding = EVENTS[0].finding
    assert finding
    many = msgspec.structs.replace(finding, reasons=("x",) * 9, indicators=finding.indicators * 4)
    short = bounded(msgspec.structs.replace(EVENTS[0], finding=many), text=100, items=3).finding
    assert short
    assert short.reasons == ("x", "x", "x", "6 more")
    assert short.indicators[-1].fields == {"count": "5 more"}
    assert short.uid == finding.uid


def test_half_a_surrogate_pair_is_no_error() -> None:
    event = msgspec.structs.replace(EVENTS[0], message="a\ud800b")
    for name in NAMES:
        assert "a?b" in format_named(name).render(event, {}).decode()


def test_the_table_of_pairs_is_declared_as_the_carriers_demand() -> None:
    assert all("file" in form.carriers for form in formats().values())
    assert "header" in format_named("cef").options
    for form in formats().values():
        assert ("syslog" in form.carriers) == ("header" in form.options or form.name == "syslog"), form.name
        assert form.reference.startswith("https://")
        assert form.mapping
        assert form.record_bytes <= form.largest_body


def test_formats_load_without_what_only_a_collector_has() -> None:
    script = (
        "import sys\n"
        "for name in ('sqlalchemy', 'litestar', 'nacl', 'alembic', 'argon2', 'httpx'): sys.modules[name] = None\n"
        "from aimscope_collector.formats import formats\n"
        "print(len(formats()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert json.loads(done.stdout) == len(NAMES)
