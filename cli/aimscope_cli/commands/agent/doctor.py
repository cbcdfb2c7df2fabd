"""`aimscope agent doctor`: what keeps the agent from its work, and what helps."""

from __future__ import annotations

import typer

from aimscope_cli.agents import ConfigFile, Json

app = typer.Typer(add_completion=False)
_SIGNS = {"ok": "", "note": "yellow", "wrong": "red"}


@app.command()
def doctor(config: ConfigFile = None, as_json: Json = False) -> None:
    """Check configuration, permissions, state folder, disk, clock, identity, the way to the collector, and captures.

    Each finding says what helps. Nothing is changed. Exit status 1 where something is wrong.
    """
    from aimscope_cli.agents import folder
    from aimscope_cli.doctoring import examine
    from aimscope_cli.output import emit_json, say

    checks = examine(folder(), config)
    if as_json:
        emit_json(checks, pretty=True)
    else:
        for check in checks:
            say(f"{check.verdict:<6} {check.about}: {check.said}", _SIGNS[check.verdict] or "dim")
            if check.remedy:
                say(f"       {check.remedy}")
    if any(check.verdict == "wrong" for check in checks):
        raise typer.Exit(1)
