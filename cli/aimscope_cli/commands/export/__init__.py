"""Events for a SIEM: one module per command."""

from __future__ import annotations

from pathlib import Path

import typer

from aimscope_cli.lazy import folder_group

app = typer.Typer(
    cls=folder_group(__name__, Path(__file__).parent),
    no_args_is_help=True,
    add_completion=False,
    help="Events for a SIEM: where they go, what waits, previews, replays.",
)


@app.callback()
def _commands() -> None:
    """Deliveries of events, at a collector or in its folder."""
