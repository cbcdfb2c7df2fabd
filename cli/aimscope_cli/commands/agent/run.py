"""`aimscope agent run`: the service."""

from __future__ import annotations

import typer

from aimscope_cli.agents import ConfigFile
from aimscope_cli.options import Quiet

app = typer.Typer(add_completion=False)


@app.command()
def run(config: ConfigFile = None, quiet: Quiet = False) -> None:
    """Scan, look at traffic and follow logs as the configuration says, and report to the collector, until stopped.

    Nothing is lost or counted twice if it is killed. What the collector cannot take is kept and sent later. SIGTERM
    or Ctrl-C ends it in good order, SIGHUP reads the configuration again. Without a collector it keeps what it finds.
    """
    from aimscope_cli import resident

    resident.become(config, quiet=quiet)
