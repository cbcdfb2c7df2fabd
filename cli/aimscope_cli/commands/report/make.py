"""Make a report."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.output import Failure, hint

app = typer.Typer(add_completion=False)


@app.command()
def make(
    name: Annotated[str, typer.Argument(help="A report, as `list` names it: evidence-pack.")],
    first: Annotated[
        datetime.datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")
    ] = None,
    last: Annotated[
        datetime.datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, UTC; else today.")
    ] = None,
    as_of: Annotated[
        datetime.datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="Day of which the inventory is told; else the last one."),
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Only this unit and those below it.")] = None,
    form: Annotated[str | None, typer.Option("--form", help="One of the report's forms; else its first.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="NAME=VALUE of the report's own options. Repeatable.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else one of the report's name, here.")
    ] = None,
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
) -> None:
    """Make a report and write it to a file that only its owner can read. Without days: the last ninety.

    aimscope report make evidence-pack --from 2026-07-01 --to 2026-09-30 -o pack.zip
    """
    from urllib.parse import quote

    with asked(collector, key_file, ca, folder) as asker:
        known = {one["name"]: one for one in asker.get("/reports")["items"]}
        if name not in known:
            raise Failure(f"there is no report {name}: choose from {', '.join(known)}")
        ending = form or known[name]["forms"][0]
        path = output or Path(f"{name}.{ending}")
        content = asker.raw(
            "GET",
            f"/reports/{quote(name, safe='')}",
            {
                "from": _day(first),
                "to": _day(last),
                "as_of": _day(as_of),
                "unit": unit,
                "form": form,
                "option": options or None,
            },
        )
    _write(path, content)
    hint(f"{path}: {len(content):,} bytes")


def _day(moment: datetime.datetime | None) -> str | None:
    return moment.date().isoformat() if moment else None


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Failure(f"{path} cannot be written: {error.strerror}") from None
