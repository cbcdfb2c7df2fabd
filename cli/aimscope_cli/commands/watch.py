"""`aimscope watch`: the AI in use, as it appears."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from aimscope_cli.options import Explain, Html, InventoryFile, Json, Output, Quiet, StrictCoverage, forms

app = typer.Typer(add_completion=False)


@app.command()
def watch(
    interface: Annotated[
        list[str] | None, typer.Option("--interface", "-i", help="Watch the packets of this interface. Repeatable.")
    ] = None,
    no_promiscuous: Annotated[
        bool, typer.Option("--no-promiscuous", help="Only packets meant for this machine or broadcast.")
    ] = False,
    expression: Annotated[
        str, typer.Option("--filter", help="Only packets that this BPF expression lets pass, e.g. 'net 10.1.0.0/16'.")
    ] = "",
    seconds: Annotated[float | None, typer.Option("--for", min=0.1, help="End after so many seconds.")] = None,
    user: Annotated[
        str | None, typer.Option(help="Become this user once the interfaces are open (started as root).")
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", help="Print every name seen as JSON lines, if the local configuration allows it.")
    ] = False,
    inventory: InventoryFile = None,
    unit: Annotated[str, typer.Option(help="Organisational unit, for rules of the inventory.")] = "",
    explain: Explain = False,
    as_json: Json = False,
    html: Html = None,
    output: Output = None,
    strict_coverage: StrictCoverage = False,
    quiet: Quiet = False,
) -> None:
    """Watch live traffic: each use of AI is said once when it appears, and the report comes at the end.

    With --json, one JSON document a line: findings as they appear, at last the report. Capturing needs CAP_NET_RAW.
    The end is Ctrl-C, SIGTERM or --for. Exit status as of a scan.
    """
    from aimscope_cli.output import Failure, emit_json
    from aimscope_cli.report import exit_status
    from aimscope_cli.showing import show
    from aimscope_cli.watching import Request
    from aimscope_cli.watching import watch as watch_packets

    wanted = forms(as_json=as_json, csv=False, sarif=False, html=html, output=output)
    if not interface:
        raise Failure("say what to watch: -i INTERFACE")
    request = Request(
        interfaces=tuple(dict.fromkeys(interface)),
        promiscuous=not no_promiscuous,
        expression=expression,
        seconds=seconds,
        user=user,
        names=names,
        as_json=as_json,
        inventory=inventory,
        unit=unit,
        quiet=quiet,
    )
    report = watch_packets(request)
    lines = as_json or names
    if lines and not output:
        emit_json(report)  # in one line, like those before it
        wanted.pop("json", None)
    if lines and not wanted:
        raise typer.Exit(exit_status(report, strict_coverage=strict_coverage))
    # where standard output holds JSON lines, words for people would stand between them
    with contextlib.redirect_stdout(sys.stderr) if lines else contextlib.nullcontext():
        show(report, wanted, explain=explain, strict_coverage=strict_coverage, quiet=quiet)
