"""Options that every scan has, and the forms of its result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.output import Failure

Json = Annotated[bool, typer.Option("--json", help="The result as JSON (schema in docs/reference/scan.schema.json).")]
Csv = Annotated[bool, typer.Option("--csv", help="The result as CSV, one line per piece of evidence.")]
Sarif = Annotated[bool, typer.Option("--sarif", help="The result as SARIF 2.1.0.")]
Events = Annotated[
    str,
    typer.Option(
        "--events",
        metavar="FORMAT[:NAME=VALUE,…]",
        help="The result as events for a SIEM: ocsf, ecs, cef, leef, syslog, jsonl, hec, elastic, sentinel, udm or "
        "wazuh, with options of the format: ocsf:version=1.6.0 (see docs/siem.md).",
    ),
]
EventsAlso = Annotated[
    str,
    typer.Option(
        "--format",
        "--events",
        metavar="FORMAT[:NAME=VALUE,…]",
        help="The result as events for a SIEM: ocsf, ecs, cef, leef, syslog, jsonl, hec, elastic, sentinel, udm or "
        "wazuh, with options of the format: ocsf:version=1.6.0 (see docs/siem.md).",
    ),
]
"""Where ``--format`` is not already what logs are in."""
Html = Annotated[Path | None, typer.Option("--html", help="Write a self-contained report for people to this file.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the JSON, CSV, SARIF or events to this file.")
]
InventoryFile = Annotated[
    Path | None,
    typer.Option(help="The authorised AI inventory (YAML, JSON, CSV, XLSX); else inventory.yaml here or configured."),
]
Explain = Annotated[bool, typer.Option("--explain", help="Show for each piece of evidence which test held.")]
StrictCoverage = Annotated[
    bool, typer.Option("--strict-coverage", help="Exit with status 4 where something could not be looked at.")
]
NoStore = Annotated[bool, typer.Option("--no-store", help="Do not keep this scan, do not compare with the last one.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no hints.")]


def forms(
    *, as_json: bool, csv: bool, sarif: bool, html: Path | None, output: Path | None, events: str = ""
) -> dict[str, Path | None]:
    """Form → file, or ``None`` for standard output. Raises ``Failure`` for a combination that cannot be meant.

    The form of ``events`` is what was asked for: a format, and its options.
    """
    chosen = [name for name, wanted in (("json", as_json), ("csv", csv), ("sarif", sarif)) if wanted]
    if len(chosen) + bool(events) > 1:
        raise Failure(
            f"one of {', '.join('--' + name for name in (*chosen, *(['events'] if events else [])))} at a time"
        )
    if output and not (chosen or events):
        raise Failure("--output needs one of --json, --csv, --sarif, --events (for HTML: --html FILE)")
    if events:
        from aimscope_cli.eventing import check

        check(events)
        chosen = [events]
    found: dict[str, Path | None] = {chosen[0]: output} if chosen else {}
    if html:
        found["html"] = html
    for path in found.values():
        if path and not path.parent.is_dir():  # known before a long scan, so said before it
            raise Failure(f"{path} cannot be written: {path.parent} is no folder")
    return found
