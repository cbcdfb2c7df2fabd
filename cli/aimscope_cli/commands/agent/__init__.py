"""The agent on this machine: it looks as its configuration says, keeps what it finds, and reports to a collector."""

from __future__ import annotations

from pathlib import Path

import typer

from aimscope_cli.lazy import folder_group

app = typer.Typer(cls=folder_group(__name__, Path(__file__).parent), add_completion=False, no_args_is_help=True)


@app.callback()
def _agent() -> None:
    """The agent on this machine: it looks as configured, keeps what it finds, and reports to a collector."""
