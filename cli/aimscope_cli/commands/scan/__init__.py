"""Scan something for AI, and reconcile what is found with the inventory: one module per target."""

from __future__ import annotations

from pathlib import Path

import typer

from aimscope_cli.lazy import folder_group

app = typer.Typer(
    cls=folder_group(__name__, Path(__file__).parent, default="host"),
    add_completion=False,
    help="Find the AI in use: `aimscope scan` looks at this machine.",
    epilog="`aimscope scan` alone takes every option of `aimscope scan host`: see `aimscope scan host --help`.",
)


@app.callback()
def _targets() -> None:
    """Find the AI in use. Without a target: this machine (`aimscope scan host`)."""
