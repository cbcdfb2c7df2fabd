"""`aimscope import`: what other systems already know, before any agent is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.options import (
    Csv,
    EventsAlso,
    Explain,
    Html,
    InventoryFile,
    Json,
    Output,
    Quiet,
    Sarif,
    StrictCoverage,
    forms,
)

app = typer.Typer(
    help="What others already know: exports of inventories, bills of materials, consents, audit logs, expenses.",
    add_completion=False,
)


@app.command(name="import")
def import_(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE] [FILE]...",
            help="A source (auto: told by the columns), and its files, also compressed; - is standard input. "
            "Without any, the sources are listed.",
        ),
    ] = None,
    inventory: InventoryFile = None,
    unit: Annotated[str, typer.Option(help="Organisational unit, for rules of the inventory.")] = "",
    explain: Explain = False,
    as_json: Json = False,
    csv: Csv = False,
    sarif: Sarif = False,
    events: EventsAlso = "",
    html: Html = None,
    output: Output = None,
    strict_coverage: StrictCoverage = False,
    quiet: Quiet = False,
) -> None:
    """Find the AI in what other systems export, before any agent is installed.

    Rows that cannot be read are counted and named. The coverage says what such an export can and cannot prove.

    Exit status: 3 unregistered or prohibited use found; 4 coverage incomplete (with --strict-coverage); 2 usage or
    input error, or a file that is mostly unreadable or cannot be read (the others are); else 0.
    """
    if not words:
        _list_sources(as_json=as_json)
        return
    from aimscope_cli.exports import Request, is_source, run
    from aimscope_cli.output import Failure
    from aimscope_cli.showing import show

    wanted = forms(as_json=as_json, csv=csv, sarif=sarif, html=html, output=output, events=events)
    named = is_source(words[0]) or not (words[0] == "-" or Path(words[0]).exists())
    source, paths = (words[0], words[1:]) if named else ("", words)
    if named and is_source(source) and not paths:
        raise Failure(f"which file? `aimscope import {source} FILE`; - is standard input")
    result = run(
        Request(paths=tuple(paths or words), source=source, inventory=inventory, unit=unit, quiet=quiet),
    )
    show(
        result.report,
        wanted,
        explain=explain,
        strict_coverage=strict_coverage,
        quiet=quiet,
        failed=result.failed,
        unread=result.unread,
    )


def _list_sources(*, as_json: bool) -> None:
    from aimscope_agent.sources._registry import sources
    from aimscope_cli.output import emit_json, say

    known = sources().values()
    if as_json:
        emit_json([{name: getattr(one, name) for name in _TOLD} for one in known])
        return
    for one in known:
        say(f"{one.name} ({one.title})", "bold")
        say(f"  {one.doc}")
        say(f"  proves: {one.proves}")
        say(f"  cannot tell: {one.cannot}")


_TOLD = ("name", "title", "doc", "emits", "proves", "cannot", "verified")
