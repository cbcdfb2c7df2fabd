"""`aimscope scan [host]`: this machine, a mounted image or a recorded tree."""

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
    NoStore,
    Output,
    Quiet,
    Sarif,
    StrictCoverage,
    forms,
)

app = typer.Typer(help="This machine, a mounted image or a recorded tree.", add_completion=False)


@app.command()
def host(
    root: Annotated[
        Path | None,
        typer.Option(help="Look at a mounted image, a container's root or a recorded tree instead of this machine."),
    ] = None,
    inventory: InventoryFile = None,
    plan: Annotated[bool, typer.Option("--plan", help="List what would be read, and read nothing.")] = False,
    project: Annotated[
        list[Path] | None, typer.Option(help="A project folder, for its agent files (CLAUDE.md …). Repeatable.")
    ] = None,
    probe_lan: Annotated[
        bool,
        typer.Option("--probe-lan", help="Probe this machine's LAN addresses too, not only loopback."),
    ] = False,
    opt_in: Annotated[
        list[str] | None, typer.Option("--opt-in", help="Run a sensor that is off by default. See --plan. Repeatable.")
    ] = None,
    sensor: Annotated[list[str] | None, typer.Option(help="Run only this sensor. Repeatable.")] = None,
    organisation_domain: Annotated[
        list[str] | None, typer.Option(help="A domain of the organisation: tells its accounts from personal ones.")
    ] = None,
    unit: Annotated[str, typer.Option(help="Organisational unit of this machine, for rules of the inventory.")] = "",
    explain: Explain = False,
    as_json: Json = False,
    csv: Csv = False,
    sarif: Sarif = False,
    events: EventsAlso = "",
    html: Html = None,
    output: Output = None,
    strict_coverage: StrictCoverage = False,
    no_store: NoStore = False,
    quiet: Quiet = False,
) -> None:
    """Find the AI present and in use, say what is authorised, what is not, and what could not be looked at.

    Exit status: 3 unregistered or prohibited use found; 4 coverage incomplete (with --strict-coverage); 2 usage or
    input error; else 0.
    """
    from aimscope_agent.sensor import Options
    from aimscope_cli.hosts import open_host, project_on
    from aimscope_cli.scanning import Request, run
    from aimscope_cli.showing import show, show_plan

    wanted = forms(as_json=as_json, csv=csv, sarif=sarif, html=html, output=output, events=events)
    target = open_host(root)
    request = Request(
        target="host",
        host=target,
        options=Options(
            probe_lan=probe_lan,
            projects=tuple(project_on(root, folder) for folder in project or ()),
            organisation_domains=tuple(domain.lower().lstrip("@") for domain in organisation_domain or ()),
            opt_in=frozenset(opt_in or ()),
        ),
        inventory=inventory,
        sensors=tuple(sensor or ()),
        unit=unit,
        store=not no_store and root is None,
        quiet=quiet,
        described=str(root) if root else "this machine",
    )
    if plan:
        show_plan(request, as_json=as_json)
        return
    show(run(request), wanted, explain=explain, strict_coverage=strict_coverage, quiet=quiet)
