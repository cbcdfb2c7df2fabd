"""The program `aimscope`: its commands are the modules of `commands/`."""

from __future__ import annotations

from pathlib import Path

import typer

from aimscope_cli.lazy import folder_group
from aimscope_cli.output import say

app = typer.Typer(
    cls=folder_group("aimscope_cli.commands", Path(__file__).parent / "commands"),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from aimscope_signatures.version import __version__

        say(f"aimscope {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=_version, is_eager=True),
) -> None:
    """Discover the AI in use, and reconcile it with what is authorised.

    Exit status: 0 done; 2 usage or input error; 3 unregistered or prohibited use found;
    4 coverage incomplete (only with --strict-coverage); 1 a check failed, or a defect in aimscope.
    """
