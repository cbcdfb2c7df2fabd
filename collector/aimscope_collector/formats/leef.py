r"""IBM QRadar's Log Event Extended Format, 1.0 and 2.0: one line of a header and attributes.

LEEF has no escapes. What would end an attribute or a line is written as ``\uXXXX``; everything else is as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aimscope_collector.events import Event, Severity
from aimscope_collector.formats import Format, lines
from aimscope_collector.formats._bounds import fitted, visible
from aimscope_collector.formats._facts import facts, signature
from aimscope_collector.formats._header import OPTIONS as HEADER
from aimscope_collector.formats._header import with_header
from aimscope_collector.formats._keys import Key, heading, mapping, valued
from aimscope_collector.formats._options import one_of, settled
from aimscope_collector.formats._writing import iso

LARGEST: Final = 4_000
"""QRadar cuts a payload from TCP syslog at 4,096 bytes unless it is told otherwise."""
VERSIONS: Final = ("2.0", "1.0")
DELIMITERS: Final[Mapping[str, str]] = {"x09": "\t", "^": "^", "x1f": "\x1f"}
OPTIONS: Final[Mapping[str, str]] = {"version": "2.0", "delimiter": "x09", **HEADER}
SEVERITIES: Final[Mapping[Severity, int]] = {"informational": 1, "low": 3, "medium": 5, "high": 8, "critical": 10}
TIME: Final = "yyyy-MM-dd'T'HH:mm:ss.SSSZ"
"""``devTimeFormat``, as Java's SimpleDateFormat reads it."""

KEYS: Final = (
    Key("cat", ("activity",)),
    Key("usrName", ("observation.subject", "audit.actor", "decision.by"), 255),
    Key("identHostName", ("device.name",), 255),
    Key("resource", ("finding.name", "observation.name"), 255),
    Key("policy", ("finding.inventory_row",), 255),
    Key("srcBytes", ("finding.bytes_out", "observation.bytes_out")),
    Key("dstBytes", ("finding.bytes_in", "observation.bytes_in")),
    Key("eventUid", ("uid",)),
    Key("eventType", ("type",)),
    Key("sequence", ("sequence",)),
    Key("organisation", ("organisation",), 255),
    Key("collector", ("collector",), 255),
    Key("findingUid", ("finding.uid",)),
    Key("verdict", ("finding.verdict",)),
    Key("state", ("finding.state",)),
    Key("service", ("finding.service", "observation.service"), 255),
    Key("vendor", ("finding.vendor", "observation.vendor"), 255),
    Key("category", ("finding.category", "observation.category"), 255),
    Key("unit", ("finding.unit", "device.unit"), 255),
    Key("condition", ("finding.condition",), 255),
    Key("risk", ("finding.risk",)),
    Key("riskScore", ("finding.score",)),
    Key("devices", ("finding.assets",)),
    Key("people", ("finding.subjects",)),
    Key("count", ("finding.count", "observation.count")),
    Key("firstSeen", ("finding.first", "observation.first")),
    Key("lastSeen", ("finding.last", "observation.last", "agent.last_seen")),
    Key("evidence", ("finding.indicators", "observation.evidence")),
    Key("presence", ("observation.presence",)),
    Key("deviceUid", ("device.uid",)),
    Key("decision", ("decision.action",)),
    Key("agentUid", ("agent.uid",)),
    Key("agentStatus", ("agent.status",)),
    Key("sensor", ("coverage.sensor",), 255),
    Key("coverageStatus", ("coverage.status",)),
    Key("agents", ("coverage.agents",)),
    Key("auditSequence", ("audit.sequence",)),
    Key("auditAction", ("audit.action",), 255),
    Key("auditAbout", ("audit.about",), 255),
    Key("auditHash", ("audit.hash",)),
    Key("reason", ("decision.reason", "finding.reasons", "agent.why", "coverage.why"), 512),
    Key("msg", ("message",)),
)


def _shown(text: str, apart: str) -> str:
    r"""Without what would end an attribute or a line: those are ``\uXXXX``."""
    return visible(text).replace(apart, f"\\u{ord(apart):04x}")


def _write(event: Event, version: str, delimiter: str) -> bytes:
    head = (event.product_version, signature(event))
    line = f"LEEF:{version}|aimscope|aimscope|{'|'.join(heading(part, 255) for part in head)}|"
    apart = "\t"
    if version == "2.0":
        line += f"{delimiter}|"
        apart = DELIMITERS[delimiter]
    at = iso(event.at).removesuffix("Z") + "+0000"
    found = [f"devTime={at}", f"devTimeFormat={TIME}", f"sev={SEVERITIES[event.severity]}"]
    found += [f"{key.name}={_shown(text, apart)}" for key, text in valued(KEYS, facts(event), millis=True)]
    return (line + apart.join(found)).encode()


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One line. Raises ``Unknown`` for a version or delimiter there is not."""
    options = settled(given, OPTIONS)
    version, delimiter = one_of(options, "version", VERSIONS), one_of(options, "delimiter", DELIMITERS)
    return fitted(lambda cut_: with_header(cut_, _write(cut_, version, delimiter), options), event, LARGEST)


FORMAT = Format(
    name="leef",
    title="QRadar Log Event Extended Format",
    content_type="text/plain; charset=utf-8",
    carriers=frozenset({"file", "syslog", "https", "webhook"}),
    tested="contract",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://www.ibm.com/docs/en/dsm?topic=overview-leef-event-components",
    notes="Read back by a reader of our own that follows IBM's description; there is no public parser. A record has "
    "at most 4,000 bytes, which QRadar takes without being told.",
    record_bytes=LARGEST,
    mapping=(
        ("header", "aimscope, aimscope, product_version, type and verdict or status"),
        ("devTime, devTimeFormat", "at"),
        ("sev", "severity, as 1, 3, 5, 8 or 10"),
        *mapping(KEYS),
    ),
)
