"""The collector: what agents report to, one module per command."""

from __future__ import annotations

from pathlib import Path

import typer

from aimscope_cli.lazy import folder_group

app = typer.Typer(
    cls=folder_group(__name__, Path(__file__).parent),
    no_args_is_help=True,
    add_completion=False,
    help="The collector: agents report to it, and it knows what is authorised.",
)


@app.callback()
def _commands() -> None:
    """Run and look after a collector."""
