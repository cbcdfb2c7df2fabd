"""The register delta: what to add to the inventory of authorised AI, and what to retire, each with its reason.

``changes`` is the delta alone; ``whole`` is the inventory in force with the delta in it, ready to be put in force once
people have decided what stands as ``proposed``.
"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from aimscope_collector.inventory.model import VERSION, AuthorisedUse, Inventory
from aimscope_collector.inventory.write import comment, dump
from aimscope_collector.reports import File, Option, Refused, Report, ReportInput
from aimscope_collector.reports.cells import Value, csv_bytes
from aimscope_collector.reports.register_delta_changes import Change, changes
from aimscope_collector.reports.tables import Reading, moment

NAME: Final = "register-delta"
_COLUMNS: Final = (
    *("change", "why", "id", "name", "status", "services", "vendor", "kind", "units", "domains", "conditions"),
    *("owner", "approver", "purpose", "start", "expiry", "training_on_data", "notes"),
)
_HEAD: Final = "aimscope_inventory: 1\n"
_CHANGES: Final = (
    "What to add to the inventory and what to retire. This is not the whole inventory: put in force alone, it would "
    "replace all other rows. Take its rows over, or ask for content=whole."
)
_WHOLE: Final = (
    "The inventory in force with the proposed changes in it, each under a comment. Decide what stands as proposed, "
    "fill in owner and purpose, then: aimscope inventory check, and put it in force."
)
Content = Literal["changes", "whole"]


def as_yaml(several: Sequence[Change], inventory: Inventory | None, *, content: Content, made: str) -> str:
    """The file: every row that changes stands under a comment that says why."""
    why = {_key(one.use): f"{one.kind.upper()}: {one.why}" for one in several}
    note = f"{_WHOLE if content == 'whole' else _CHANGES} Made on {made}."
    if inventory is None:
        note += " There is no inventory in force yet."
    text = comment(note) + comment(f"{_counted(several)}.") + _HEAD
    rows = [one.use for one in several]
    if content == "whole" and inventory is not None:
        rest = msgspec.structs.replace(inventory, systems=())
        body: dict[str, Any] = msgspec.to_builtins(rest, builtin_types=(datetime.date,))
        body.pop("aimscope_inventory", None)
        text += dump(body) if body else ""
        rows = merged(inventory, several)
    if not rows:
        return text + "systems: []\n"
    text += "systems:\n"
    for use in rows:
        said = comment(why[_key(use)]) if _key(use) in why else ""
        text += textwrap.indent(said + dump([use]), "  ")
    return text


def merged(inventory: Inventory, several: Sequence[Change]) -> list[AuthorisedUse]:
    """The rows of an inventory with the changes in them: a row that is retired stays in its place."""
    retired = {_key(one.use): one.use for one in several if one.kind == "retire"}
    added = [one.use for one in several if one.kind == "add"]
    return [*(retired.get(_key(use), use) for use in inventory.systems), *added]


def _key(use: AuthorisedUse) -> tuple[object, ...]:
    """What makes a row the same row when only its status and notes changed."""
    return (use.id, use.name, use.services, use.units, use.status == "proposed")


def _counted(several: Sequence[Change]) -> str:
    added = sum(one.kind == "add" for one in several)
    return f"{added:,} to add, {len(several) - added:,} to retire"


def _row(one: Change) -> tuple[Value, ...]:
    said: dict[str, Any] = msgspec.to_builtins(one.use)
    cells: list[Value] = [one.kind, one.why]
    for name in _COLUMNS[2:]:
        value = said.get(name)
        cells.append(_joined(value) if isinstance(value, list | tuple) else value)
    return tuple(cells)


def _joined(several: Sequence[str]) -> str:
    """Several texts in one cell as the reader takes them apart: by lines, where one has a separator in it."""
    if any(mark in each for each in several for mark in ";,|"):
        return "".join(f"{each}\n" for each in several)
    return "; ".join(several)


def make(given: ReportInput) -> Sequence[File]:
    """The delta in the form asked for. Raises ``Refused``."""
    reading = Reading(given)
    several = changes(reading)
    content = given.asked.options.get("content", "changes")
    if given.asked.form == "csv":
        if content == "whole":
            raise Refused("A table does not hold the whole inventory with its weights and ignores: ask for yaml.")
        return (File(f"{NAME}.csv", csv_bytes(_COLUMNS, map(_row, several))),)
    text = as_yaml(
        several,
        reading.inventory,
        content="whole" if content == "whole" else "changes",
        made=moment(given.now) or "",
    )
    return (File(f"{NAME}.yaml", text.encode()),)


assert VERSION == 1, "the head above says another version of the inventory's format"  # noqa: S101
REPORT: Final = Report(
    name=NAME,
    title="Register delta",
    description="What to add to the inventory of authorised AI and what to retire, as a file it can be imported from.",
    forms=("yaml", "csv"),
    takes=frozenset(("period", "as_of", "unit")),
    options=(
        Option(
            name="content",
            description="The changes alone, or the inventory in force with the changes in it.",
            choices=("changes", "whole"),
            default="changes",
        ),
    ),
    needs=("inventory:read",),
    make=make,
)
