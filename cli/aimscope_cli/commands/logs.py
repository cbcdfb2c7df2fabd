"""Log formats: which there are, and what a log says in one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.output import Failure, emit_json, hint, say

app = typer.Typer(help="Log formats: list them, try them on a file.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("try")
def try_(
    file: Annotated[str, typer.Argument(help="A log, also compressed; - is standard input.")],
    format_: Annotated[str, typer.Option("--format", help="Read it as this format.")] = "",
    map_: Annotated[
        Path | None, typer.Option("--map", help="Read it by this map: a YAML file, see docs/log-formats.md.")
    ] = None,
    zone: Annotated[str, typer.Option(help="Zone of times that state none.")] = "",
    lines: Annotated[int, typer.Option(min=1, max=100_000, help="Lines to read.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what the first lines of a log say: its format, and each fact with its fields. Nothing is judged or kept.

    Exit status: 1 where no format fits, or hardly a line can be read.
    """
    from aimscope_cli.trying import Trial, attempt

    trial: Trial = attempt(file, format_, map_, zone, lines)
    if as_json:
        emit_json(trial)
    else:
        say(f"{trial.file}: {trial.format or 'no format fits'}", "bold")
        for fit in trial.fits:
            say(f"  {fit.name}: {fit.fitting} of {fit.lines} lines fit", "" if fit.name == trial.format else "dim")
        for fact in trial.facts:
            who = " ".join(f"{name} {value}" for name, value in (("user", fact.user), ("on", fact.device)) if value)
            fields = " ".join(f"{name}={value}" for name, value in fact.fields.items())
            say(f"{fact.line:>6}  {fact.at}  {fact.kind}  {fields}" + (f"  [{who}]" if who else ""))
        say(f"{trial.lines} lines: {trial.read} read, {trial.unreadable} unreadable, {len(trial.facts)} facts.")
        if trial.quarantine:
            say(f"Unreadable: lines {', '.join(map(str, trial.quarantine))}", "yellow")
        if trial.untimed:
            hint(f"{trial.untimed} lines have no time that could be understood")
    if not trial.format or trial.unreadable > trial.read:
        raise typer.Exit(1)


@app.command()
def formats(
    text: Annotated[str, typer.Argument(help="Only formats whose name, product or vendor contains this.")] = "",
    as_json: Json = False,
) -> None:
    """List the formats, and what each can give; your own are in the configuration folder's `formats/`."""
    from aimscope_agent.logs.matrix import row
    from aimscope_agent.logs.registry import built_in
    from aimscope_cli.logfiles import known_formats

    ours = built_in()
    wanted = text.lower()
    rows = [
        row(form, own=ours.get(name) is not form)
        for name, form in known_formats().items()
        if wanted in f"{name} {form.map.title} {form.map.vendor}".lower()
    ]
    if as_json:
        emit_json(rows)
        return
    if not rows:
        raise Failure(f"no format contains {text!r}")
    for each in rows:
        say(f"{each.name:28} {each.title}{' (own)' if each.own else ''}", "bold")
        say(f"{'':28} gives {', '.join(each.gives)}", "dim")
    hint(f"{len(rows)} formats")
