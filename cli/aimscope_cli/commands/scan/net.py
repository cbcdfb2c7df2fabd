"""`aimscope scan net`: AI servers on the network that nobody announced."""

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

app = typer.Typer(help="Address ranges: AI servers, told by what they answer.", add_completion=False)


@app.command()
def net(
    target: Annotated[
        list[str],
        typer.Argument(
            help="Addresses, networks (10.0.0.0/24), ranges (10.0.0.1-40), host names, files with one of these a line."
        ),
    ],
    port: Annotated[
        list[str] | None,
        typer.Option(
            "--ports", help="Ports or ranges (8000,9000-9010); else those of the catalogue and usual ones. Repeatable."
        ),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Addresses or ranges to leave out. Repeatable.")] = None,
    allow_public: Annotated[
        bool,
        typer.Option(
            "--allow-public",
            help="Ask public addresses too: only where you own them, or where their owners agree.",
        ),
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="The local configuration; else config.yaml in the user's or the system's place.")
    ] = None,
    rate: Annotated[int | None, typer.Option(min=1, max=100_000, help="Connections opened in a second.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=100_000, help="Connections open at once.")] = None,
    timeout: Annotated[float, typer.Option(min=0.05, max=30, help="Seconds to wait for a connection.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Order of the scan: the same for the same number.")] = 0,
    resolve: Annotated[
        bool, typer.Option("--resolve", help="Call devices by their reverse names, as the resolver tells them.")
    ] = False,
    resolver: Annotated[str, typer.Option(help="Ask this resolver (ADDRESS or ADDRESS:PORT) instead.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be asked, and connect to nothing.")] = False,
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
    """Find AI servers by connecting to ports and asking, read-only, what is behind those that are open.

    Private ranges only, unless the configuration or --allow-public says otherwise. No credentials, no redirects to
    elsewhere, two questions to a port before its product is known; the only POST opens an MCP handshake.
    Ctrl-C ends the scan with what is known by then.

    Exit status: 3 unregistered or prohibited use found; 4 coverage incomplete (with --strict-coverage); 2 usage or
    input error; else 0.
    """
    from aimscope_cli.network import Request, run, show_plan
    from aimscope_cli.showing import show

    wanted = forms(as_json=as_json, csv=csv, sarif=sarif, html=html, output=output, events=events)
    request = Request(
        targets=tuple(target),
        ports=tuple(port or ()),
        exclude=tuple(exclude or ()),
        allow_public=allow_public,
        config=config,
        rate=rate,
        concurrency=concurrency,
        timeout=timeout,
        seed=seed,
        resolve=resolve or bool(resolver),
        resolver=resolver,
        inventory=inventory,
        unit=unit,
        quiet=quiet,
    )
    if plan:
        show_plan(request, as_json=as_json)
        return
    show(run(request), wanted, explain=explain, strict_coverage=strict_coverage, quiet=quiet)
