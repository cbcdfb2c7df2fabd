"""`aimscope agent once`: one scan, for schedules of the operating system."""

from __future__ import annotations

from typing import Annotated

import typer

from aimscope_cli.agents import ConfigFile
from aimscope_cli.options import Quiet

app = typer.Typer(add_completion=False)


@app.command()
def once(
    config: ConfigFile = None,
    require_sent: Annotated[
        bool, typer.Option("--require-sent", help="Exit with status 1 where the collector could not be told.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Scan this machine once as the configuration says, report, and end: for cron, timers and device management.

    What cannot be reported is kept, and goes along the next time. Exit status: 0 scanned; 1 not scanned, or with
    --require-sent not reported; 2 the configuration or the state folder cannot be used, or the agent runs already.
    """
    from aimscope_cli import agents
    from aimscope_cli.output import Failure, hint, say

    with agents.service(config) as service:
        failed = service.once()
        status = service.status()
    if failed:
        raise Failure(f"not everything was scanned: {'; '.join(failed)}", status=1)
    sent = not status.pending and not status.trouble and bool(status.collector)
    if not quiet:
        say(f"Scanned. {_told(sent=sent, collector=status.collector, pending=status.pending)}")
        if status.trouble:
            hint(status.trouble)
    if require_sent and not sent:
        raise typer.Exit(1)


def _told(*, sent: bool, collector: str, pending: int) -> str:
    if sent:
        return f"Reported to {collector}."
    if not collector:
        return f"Kept, {pending:,} rows: no collector is configured."
    return f"Kept, {pending:,} rows wait: {collector} could not be told; they go along the next time."
