"""`aimscope scan logs`: the AI that logs of resolvers, proxies, firewalls and clouds show."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from aimscope_cli.options import (
    Csv,
    Events,
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

app = typer.Typer(help="Logs of resolvers, proxies, firewalls, sensors and clouds.", add_completion=False)


@app.command()
def logs(
    path: Annotated[list[str], typer.Argument(help="Logs, also compressed, and folders of logs; - is standard input.")],
    inventory: InventoryFile = None,
    format_: Annotated[
        str, typer.Option("--format", help="What the logs are, where that is known; see `aimscope logs formats`.")
    ] = "",
    zone: Annotated[
        str, typer.Option(help="Zone of times that state none: local, utc, +02:00, Europe/Berlin; else the format's.")
    ] = "",
    jobs: Annotated[int, typer.Option(min=0, max=256, help="Processes; 0: one for each processor.")] = 0,
    every_line: Annotated[
        bool, typer.Option("--every-line", help="Read every line closely: slower, the same findings, all torn lines.")
    ] = False,
    unit: Annotated[str, typer.Option(help="Organisational unit, for rules of the inventory.")] = "",
    explain: Explain = False,
    as_json: Json = False,
    csv: Csv = False,
    sarif: Sarif = False,
    events: Events = "",
    html: Html = None,
    output: Output = None,
    strict_coverage: StrictCoverage = False,
    quiet: Quiet = False,
) -> None:
    """Find the AI that logs show: who asked which service, from where, and what was blocked.

    Formats are recognised by the first lines; what is not recognised is left out and named. Lines that are torn or
    foreign are counted and named, of large logs by a sample (--every-line reads and names all). Ctrl-C ends the
    reading in good order: the report says what was not read.

    Exit status: 3 unregistered or prohibited use found; 4 coverage incomplete (with --strict-coverage); 2 usage or
    input error, or a log that is mostly unreadable or not recognised; else 0.
    """
    from aimscope_cli.logfiles import Request, run_scan
    from aimscope_cli.showing import show

    wanted = forms(as_json=as_json, csv=csv, sarif=sarif, html=html, output=output, events=events)
    result = run_scan(
        Request(
            paths=tuple(map(os.fspath, path)),
            format=format_,
            zone=zone,
            jobs=jobs,
            inventory=inventory,
            unit=unit,
            search=not every_line,
            quiet=quiet,
        )
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
