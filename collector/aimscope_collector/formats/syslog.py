"""RFC 5424: a header, structured data with every field of the event, and the sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aimscope_collector.events import Event
from aimscope_collector.formats import Format, Unknown, lines
from aimscope_collector.formats._bounds import cut, fitted, visible
from aimscope_collector.formats._facts import FIELDS, facts, title
from aimscope_collector.formats._header import APP, hostname, priority, word
from aimscope_collector.formats._keys import text_of
from aimscope_collector.formats._options import one_of, settled
from aimscope_collector.formats._writing import iso

LARGEST: Final = 8_000
"""Receivers should take 8,192 bytes (RFC 5425, 4.3.1; RFC 5424, 6.1)."""
EXAMPLE: Final = "32473"
"""The private enterprise number kept for documentation (RFC 5612)."""
OPTIONS: Final[Mapping[str, str]] = {"pen": EXAMPLE, "facility": "local0", "bom": "no"}
_BOM: Final = "\ufeff"
_PEN: Final = re.compile(r"[1-9][0-9]{0,9}(\.[0-9]{1,10}){0,8}")
_IN_HEADER: Final = frozenset({"at", "collector", "message"})


def _param(value: str) -> str:
    """Quote, backslash and bracket escaped (RFC 5424, 6.3.3)."""
    return visible(value).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One message, without a frame. Raises ``Unknown`` for a number or facility there is not."""
    options = settled(given, OPTIONS)
    if not _PEN.fullmatch(options["pen"]):
        raise Unknown(f"pen cannot be {options['pen']!r}: a private enterprise number, like {EXAMPLE}")
    mark = _BOM if one_of(options, "bom", ("no", "yes")) == "yes" else ""

    def write(event: Event) -> bytes:
        params = [
            f'{name}="{_param(cut(text_of(name, value, millis=False), 1_023))}"'
            for name, value in facts(event).items()
            if name not in _IN_HEADER
        ]
        head = (
            f"<{priority(event, options)}>1 {iso(event.at)} {hostname(event.collector)} {APP} - {word(event.type, 32)}"
        )
        said = visible(event.message or title(event))
        return f"{head} [aimscope@{options['pen']} {' '.join(params)}] {mark}{said}".encode()

    return fitted(write, event, LARGEST)


FORMAT = Format(
    name="syslog",
    title="RFC 5424 syslog",
    content_type="text/plain; charset=utf-8",
    carriers=frozenset({"file", "syslog"}),
    tested="server",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://www.rfc-editor.org/rfc/rfc5424",
    notes="Received by syslog-ng, and read back by syslog-rfc5424-parser. The number after aimscope@ is "
    f"{EXAMPLE}, the one for documentation (RFC 5612), until the option pen names your organisation's. Texts are in "
    "UTF-8; the byte order mark RFC 5424 asks for is written with bom=yes, as some receivers show it. A record has "
    "at most 8,000 bytes.",
    record_bytes=LARGEST,
    mapping=(
        ("PRI", "the option facility, severity"),
        ("TIMESTAMP", "at"),
        ("HOSTNAME", "collector"),
        ("APP-NAME", "aimscope"),
        ("MSGID", "type"),
        ("MSG", "message"),
        *((f"aimscope@… {name}", name) for name in FIELDS if name not in _IN_HEADER),
    ),
)
