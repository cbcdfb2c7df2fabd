"""What a collector knows of itself and its fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.collecting import Database, Folder, Json, folder_of, moment, now, opened
from aimscope_cli.output import emit_json, say

app = typer.Typer(add_completion=False)


@app.command()
def status(
    folder: Folder = None,
    database: Database = None,
    silent_days: Annotated[int, typer.Option(min=1, max=365, help="An agent is silent after so many days.")] = 3,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing: exit status 0 if the database can be used, else 2.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Counts of agents, findings and what waits; schema, catalogue, silent agents. For health checks: --quiet."""
    with opened(folder, database) as engine:
        from aimscope_collector.reporting_status import status as status_of

        found = status_of(engine, now=now(), silent_after=silent_days * 86_400)
    if quiet:
        return
    key = _report_key(folder_of(folder))
    if as_json:
        emit_json({**{name: getattr(found, name) for name in found.__struct_fields__}, "report_key": key})
        return
    say(f"schema          {found.schema}")
    say(f"catalogue       version {found.feeds.get('catalogue', 0)}, {found.stale} agents have an older one")
    say(f"policy          version {found.feeds.get('policy', 0)}")
    say(f"agents          {found.agents} enrolled, {found.waiting} wait for approval, {found.revoked} revoked")
    say(f"devices         {found.devices} known, {found.unmanaged} that nobody manages")
    say(f"findings        {found.findings} present, {found.undecided} of them undecided")
    say(f"inventory       {f'version {found.inventory}' if found.inventory else 'none yet'}")
    say(f"audit log       {found.audit} entries")
    say(f"reports' key    {key or 'kept elsewhere: no report can be signed here'}")
    say(f"silent agents   {len(found.silent)}")
    for one in found.silent[:10]:
        say(f"  {one.uid}  {one.device}  last seen {moment(one.last_seen)} UTC")


def _report_key(folder: Path) -> str | None:
    """The fingerprint of the key that signs reports, for whoever verifies one; ``None`` where it is kept elsewhere."""
    from aimscope_collector import feeds
    from aimscope_collector.reports.manifest import fingerprint_of

    try:
        return fingerprint_of(feeds.report_key(folder / "signing"))
    except feeds.FeedsError:
        return None
