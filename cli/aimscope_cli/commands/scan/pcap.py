"""`aimscope scan pcap`: the AI that recorded packets show."""

from __future__ import annotations

import contextlib
import sys
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

app = typer.Typer(help="Recorded packets: pcap and pcapng, also compressed, or standard input.", add_completion=False)


@app.command()
def pcap(
    file: Annotated[list[Path], typer.Argument(help="Captures, read in turn into one report; - is standard input.")],
    inventory: InventoryFile = None,
    names: Annotated[
        bool,
        typer.Option(
            "--names", help="Print every name seen as JSON lines; a report for people goes to standard error."
        ),
    ] = False,
    expression: Annotated[
        str,
        typer.Option(
            "--filter", help="Only packets that this BPF expression lets pass, also in tunnels, e.g. 'net 10.1.0.0/16'."
        ),
    ] = "",
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
    """Find the AI in recorded traffic by the names that clients ask for: DNS, TLS, QUIC, HTTP and proxies.

    Nothing is decrypted, no content is kept. What traffic hides (ECH, DNS over HTTPS, lost packets) is in the coverage,
    client by client. Ctrl-C ends it in good order: the report says what was not read.

    Exit status: 3 unregistered or prohibited use found; 4 coverage incomplete (with --strict-coverage); 2 usage or
    input error, or a capture that cannot be read (the others are); else 0.
    """
    from aimscope_cli.packets import Request, run
    from aimscope_cli.showing import show

    wanted = forms(as_json=as_json, csv=csv, sarif=sarif, html=html, output=output, events=events)
    request = Request(
        paths=tuple(file), inventory=inventory, unit=unit, expression=expression, names=names, quiet=quiet
    )
    result = run(request)
    # where names are printed, words for people would stand between them
    aside = names and None not in wanted.values()
    with contextlib.redirect_stdout(sys.stderr) if aside else contextlib.nullcontext():
        show(
            result.report,
            wanted,
            explain=explain,
            strict_coverage=strict_coverage,
            quiet=quiet,
            unread=result.unread,
        )
