"""ArcSight's Common Event Format, version 0: one line of a header and keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aimscope_collector.events import Event, Severity
from aimscope_collector.formats import Format, lines
from aimscope_collector.formats._bounds import fitted, visible
from aimscope_collector.formats._facts import facts, signature, title
from aimscope_collector.formats._header import OPTIONS, with_header
from aimscope_collector.formats._keys import Key, heading, mapping, valued
from aimscope_collector.formats._options import settled

LARGEST: Final = 8_000
"""Syslog receivers should take 8,192 bytes (RFC 5425, 4.3.1); some take no more."""
SEVERITIES: Final[Mapping[Severity, int]] = {"informational": 0, "low": 3, "medium": 5, "high": 8, "critical": 10}

KEYS: Final = (
    Key("rt", ("at",)),
    Key("externalId", ("uid",), 40),
    Key("cat", ("type",)),
    Key("act", ("audit.action", "agent.status", "coverage.status", "activity"), 63),
    Key("msg", ("message",)),
    Key("dvchost", ("collector",), 100),
    Key("start", ("finding.first", "observation.first")),
    Key("end", ("finding.last", "observation.last", "agent.last_seen")),
    Key("cnt", ("finding.count", "observation.count")),
    Key("out", ("finding.bytes_out", "observation.bytes_out")),
    Key("in", ("finding.bytes_in", "observation.bytes_in")),
    Key("destinationServiceName", ("finding.name", "observation.name")),
    Key("shost", ("device.name", "device.uid")),
    Key("suid", ("observation.subject",)),
    Key("suser", ("decision.by", "audit.actor")),
    Key("outcome", ("finding.state", "coverage.status"), 63),
    Key("reason", ("decision.reason", "finding.reasons", "agent.why", "coverage.why")),
    Key("cs1", ("finding.uid", "agent.uid", "audit.about"), 4_000, "subject"),
    Key("cs2", ("finding.verdict", "observation.presence"), 4_000, "verdict"),
    Key("cs3", ("finding.service", "observation.service"), 4_000, "service"),
    Key("cs4", ("finding.indicators", "observation.evidence", "audit.facts"), 4_000, "evidence"),
    Key("cs5", ("finding.vendor", "observation.vendor", "coverage.sensor"), 4_000, "vendor"),
    Key("cs6", ("finding.inventory_row", "audit.hash"), 4_000, "inventoryRow"),
    Key("flexString1", ("finding.unit", "device.unit"), 1_023, "unit"),
    Key("flexString2", ("finding.condition", "observation.kind"), 1_023, "condition"),
    Key("cn1", ("finding.assets", "coverage.agents"), 1_023, "devices"),
    Key("cn2", ("finding.subjects",), 1_023, "people"),
    Key("cn3", ("finding.score",), 1_023, "riskScore"),
    Key("deviceCustomDate1", ("decision.until",), 1_023, "until"),
)


def _in_extension(text: str) -> str:
    r"""Backslash, equals sign and line ends escaped; other invisible characters are visible as ``\uXXXX``."""
    shown = visible(text, keep="\n\r").replace("\\", "\\\\").replace("=", "\\=")
    return shown.replace("\r", "\\r").replace("\n", "\\n").strip(" ")


def _write(event: Event) -> bytes:
    header = "|".join(
        (
            "CEF:0|aimscope|aimscope",
            heading(event.product_version, 31),
            heading(signature(event), 1_023),
            heading(title(event), 512),
            str(SEVERITIES[event.severity]),
        )
    )
    found: list[str] = []
    for key, text in valued(KEYS, facts(event), millis=True):
        shown = _in_extension(text)
        if shown:
            found.append(f"{key.name}={shown}")
        if shown and key.label:
            found.append(f"{key.name}Label={key.label}")
    return f"{header}|{' '.join(found)}".encode()


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One line."""
    options = settled(given, OPTIONS)
    return fitted(lambda cut_: with_header(cut_, _write(cut_), options), event, LARGEST)


FORMAT = Format(
    name="cef",
    title="ArcSight Common Event Format",
    content_type="text/plain; charset=utf-8",
    carriers=frozenset({"file", "syslog", "https", "webhook"}),
    tested="parser",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://www.microfocus.com/documentation/arcsight/arcsight-smartconnectors/",
    notes="Read back by pycef. Severity is 0, 3, 5, 8 or 10. A record has at most 8,000 bytes.",
    record_bytes=LARGEST,
    mapping=(
        ("Device Vendor, Device Product", "aimscope"),
        ("Device Version", "product_version"),
        ("Signature ID", "type and verdict, or status"),
        ("Name", "the sort of event"),
        ("Severity", "severity"),
        *mapping(KEYS),
    ),
)
