"""Findings of a fleet: one module per command."""

from __future__ import annotations

from pathlib import Path

import typer

from aimscope_cli.lazy import folder_group

app = typer.Typer(
    cls=folder_group(__name__, Path(__file__).parent),
    no_args_is_help=True,
    add_completion=False,
    help="Findings of the fleet a collector knows: list, show, decide.",
)


@app.callback()
def _commands() -> None:
    """Findings of the fleet, at a collector or in its folder."""
