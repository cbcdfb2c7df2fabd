"""What each format can give: the table of the documentation, and of `aimscope logs formats`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from aimscope_agent.formats._format import Format

GIVES: Final = {
    "host name": ("name", "server_name", "host"),
    "URL path": ("path",),
    "server IP": ("server", "ip"),
    "client IP": ("client",),
    "user": (),
    "device": (),
    "bytes out": ("bytes_out",),
    "bytes in": ("bytes_in",),
    "blocked": (),
    "user agent": ("user_agent",),
    "model": ("model",),
}
"""What a reader asks of a format, and the fields that answer."""


_ABOUT: Final = (
    "A format without a host name shows addresses only: a service is then told by its address, and only where a "
    "signature names one. How to add your own: [log-formats.md](../log-formats.md). “Rests on”: what the names of its "
    "fields were taken from."
)


class Row(msgspec.Struct, frozen=True):
    """One format. ``gives`` are keys of ``GIVES``."""

    name: str
    title: str
    vendor: str
    engine: str
    kinds: tuple[str, ...]
    gives: tuple[str, ...]
    verified: str
    note: str = ""
    own: bool = False


def row(form: Format, *, own: bool = False) -> Row:
    """What one format can give."""
    records = form.map.records
    fields = {field for record in records for field in record.fields}
    gives = {name for name, answers in GIVES.items() if fields.intersection(answers)}
    gives |= {
        name
        for name, given in (
            ("user", any(record.user for record in records)),
            ("device", any(record.device for record in records)),
            ("blocked", any(record.blocked for record in records)),
        )
        if given
    }
    return Row(
        name=form.name,
        title=form.map.title,
        vendor=form.map.vendor,
        engine=form.map.engine,
        kinds=form.kinds,
        gives=tuple(name for name in GIVES if name in gives),
        verified=form.map.verified,
        note=form.map.note.strip(),
        own=own,
    )


def page(formats: Iterable[Format]) -> str:
    """The table as Markdown."""
    rows = [row(form) for form in formats]
    out = [
        "# Log formats\n",
        f"{len(rows)} formats are recognised by themselves. {_ABOUT}\n",
        f"| format | product | engine | {' | '.join(GIVES)} | rests on |",
        f"|---|---|---|{'---|' * len(GIVES)}---|",
    ]
    for each in rows:
        marks = " | ".join("✓" if name in each.gives else "" for name in GIVES)
        title = each.title.replace("|", "\\|")
        out.append(f"| `{each.name}` | {title} | {each.engine} | {marks} | {each.verified} |")
    notes = [f"- `{each.name}`: {' '.join(each.note.split())}" for each in rows if each.note]
    if notes:
        out += ["\n## Notes\n", *notes]
    return "\n".join(out) + "\n"
