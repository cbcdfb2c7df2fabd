"""The inventory of authorised AI: browse it, one entry with what it was matched with, and its versions."""

from __future__ import annotations

from typing import Annotated, Final, get_args

from litestar import Response, get
from litestar.params import QueryParameter

from aimscope_collector.http.api import entries as api
from aimscope_collector.http.api.inventory import Number, Versions, list_versions, show_diff
from aimscope_collector.http.api.queue import count_findings
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.queried import queried
from aimscope_collector.http.frame.texts import text, texts, word
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.pages import _use
from aimscope_collector.http.paging import Cursor
from aimscope_collector.inventory.model import UseStatus

_ROWS: Final = 50
_VERSIONS: Final = 50
STATUSES: Final[tuple[UseStatus, ...]] = get_args(UseStatus)


@get("/inventory", opt={"needs": "inventory:read"}, sync_to_thread=True)
def inventory(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """What is authorised or forbidden."""
    asked = queried(frame)
    offset = max(0, min(asked.number("offset") or 0, 1_000_000))
    found: api.Entries = ask(
        api.list_entries,
        given,
        who,
        text=asked.name("text"),
        status=asked.one_of("status", STATUSES),
        unit=asked.name("unit"),
        marked=asked.one_of("marked", api.MARKS),
        limit=_ROWS,
        offset=offset,
    )
    units = ask(count_findings, given, who).units if who.may("findings:read") else ()
    end = offset + len(found.items)
    return frame.show(
        "inventory/list.html",
        found=found,
        statuses=[(one, word("use", one)) for one in STATUSES],
        units=[(one, one) for one in units],
        services=given.services,
        following=end if end < found.total else None,
        before=max(0, offset - _ROWS) if offset else None,
        first=offset + 1,
        end=end,
    )


@get("/inventory/entry", opt={"needs": "inventory:read"}, sync_to_thread=True)
def entry(
    given: Here, who: Who, frame: shown.Here, row: Annotated[str, QueryParameter(max_length=4_100)] = ""
) -> Response[str]:
    """One entry: all it says, what it was matched with, and the findings it decided."""
    found: api.Shown = ask(api.show_entry, given, who, row=row)
    use = found.entry.use
    said = _use.entered_of(use)
    return frame.show(
        "inventory/entry.html",
        found=found,
        use=use,
        parts_of={name: [one for one in part if one.value] for name, part in _use.groups(said).items()},
        services=given.services,
    )


@get("/inventory/versions", opt={"needs": "inventory:read"}, sync_to_thread=True)
def versions(given: Here, who: Who, frame: shown.Here, cursor: Cursor = None) -> Response[str]:
    """Who changed it, when, and from when on it counts."""
    found: Versions = ask(list_versions, given, who, limit=_VERSIONS, cursor=cursor)
    return frame.show("inventory/versions.html", versions=found.items, next=found.next)


@get("/inventory/diff", opt={"needs": "inventory:read"}, sync_to_thread=True)
def changes(given: Here, who: Who, frame: shown.Here, older: Number, newer: Number) -> Response[str]:
    """What changed from one version to another."""
    found = ask(show_diff, given, who, older=older, newer=newer)
    return frame.show("inventory/diff.html", diff=found, older=older, newer=newer, label=field_label)


def field_label(name: str) -> str:
    """What people call a field of an entry."""
    return text(f"inventory.field.{name}") if f"inventory.field.{name}" in texts() else name


ROUTES: Final = (inventory, entry, versions, changes)
