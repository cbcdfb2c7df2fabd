"""The authorised AI inventory: begin one, check it, convert one from another form, keep it at a collector."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile
from aimscope_cli.output import Failure, emit_json, emit_text, hint, say

app = typer.Typer(help="The inventory of authorised AI.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("inventory.yaml"),
    from_scan: Annotated[
        bool,
        typer.Option("--from-scan", help="Draft it from the last scan of this machine: every service as `proposed`."),
    ] = False,
) -> None:
    """Begin an inventory: a commented template, or a draft of what the last scan found. Never overwrites."""
    from aimscope_collector.inventory.write import template

    text = _draft() if from_scan else template()
    _write_new(path, text)
    say(str(path))
    hint("decide on each entry, then: aimscope inventory check " + str(path))


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="Inventory: YAML, JSON, CSV or XLSX.")] = Path("inventory.yaml"),
    as_json: Json = False,
) -> None:
    """Check an inventory: every problem with line and field, and names that fit no service with what they may mean.

    Exit status 1 if it cannot be used, or if a name fits no service.
    """
    from aimscope_cli.catalogues import open_catalogue
    from aimscope_collector.from_catalogue import services_of
    from aimscope_collector.inventory.load import load
    from aimscope_collector.inventory.resolve import SUGGESTED, Index, unmatched

    loaded = load(path)
    index = Index(services_of(open_catalogue()))
    systems = loaded.content.systems if loaded.content else ()
    missing = unmatched(index.resolve_all(systems), index)
    if as_json:
        emit_json({"usable": loaded.content is not None, "problems": loaded.problems, "unmatched": missing})
    else:
        for problem in loaded.problems:
            say(str(problem))
        for one in missing:
            guesses = ", ".join(f"{service.id} ({service.name})" for service in one.suggestions)
            say(f"{path}: {one.name}: fits no service of the catalogue" + (f"; is it {guesses}?" if guesses else ""))
        if loaded.content is not None:
            hint(f"{len(systems)} systems; {len(missing)} names fit no service (add `services: [id]` to confirm one)")
        if len(missing) > SUGGESTED:
            hint(f"suggestions are made for the first {SUGGESTED} names; settle those and check again")
    if loaded.content is None or missing:
        raise typer.Exit(1)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Inventory: CSV, XLSX, JSON or YAML.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="YAML to write; else standard output.")] = None,
) -> None:
    """Convert an inventory to YAML, naming what was understood in a way that a person may want to check."""
    from aimscope_collector.inventory.load import load
    from aimscope_collector.inventory.write import write

    loaded = load(source)
    for problem in loaded.problems:
        hint(str(problem))
    if loaded.content is None:
        raise Failure(f"{source} cannot be used")
    text = write(loaded.content, f"Converted from {source.name}.")
    if output is None:
        emit_text(text)
        return
    _write_new(output, text)
    say(str(output))


def _draft() -> str:
    """The last scan of this machine as a first inventory. Raises ``Failure`` where there is none."""
    from aimscope_cli.catalogues import open_catalogue
    from aimscope_cli.state import state_folder
    from aimscope_collector.from_catalogue import services_of
    from aimscope_collector.inventory.write import draft
    from aimscope_collector.reconcile import reconcile
    from aimscope_collector.store.scans import StoreError, history

    try:
        scans = history(state_folder() / "scans.db")
    except StoreError as error:
        raise Failure(str(error)) from None
    if not scans:
        raise Failure("there is no scan to draft from; run `aimscope scan` first")
    last = scans[0]
    day = datetime.datetime.fromtimestamp(last.at, datetime.UTC).date()
    judged = reconcile(
        last.sightings, last.coverage, None, services_of(open_catalogue()), unit="", host=last.host, today=day
    )
    return draft(judged.findings, f"Drafted on {day} from a scan of {last.host or 'this machine'}.")


@app.command()
def push(
    path: Annotated[Path, typer.Argument(help="The inventory: YAML, JSON, CSV or XLSX.")],
    note: Annotated[str, typer.Option(help="What this version is about.")] = "",
    effective: Annotated[
        datetime.datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day on which it counts; else at once."),
    ] = None,
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Put a file in force at a collector, as a new version with you as its author."""
    from aimscope_cli import pushing
    from aimscope_cli.asking import asked

    with asked(collector, key_file, ca, folder) as asker:
        kept = pushing.push(asker, path, note=note, effective_from=effective.date() if effective else None)
    if as_json:
        emit_json(kept)
        return
    pushing.show_problems(kept["problems"])
    pushing.show_diff(kept["diff"])
    say(f"version {kept['version']['number']}" + ("" if kept["is_new"] else ", as it was"))


@app.command()
def pull(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
) -> None:
    """The inventory in force at a collector, as YAML. Never overwrites."""
    from aimscope_cli.asking import asked

    with asked(collector, key_file, ca, folder) as asker:
        text = asker.raw("GET", "/inventory.yaml", {}).decode()
    if output is None:
        emit_text(text)
        return
    _write_new(output, text)
    say(str(output))


@app.command()
def diff(
    path: Annotated[Path, typer.Argument(help="The inventory to compare with the one in force.")],
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """What `push` would change at a collector. Keeps nothing."""
    from aimscope_cli import pushing
    from aimscope_cli.asking import asked

    with asked(collector, key_file, ca, folder) as asker:
        found = pushing.compare(asker, path)
    if as_json:
        emit_json(found)
        return
    pushing.show_problems(found["problems"])
    if not pushing.show_diff(found["diff"]):
        hint("nothing would change")
    if found["changed"]:
        hint(f"{len(found['changed'])} findings would be judged otherwise")


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(f"{path} exists already; name another file") from None
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from None
