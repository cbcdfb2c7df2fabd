"""The documentation says what the declarations say, and the declarations what is rendered."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aimscope_collector.formats import format_named, formats
from aimscope_collector.formats._facts import FIELDS
from aimscope_collector.formats._tables import tables
from tests.collector.formats.shared import EVENTS

PAGE = Path(__file__).parents[3] / "docs" / "siem.md"
MARK = "a test compares. -->\n\n"


def test_the_page_shows_the_declared_tables() -> None:
    head, mark, shown = PAGE.read_text("utf-8").partition(MARK)
    if "AIMSCOPE_RECORD" in os.environ:
        PAGE.write_text(head + mark + tables(), "utf-8")
        shown = tables()
    assert mark
    assert shown == tables()


def test_every_format_is_in_the_table_of_pairs_with_its_carriers() -> None:
    rows = {row[1]: row[2:6] for line in tables().splitlines() if len(row := re.split(r" ?\| ?", line)[1:-1]) == 7}
    assert rows.pop("`--format`") == ["file", "syslog", "https", "webhook"]
    for name, form in formats().items():
        said = {
            carrier
            for carrier, yes in zip(("file", "syslog", "https", "webhook"), rows[f"`{name}`"], strict=True)
            if yes
        }
        assert said == form.carriers


def paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from paths(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for one in value:
            yield from paths(one, path)
    else:
        yield path


def leaves(name: str) -> set[str]:
    """Where values stand in the shared events, as the format writes them with the options that write most."""
    form = format_named(name)
    options = {"index": "ai"} if name == "hec" else {}
    found: set[str] = set()
    for kind in ("auto", "compliance") if name == "ocsf" else ("",):
        for event in EVENTS:
            for line in form.render(event, {**options, **({"class": kind} if kind else {})}).splitlines():
                found.update(paths(json.loads(line)))
    return found


@pytest.mark.parametrize("name", ["ecs", "elastic", "hec", "jsonl", "ocsf", "sentinel", "udm", "wazuh"])
def test_what_is_declared_is_written_and_what_is_written_is_declared(name: str) -> None:
    written = leaves(name)
    declared = {part.removesuffix(".*") for field, _ in format_named(name).mapping for part in field.split(", ")}

    def within(field: str, whole: str) -> bool:
        return field == whole or field.startswith(f"{whole}.")

    # no shared event has a condition; of evidence in ECS's own fields, an observation shows one kind
    rare = ("condition", "url.domain", "tls.client.server_name", "process.name")
    unwritten = {one for one in declared if not any(within(leaf, one) for leaf in written)}
    assert {one for one in unwritten if not one.lower().endswith(rare)} == set()
    undeclared = {leaf for leaf in written if not any(within(leaf, one) for one in declared)}
    assert undeclared == set()


def test_declared_sources_are_fields_of_the_contract() -> None:
    for form in formats().values():
        for field, source in form.mapping:
            for word in re.findall(r"\b(?:finding|decision|device|observation|agent|coverage|audit)\.[a-z_]+", source):
                assert word in FIELDS, (form.name, field)
