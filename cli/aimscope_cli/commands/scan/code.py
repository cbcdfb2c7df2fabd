"""`aimscope scan code`: the AI that projects declare, import, call and ship."""

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
    help="Project folders: manifests, lock files, imports, model ids, endpoints, containers.", add_completion=False
)


@app.command()
def code(
    path: Annotated[list[Path], typer.Argument(help="Project folders.")],
    inventory: InventoryFile = None,
    plan: Annotated[bool, typer.Option("--plan", help="List what would be read, and read nothing.")] = False,
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
    """Find the AI that code declares, imports, calls and ships, installed or not."""
    from aimscope_agent.sensor import Options
    from aimscope_cli.hosts import open_projects
    from aimscope_cli.output import Failure
    from aimscope_cli.scanning import Request, run
    from aimscope_cli.showing import show, show_plan

    folders = [folder.resolve() for folder in path]
    for folder in folders:
        if not folder.is_dir():
            raise Failure(f"{folder} is no folder")
    wanted = forms(as_json=as_json, csv=csv, sarif=sarif, html=html, output=output, events=events)
    host, projects = open_projects(folders)
    request = Request(
        target="code",
        host=host,
        options=Options(projects=projects),
        inventory=inventory,
        unit=unit,
        quiet=quiet,
        described=", ".join(map(str, folders)),
    )
    if plan:
        show_plan(request, as_json=as_json)
        return
    show(run(request), wanted, explain=explain, strict_coverage=strict_coverage, quiet=quiet)
