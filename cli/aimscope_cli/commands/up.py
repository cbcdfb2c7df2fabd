"""`aimscope up`: a collector, and this machine as its first agent, with one command."""

from __future__ import annotations

from typing import Annotated

import typer

from aimscope_cli.agents import ConfigFile
from aimscope_cli.options import Quiet

app = typer.Typer(add_completion=False)


@app.command()
def up(
    once: Annotated[
        bool, typer.Option("--once", help="Scan this machine, report, show the findings, and end.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Where the collector listens, on this machine alone.")
    ] = 8443,
    config: ConfigFile = None,
    quiet: Quiet = False,
) -> None:
    """Run a collector on this machine, and report this machine to it, until stopped with Ctrl-C.

    The first time it makes the collector, in the state folder and with SQLite, and says the administrator's first
    password. Refuses where this machine reports to another collector already.

    Exit status with --once: 3 unregistered or prohibited use found; 1 not everything could be scanned or reported;
    2 usage or input error; else 0.
    """
    from aimscope_cli.collecting import needs_collector

    needs_collector()
    from aimscope_cli import agents, loopback, upping
    from aimscope_cli.output import Failure, hint

    url = f"http://127.0.0.1:{port}"
    upping.check_free(url, config)
    place = upping.collector_folder(quiet=quiet)
    with loopback.serving(place, None, port):
        upping.enrol(place, url)
        if not quiet:
            hint("Scanning this machine …")
        with agents.service(config) as service:
            failed = service.once()
            status = service.status()
            if failed:
                raise Failure(f"not everything was scanned: {'; '.join(failed)}", status=1)
            if status.pending or status.trouble:
                raise Failure(f"the collector could not be told: {status.trouble or 'something waits'}", status=1)
            found = upping.show(place)
            if once:
                raise typer.Exit(found)
            upping.say_where(url, place)
            service.run()
        hint("Stopped.")
