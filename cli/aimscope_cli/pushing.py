"""The inventory of a collector, from the command line: sent, fetched, compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aimscope_cli.output import Failure, hint, say

if TYPE_CHECKING:
    import datetime

    from aimscope_cli.asking import Asker

_FORMS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".csv": "csv", ".xlsx": "xlsx"}
_MOST = 20_000_000


def _content(path: Path) -> tuple[bytes, str]:
    form = _FORMS.get(path.suffix.casefold())
    if form is None:
        raise Failure(f"{path}: an inventory ends in one of {', '.join(_FORMS)}")
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > _MOST:
        raise Failure(f"{path} is larger than {_MOST // 1_000_000} MB")
    return data, form


def push(asker: Asker, path: Path, *, note: str, effective_from: datetime.date | None) -> dict[str, Any]:
    """Put a file in force."""
    import msgspec

    data, form = _content(path)
    begin = effective_from.isoformat() if effective_from else None
    params = {"form": form, "note": note, "effective_from": begin}
    kept: dict[str, Any] = msgspec.json.decode(asker.raw("PUT", "/inventory", params, data))
    return kept


def compare(asker: Asker, path: Path) -> dict[str, Any]:
    """What a file would change."""
    import msgspec

    data, form = _content(path)
    found: dict[str, Any] = msgspec.json.decode(asker.raw("POST", "/inventory/preview", {"form": form}, data))
    return found


def show_diff(diff: dict[str, Any]) -> bool:
    """Say what differs, row by row. Whether anything does."""
    for row in diff.get("added", ()):
        say(f"+ {row}", "green")
    for row in diff.get("removed", ()):
        say(f"- {row}", "red")
    for changed in (*diff.get("changed", ()), *diff.get("other", ())):
        for field, (before, after) in changed["fields"].items():
            say(f"~ {changed['row']}: {field}: {_shown(before)} -> {_shown(after)}", "yellow")
    return any(diff.values())


def show_problems(problems: list[str]) -> None:
    """What a person may want to check."""
    for problem in problems:
        hint(problem)


def _shown(value: object) -> str:
    import msgspec

    return "nothing" if value is None else msgspec.json.encode(value).decode()
