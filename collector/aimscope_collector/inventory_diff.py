"""What changed from one inventory to the next: rows added, removed and changed, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from aimscope_collector.inventory.model import AuthorisedUse, Ignore, Inventory


class Changed(msgspec.Struct, frozen=True):
    """A row of which fields differ: field → before and after, as JSON has them."""

    row: str
    fields: dict[str, tuple[Any, Any]]


class Diff(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rows by their labels. ``other`` are the differences outside of the rows: organisation, weights."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    other: tuple[Changed, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        return self == Diff()


def diff(before: Inventory | None, after: Inventory) -> Diff:
    """Rows are the same row where their ids are, or else their names."""
    old = _rows(before) if before else {}
    new = _rows(after)
    changed = [
        Changed(name, fields) for name in sorted(old.keys() & new.keys()) if (fields := _fields(old[name], new[name]))
    ]
    other = []
    for part in ("organisation", "risk"):
        was = getattr(before, part) if before else type(getattr(after, part))()
        if fields := _fields(was, getattr(after, part)):
            other.append(Changed(part, fields))
    return Diff(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(changed),
        other=tuple(other),
    )


def _rows(inventory: Inventory) -> dict[str, AuthorisedUse | Ignore]:
    """Rows by a name of their own: a second row of the same id or name is the second of it."""
    found: dict[str, AuthorisedUse | Ignore] = {}
    seen: Counter[str] = Counter()
    named: Iterable[tuple[str, AuthorisedUse | Ignore]] = (
        *((use.id or use.name, use) for use in inventory.systems),
        *((_ignore_name(ignore), ignore) for ignore in inventory.ignores),
    )
    for name, row in named:
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} (number {seen[name]})"] = row
    return found


def _ignore_name(ignore: Ignore) -> str:
    said = ", ".join(f"{field}={text}" for field, text in sorted(ignore.evidence.items()))
    return " ".join(part for part in ("ignore", ignore.service, ignore.kind, said) if part)


def _fields(before: msgspec.Struct, after: msgspec.Struct) -> dict[str, tuple[Any, Any]]:
    old, new = msgspec.to_builtins(before), msgspec.to_builtins(after)
    return {
        name: (old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }
