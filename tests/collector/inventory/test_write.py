"""What is written can be read."""

from __future__ import annotations

import datetime
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_collector.inventory import write
from aimscope_collector.inventory.load import parse
from aimscope_collector.inventory.model import AuthorisedUse, Ignore, Inventory, Organisation, Risk, Scope, Weights
from aimscope_collector.reconcile import reconcile
from tests.collector.example import SERVICES, TODAY, inventory, judge, see, use


def read(text: str) -> Inventory:
    loaded = parse(text.encode(), "inventory.yaml")
    assert loaded.content is not None, [str(problem) for problem in loaded.problems]
    return loaded.content


def test_the_template_is_an_empty_inventory() -> None:
    assert read(write.template()) == Inventory(aimscope_inventory=1)


def test_the_examples_in_the_template_hold() -> None:
    before, systems, rest = re.split(r"(?=^systems:|^# What a system)", write.template(), flags=re.MULTILINE)
    before = before.replace("domains: []", "domains: [corp.example]")
    systems = re.sub(r"(?m)^#(?=  )", "", systems)
    weights = re.sub(r"(?m)^#(?=risk:|  )", "", rest[rest.index("#risk:") :])
    found = read(before + systems + weights)
    assert [system.status for system in found.systems] == ["approved", "prohibited"]
    assert found.ignores[0].service == "cursor"
    assert found.risk.weights == Weights()


def test_the_template_explains_every_field() -> None:
    for name, doc in (*write.describe_fields(AuthorisedUse), *write.describe_fields(Weights)):
        assert doc.endswith("."), name
        assert re.search(rf"(?m)^# +{name}\b.*{re.escape(doc)}$", write.template()), name


_text = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=30).map(str.strip)
_texts = st.lists(_text, max_size=3).map(tuple)
_day = st.none() | st.dates(datetime.date(1900, 1, 1), datetime.date(2200, 1, 1))
_systems = st.builds(
    AuthorisedUse,
    name=_text.filter(bool)
    | st.sampled_from(["no", "~", "1e3", "- x", "a: b", "# c", "&a", "*a", "!!x", "=1+1", "{", "2026-01-01"]),
    status=st.sampled_from(["proposed", "approved", "restricted", "tolerated", "prohibited", "retired"]),
    kind=st.sampled_from([None, "app", "agent"]),
    services=_texts,
    purpose=st.lists(_text, max_size=3).map("\n".join).map(str.strip),
    units=_texts,
    scope=st.builds(Scope, in_aims=st.sampled_from([None, True, False]), justification=_text),
    expiry=_day,
    allowed_domains=st.sampled_from([(), ("a.example", "b.example")]),
)
_inventories = st.builds(
    Inventory,
    aimscope_inventory=st.just(1),
    organisation=st.builds(Organisation, name=_text, domains=st.sampled_from([(), ("corp.example",)])),
    systems=st.lists(_systems, max_size=4).map(tuple),
    ignores=st.lists(
        st.builds(
            Ignore,
            service=_text.filter(bool),
            reason=_text.filter(bool),
            expiry=st.dates(),
            evidence=st.dictionaries(_text.filter(bool), _text, max_size=2),
        ),
        max_size=2,
    ).map(tuple),
    risk=st.builds(Risk, weights=st.builds(Weights, agentic=st.floats(-5, 5))),
)


@given(_inventories, _text)
@settings(max_examples=200, deadline=None)
def test_round_trip(content: Inventory, note: str) -> None:
    text = write.write(content, note)
    assert read(text) == content
    assert write.write(read(text), note) == text


def test_what_repeats_is_written_out_without_aliases() -> None:
    content = inventory(use(services=("cursor",), start=TODAY, expiry=TODAY), use(services=("cursor",), expiry=TODAY))
    assert read(write.write(content)) == content


def test_a_spreadsheet_becomes_yaml() -> None:
    loaded = parse(b"Tool,Vendor,Approved\nCursor,Anysphere,yes\n=1+1,,blocked\n", "tools.csv")
    assert loaded.content is not None
    assert read(write.write(loaded.content)) == loaded.content


def test_a_draft_proposes_what_was_found_and_approves_nothing() -> None:
    seen = (
        see("cursor", "application", id="dpkg:cursor"),
        see("cursor", "config_file", path="~/.cursor\n- name: evil"),
        see("ollama", "model", id="llama3"),
        see("", "dns.query", name="unknown.example"),
    )
    result = reconcile(seen, (), None, SERVICES, unit="", host="h", today=TODAY)
    text = write.draft(result.findings, "Made from a scan.\nOf this machine.")
    found = read(text)
    assert [(row.id, row.services, row.status, row.kind) for row in found.systems] == [
        ("cursor", ("cursor",), "proposed", "app"),
        ("ollama", ("ollama",), "proposed", "local"),
    ]
    assert "  # seen: application dpkg:cursor; config file ~/.cursor\N{REPLACEMENT CHARACTER}- name: evil\n" in text
    assert "# - dns query unknown.example\n" in text
    assert judge(*seen, inventory_=found).findings[0].verdict == "unregistered"


def test_a_draft_leaves_out_what_a_row_decides_already() -> None:
    result = judge(see("cursor", id="dpkg:cursor"), see("ollama", "model", id="x"), rows=(use(),))
    assert [row.id for row, _ in write.proposed(result.findings)] == ["ollama"]


def test_a_draft_of_nothing_is_an_inventory() -> None:
    assert read(write.draft(())).systems == ()
