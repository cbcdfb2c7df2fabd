"""Wazuh: flat JSON lines for its JSON decoder, every value a text, well below the 64 KB at which it cuts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aimscope_collector.events import Event
from aimscope_collector.formats import Format, lines
from aimscope_collector.formats._bounds import fitted
from aimscope_collector.formats._facts import FIELDS, facts, signature
from aimscope_collector.formats._header import OPTIONS, largest, with_header
from aimscope_collector.formats._keys import text_of
from aimscope_collector.formats._options import settled
from aimscope_collector.formats._writing import inert

LARGEST: Final = 32_000


def flat(event: Event) -> dict[str, dict[str, str]]:
    """One level below ``aimscope``: Wazuh's rules see ``aimscope.finding_verdict``."""
    said = {name.replace(".", "_"): text_of(name, value, millis=False) for name, value in facts(event).items()}
    return {"aimscope": {**said, "signature": signature(event)}}


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One line of JSON."""
    options = settled(given, OPTIONS)
    return fitted(lambda cut: with_header(cut, inert(flat(cut)), options), event, largest(options, LARGEST))


FORMAT = Format(
    name="wazuh",
    title="Wazuh",
    content_type="application/x-ndjson",
    carriers=frozenset({"file", "syslog"}),
    tested="contract",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://documentation.wazuh.com/current/user-manual/ruleset/decoders/json-decoder.html",
    notes="Rules and decoder are in deploy/siem/wazuh. A record has at most 32,000 bytes.",
    record_bytes=LARGEST,
    mapping=(
        *((f"aimscope.{name.replace('.', '_')}", name) for name in FIELDS),
        ("aimscope.signature", "type and verdict, or status"),
    ),
)
