"""`aimscope scan names`: names of the organisation that are aliases of AI services."""

from __future__ import annotations

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

app = typer.Typer(help="DNS names, lists and zone files: aliases that end at AI services.", add_completion=False)


@app.command()
def names(
    name: Annotated[
        list[str],
        typer.Argument(
            help="Names, addresses (for their reverse names), files that list these, zone files (RFC 1035)."
        ),
    ],
    resolve: Annotated[
        bool, typer.Option("--resolve", help="Ask the resolver where names lead to; else nothing is asked.")
    ] = False,
    resolver: Annotated[str, typer.Option(help="Ask this resolver (ADDRESS or ADDRESS:PORT) instead.")] = "",
    origin: Annotated[str, typer.Option(help="Origin of zone files that state none.")] = "",
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
    """Find names that are aliases of AI services, following each chain to its end.

    Aliases within a zone file are followed without any question; with --resolve the resolver is asked for the rest.

    Exit status: 3 unregistered or prohibited use found; 4 coverage incomplete (with --strict-coverage); 2 usage or
    input error; else 0.
    """
    try:
        from aimscope_cli.naming import Request, run
    except ModuleNotFoundError:
        from aimscope_cli.output import Failure

        raise Failure("names are read with dnspython: pip install 'aimscope[gateway]'") from None
    from aimscope_cli.showing import show

    wanted = forms(as_json=as_json, csv=csv, sarif=sarif, html=html, output=output, events=events)
    request = Request(
        words=tuple(name),
        resolve=resolve or bool(resolver),
        resolver=resolver,
        origin=origin,
        inventory=inventory,
        unit=unit,
        quiet=quiet,
    )
    show(run(request), wanted, explain=explain, strict_coverage=strict_coverage, quiet=quiet)
