"""`aimscope watch`: the AI in use, as it appears."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
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

app = typer.Typer(add_completion=False)


@app.command()
def watch(
    interface: Annotated[
        list[str] | None, typer.Option("--interface", "-i", help="Watch the packets of this interface. Repeatable.")
    ] = None,
    no_promiscuous: Annotated[
        bool, typer.Option("--no-promiscuous", help="Only packets meant for this machine or broadcast.")
    ] = False,
    log: Annotated[
        list[Path] | None,
        typer.Option(
            "--log",
            help="Follow this log, however it is rotated, or every log below a folder. Repeatable.",
        ),
    ] = None,
    syslog: Annotated[
        list[str] | None,
        typer.Option(help="Listen for syslog: udp://, tcp:// or tls://ADDRESS:PORT. Repeatable."),
    ] = None,
    expression: Annotated[
        str,
        typer.Option(
            "--filter", help="Only packets that this BPF expression lets pass, also in tunnels, e.g. 'net 10.1.0.0/16'."
        ),
    ] = "",
    seconds: Annotated[float | None, typer.Option("--for", min=0.1, help="End after so many seconds.")] = None,
    user: Annotated[
        str | None, typer.Option(help="Become this user once the interfaces are open (started as root).")
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", help="Print every name seen as JSON lines, if the local configuration allows it.")
    ] = False,
    log_format: Annotated[str, typer.Option("--format", help="The format of logs; else they are recognised.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of times that name none: local, utc, +02:00.")] = "",
    from_end: Annotated[bool, typer.Option("--from-end", help="Leave out what logs hold already.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Read what logs hold that is new, and end.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="Folder in which totals and places of logs are kept; else the state folder.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate for tls://, with its chain (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Only senders with a certificate of this authority.")
    ] = None,
    allow_plain: Annotated[
        bool, typer.Option("--allow-plain", help="Listen unencrypted on addresses others can reach.")
    ] = False,
    inventory: InventoryFile = None,
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
    """Watch traffic, logs or syslog: each use of AI is said once when it appears, and the report comes at the end.

    What logs say is kept, with how far they were read: nothing is lost or counted twice if it is killed and begun
    again, and the report tells all that is kept. With --json, one JSON document a line: findings as they appear, at
    last the report. --csv, --sarif and --events give the report at the end. Capturing packets needs CAP_NET_RAW.
    The end is Ctrl-C, SIGTERM or --for.

    Exit status: 3 unregistered or prohibited use found; 4 coverage incomplete (with --strict-coverage); 2 usage or
    input error, or at the end a log that was named is not there, not recognised or mostly unreadable; else 0.
    """
    from aimscope_cli.output import Failure, emit_json
    from aimscope_cli.report import exit_status
    from aimscope_cli.showing import show, unsuccessful

    failed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    wanted = forms(as_json=as_json, csv=csv, sarif=sarif, html=html, output=output, events=events)
    alone = bool(csv or sarif or events) and not output  # standard output holds that document, and nothing else
    if alone and names:
        raise Failure("--names prints JSON lines: write the CSV, SARIF or events to a file (--output FILE)")
    if bool(interface) == bool(log or syslog):
        raise Failure("say what to watch: packets (-i INTERFACE), or logs (--log PATH, --syslog udp://ADDRESS:PORT)")
    with contextlib.redirect_stdout(sys.stderr) if alone else contextlib.nullcontext():
        if interface:
            from aimscope_cli.watching import Request
            from aimscope_cli.watching import watch as watch_packets

            report = watch_packets(
                Request(
                    interfaces=tuple(dict.fromkeys(interface)),
                    promiscuous=not no_promiscuous,
                    expression=expression,
                    seconds=seconds,
                    user=user,
                    forms=wanted,
                    names=names,
                    as_json=as_json,
                    inventory=inventory,
                    unit=unit,
                    quiet=quiet,
                )
            )
        else:
            from aimscope_cli import following

            result = following.follow(
                following.Request(
                    logs=tuple(log or ()),
                    syslog=tuple(syslog or ()),
                    format=log_format,
                    zone=zone,
                    from_end=from_end,
                    once=once,
                    seconds=seconds,
                    state=state,
                    certificate=tls_cert,
                    key=tls_key,
                    client_ca=tls_client_ca,
                    allow_plain=allow_plain,
                    as_json=as_json,
                    inventory=inventory,
                    unit=unit,
                    quiet=quiet,
                )
            )
            report, failed, unread = result.report, result.failed, result.unread
    lines = as_json or names
    if lines and not output:
        emit_json(report)  # in one line, like those before it
        wanted.pop("json", None)
    if lines and not wanted:
        raise typer.Exit(unsuccessful(exit_status(report, strict_coverage=strict_coverage), failed, unread))
    # where standard output holds JSON lines, words for people would stand between them
    with contextlib.redirect_stdout(sys.stderr) if lines else contextlib.nullcontext():
        show(
            report,
            wanted,
            explain=explain,
            strict_coverage=strict_coverage,
            quiet=quiet,
            failed=failed,
            unread=unread,
        )
