"""Signatures drafted from AI that no catalogue knows."""

from __future__ import annotations

import datetime

import pytest

from aimscope_collector.drafting import draft_signature
from aimscope_signatures.catalogue import Catalogue, compiled
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation, Sighting
from aimscope_signatures.schema import parse
from tests.collector.example import see

DAY = datetime.date(2026, 11, 23)


@pytest.mark.parametrize(
    "seen",
    [
        see("", "mcp_server", client="cursor", name="crm", package="npm:@acme/crm-mcp", host="mcp.acme.example"),
        see("", "http.request", host="llm.acme.example"),
        see("", "model", id="acme/secret-7b"),
        see("", "mcp_server", client="x", name="only a name"),
        see("", "http.response", port="8000"),
    ],
)
def test_a_draft_is_a_signature_that_fits_what_it_was_made_of(seen: Sighting) -> None:
    text = draft_signature([seen], today=DAY)
    entry = compiled(parse(text.encode(), "draft.yaml"))
    fields = {name: int(value) if name == "port" else value for name, value in seen.evidence}
    found = Matcher(Catalogue([entry], "1")).match(Observation(seen.kind, fields))  # type: ignore[arg-type]
    assert [each.service for each in found] == [entry.id]


def test_programs_that_run_anything_are_left_out() -> None:
    text = draft_signature([see("", "process", name="python3", package="pypi:acme-llm")], today=DAY)
    assert "processes" not in text
    assert "pypi:acme-llm" in text


def test_hostile_names_stay_text() -> None:
    text = draft_signature(
        [see("", "mcp_server", client="c", name="x: [\n!!python/object y", host="h.example")], today=DAY
    )
    assert parse(text.encode(), "draft.yaml").id


def test_nothing_seen_is_nothing_drafted() -> None:
    assert draft_signature([], today=DAY) == ""
