"""Changing the inventory: one entry by form, or a whole file that is looked at before it is kept."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Final

import anyio.to_thread
import msgspec
from litestar import Response, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect

from aimscope_collector.http.api import entries as api
from aimscope_collector.http.api.entries import Change
from aimscope_collector.http.api.findings import show_finding
from aimscope_collector.http.api.inventory import (
    Preview,
    Versions,
    list_versions,
    previewed,
    put_file,
    read,
    show_inventory,
)
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form, Sent
from aimscope_collector.http.frame.shown import Frame
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.pages import _use
from aimscope_collector.http.pages.inventory import field_label
from aimscope_collector.http.problems import Failed
from aimscope_collector.inventory.model import Inventory

_KINDS: Final = ("yaml", "yml", "json", "csv", "xlsx")
_ENTRIES_ONLY: Final = ("csv", "xlsx")
"""Spreadsheets have no place for whose inventory it is, weights and wrong detections: those stay as they were."""
_MOST_CHANGED: Final = 50
Key = Annotated[str, QueryParameter(max_length=4_100)]


def _newest(given: Here, who: Who) -> int:
    found: Versions = ask(list_versions, given, who, limit=1)
    return found.items[0].number if found.items else 0


def _form(
    frame: Frame,
    *,
    row: str,
    version: int,
    entered: dict[str, str],
    problem: Failed | None = None,
    finding: str = "",
) -> Response[str]:
    return frame.show(
        "inventory/form.html",
        status=problem.status if problem else 200,
        row=row,
        version=version,
        entered=entered,
        parts_of=_use.groups(entered),
        problem=problem,
        finding=finding,
    )


@get("/inventory/new", opt={"needs": "inventory:write"}, sync_to_thread=True)
def new(
    given: Here,
    who: Who,
    frame: shown.Here,
    finding: Annotated[str, QueryParameter(max_length=64, pattern=r"^[A-Za-z0-9_-]*$")] = "",
) -> Response[str]:
    """A form for a new entry; one that begins with what a finding knows."""
    entered = {"status": "proposed", "owner": ""}
    if finding:
        entered = _use.entered_of(ask(show_finding, given, who, finding=finding).draft)
    return _form(frame, row="", version=_newest(given, who), entered=entered, finding=finding)


@get("/inventory/edit", opt={"needs": "inventory:write"}, sync_to_thread=True)
def edit(given: Here, who: Who, frame: shown.Here, row: Key = "") -> Response[str]:
    """A form for an entry there is."""
    found: api.Shown = ask(api.show_entry, given, who, row=row)
    return _form(frame, row=row, version=found.version, entered=_use.entered_of(found.entry.use))


@post("/inventory/entry", opt={"needs": "inventory:write"}, sync_to_thread=True, status_code=303)
def save(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str] | Redirect:
    """Keep an entry as a new version; or take it out."""
    row, version = form.text("row"), form.number("latest") or 0
    try:
        use = None if form.ticked("remove") else _use.use_of(form)
        data = Change(row=row, use=use, version=version, note=form.text("note")[:1_000])
        ask(api.change_entry, given, who, data=data)
    except Failed as error:
        if error.status not in (400, 409, 422):
            raise
        return _form(frame, row=row, version=version, entered=_use.entered(form), problem=error)
    if use is None:
        return shown.go("/inventory", done="entry_removed")
    return shown.go("/inventory", text=use.name[:256], done="entry_saved")


@get("/inventory/import", opt={"needs": "inventory:write"}, sync_to_thread=False)
def choose_file(frame: shown.Here) -> Response[str]:
    """Which file."""
    return frame.show("inventory/import.html", problem=None)


@post("/inventory/import", opt={"needs": "inventory:write"}, status_code=200)
async def look_at(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str]:
    """What a file would change, before it does."""
    try:
        name, kind, body = await _file(form)
        found = await anyio.to_thread.run_sync(_looked_at, given, who, body, kind)
    except Failed as error:
        return frame.show("inventory/import.html", status=error.status, problem=error)
    preview, content = found
    return frame.show(
        "inventory/preview.html",
        preview=preview,
        content=content,
        file=name,
        label=field_label,
        changed=list(preview.changed.items())[:_MOST_CHANGED],
        today=datetime.datetime.fromtimestamp(frame.now, datetime.UTC).date(),
    )


async def _file(form: Sent) -> tuple[str, str, bytes]:
    """The file's name, what it is, and its bytes. Raises ``Failed``."""
    sent = await form.file("file")
    if sent is None or not sent[1]:
        raise Failed(400, "malformed", "Choose a file first.")
    name, body = sent
    kind = name.rpartition(".")[2].casefold()
    if kind not in _KINDS:
        raise Failed(400, "malformed", f"The file's name ends in none of {', '.join(_KINDS)}.")
    return name, "yaml" if kind == "yml" else kind, body


def _looked_at(given: Here, who: Who, body: bytes, kind: str) -> tuple[Preview, str]:
    """The preview, and the content as JSON for the form that keeps it. Raises ``Failed``."""
    content, said = read(body, kind)
    latest = _newest(given, who)
    if kind in _ENTRIES_ONLY and latest:
        before: Inventory = ask(show_inventory, given, who, number=latest)
        content = msgspec.structs.replace(
            content, organisation=before.organisation, ignores=before.ignores, risk=before.risk
        )
    return previewed(given, content, said), msgspec.json.encode(content).decode()


@post("/inventory/keep", opt={"needs": "inventory:write"}, sync_to_thread=True, status_code=303)
def keep(given: Here, who: Who, form: Form) -> Redirect:
    """Put what was looked at in force, at once or from a day on."""
    kept: Any = put_file(
        given, who, form.text("content").encode(), "json", form.text("note")[:1_000], form.day("effective_from")
    )
    word = "inventory_kept" if kept.is_new else "inventory_same"
    return shown.go("/inventory/versions", done=word, n=kept.version.number)


ROUTES: Final = (new, edit, save, choose_file, look_at, keep)
