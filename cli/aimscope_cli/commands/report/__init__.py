"""Reports of what a collector knows: one module per command."""

from __future__ import annotations

from pathlib import Path

import typer

from aimscope_cli.lazy import folder_group

app = typer.Typer(
    cls=folder_group(__name__, Path(__file__).parent),
    no_args_is_help=True,
    add_completion=False,
    help="Reports of what a collector knows: list, make; verify a pack anywhere.",
)


@app.callback()
def _commands() -> None:
    """Reports, made at a collector or in its folder; a pack is verified without either."""
