"""The catalogue: browse it, ask it, write for it, let it prove itself."""

from __future__ import annotations

import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from aimscope_cli.output import Failure, emit_json, emit_text, hint, say

app = typer.Typer(help="The signature catalogue of AI services.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Service ids; all where none is named.", show_default=False)]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="A folder of signatures of your own instead of the shipped catalogue.")
]


class MatchKind(StrEnum):
    """What a line on standard input is."""

    DOMAIN = "domain"
    PROCESS = "process"
    BUNDLE = "bundle"
    CHROME = "chrome"
    FIREFOX = "firefox"
    VSCODE = "vscode"
    JETBRAINS = "jetbrains"
    MCP_PATH = "mcp_path"
    KEY = "key"
    ENV = "env"
    PACKAGE = "package"
    IMAGE = "image"
    USER_AGENT = "user_agent"
    IP = "ip"


@app.command("list")
def list_(
    category: Annotated[str, typer.Option(help="Only this category.")] = "",
    text: Annotated[str, typer.Argument(help="Only services whose id, name or vendor contains this.")] = "",
    as_json: Json = False,
) -> None:
    """List the services."""
    from typing import get_args

    from aimscope_cli.catalogues import open_catalogue
    from aimscope_signatures.signature import Category

    categories = get_args(Category)
    if category and category not in categories:
        raise Failure(f"{category!r} is no category; one of {', '.join(categories)}")
    wanted = text.lower()
    rows = [
        {"id": e.id, "name": e.name, "vendor": e.vendor, "category": e.category, "maturity": e.maturity}
        for e in open_catalogue()
        if (not category or e.category == category) and wanted in f"{e.id} {e.name} {e.vendor}".lower()
    ]
    if as_json:
        emit_json(rows)
        return
    for row in rows:
        say(f"{row['id']:28} {row['category']:18} {row['name']} ({row['vendor']})")
    hint(f"{len(rows)} services")


@app.command()
def show(service: Annotated[str, typer.Argument(help="Service id.")], as_json: Json = False) -> None:
    """Show everything the catalogue knows of a service."""
    import yaml
    from msgspec import to_builtins

    entry = _entry(service)
    fields = to_builtins(entry.signature, builtin_types=(datetime.date,))
    if as_json:
        emit_json(entry.signature)
    else:
        emit_text(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=110))


@app.command()
def explain(service: Annotated[str, typer.Argument(help="Service id.")], as_json: Json = False) -> None:
    """Explain a service: the clauses its sections stand for, and how sure each is."""
    from aimscope_signatures.sections import SECTIONS

    entry = _entry(service)
    if as_json:
        emit_json(entry.clauses)
        return
    say(f"{entry.name} ({entry.vendor}), {entry.category}, {entry.maturity}")
    for clause in entry.clauses:
        say()
        say(f"{clause.name}  →  identity {clause.identity}")
        section = SECTIONS.get(clause.section)
        if section and section.targets:
            say("  looked for in: " + ", ".join(f"{kind}.{field}" for kind, field in section.targets))
        for test in clause.tests:
            place = f"{clause.kind}.{test.field}" if test.field else section.type if section else ""
            say(f"  {place} {test.operator} any of: " + ", ".join(test.values))


@app.command()
def match(
    kind: Annotated[MatchKind, typer.Argument(help="What each line is.")],
) -> None:
    """Ask "what is this?": one value per line on standard input, one JSON line each, in order."""
    import sys

    from aimscope_cli.catalogues import open_catalogue
    from aimscope_cli.what import ask
    from aimscope_signatures.matcher import Matcher

    if sys.stdin is None:
        raise Failure("there is no standard input to read values from")
    matcher = Matcher(open_catalogue())
    for line in sys.stdin.buffer:
        emit_json(ask(matcher, kind.value, line.decode("utf-8", "replace").rstrip("\r\n")))


@app.command()
def verify(services: Ids = None, folder: Folder = None, as_json: Json = False) -> None:
    """Let signatures prove themselves: examples, near-misses, a yes-sayer, a benign corpus. Exit status 1 on doubt."""
    from aimscope_signatures.verify import example_count
    from aimscope_signatures.verify import verify as verify_catalogue

    found, problems = _read(folder, services)
    doubts = verify_catalogue(found, services or ())
    _report(
        problems,
        doubts,
        as_json,
        f"{len(services or found)} services, {example_count(found)} examples in the catalogue",
    )


@app.command()
def lint(services: Ids = None, folder: Folder = None, as_json: Json = False) -> None:
    """Check the style of signatures: references, shapes of ids, shared domains. Exit status 1 on doubt."""
    from aimscope_signatures.lint import lint as lint_catalogue

    found, problems = _read(folder, services)
    doubts = lint_catalogue(found, datetime.datetime.now(datetime.UTC).date(), tuple(services or ()))
    _report(problems, doubts, as_json, f"{len(services or found)} services")


@app.command()
def new(
    service: Annotated[str, typer.Argument(help="Id: lower case letters, digits, hyphens.")],
    category: Annotated[str, typer.Option(help="Category; the folder it goes to.")],
    name: Annotated[str, typer.Option(help="Name as the vendor writes it.")] = "",
    folder: Folder = None,
) -> None:
    """Write the skeleton of a signature, with what has to be filled in."""
    from aimscope_cli.catalogues import own_folder
    from aimscope_cli.skeleton import skeleton
    from aimscope_signatures.catalogue import SERVICES

    checkout = SERVICES.parents[2] / "pyproject.toml"
    base = folder or (SERVICES if checkout.exists() else own_folder())
    try:
        text = skeleton(service, category, name or service, datetime.datetime.now(datetime.UTC).date())
        path = base / category / f"{service}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(f"{path} exists already; edit it, or choose another id") from None
    except ValueError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from None
    say(str(path))
    hint(f"fill it in, then: aimscope signatures verify {service}")


@app.command()
def stats(
    evidence: Annotated[bool, typer.Option("--evidence", help="Every fact with its reference and date.")] = False,
    as_json: Json = False,
) -> None:
    """Count the catalogue; with --evidence print every fact, where it was confirmed and when."""
    from aimscope_cli.catalogues import open_catalogue
    from aimscope_cli.skeleton import count_catalogue, facts_with_evidence

    found = open_catalogue()
    if evidence:
        for fact in facts_with_evidence(found):
            if as_json:
                emit_json(fact)
            else:
                say(
                    f"{fact['service']}\t{fact['section']}\t{fact['value']}\t{fact['checked']}\t{fact['opened']}\t{fact['reference']}"
                )
        return
    numbers = count_catalogue(found)
    if as_json:
        emit_json(numbers)
        return
    for title, group in numbers.items():
        if isinstance(group, dict):
            say()
            say(title)
            for name, number in group.items():
                say(f"  {name:22} {number:6}")
        else:
            say(f"{title:24} {group}")


def _entry(service: str) -> Any:
    import difflib

    from aimscope_cli.catalogues import open_catalogue

    found = open_catalogue()
    entry = found.get(service)
    if entry is None:
        near = difflib.get_close_matches(service, found.entries, 3)
        raise Failure(f"no service {service!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    return entry


def _read(folder: Path | None, services: list[str] | None) -> tuple[Any, tuple[str, ...]]:
    """The catalogue read from YAML, and the problems of the named files (all, where none is named)."""
    from aimscope_signatures.catalogue import SERVICES, read

    base = folder or SERVICES
    if not base.is_dir():
        raise Failure(f"{base} is no folder")
    found, problems = read(base)
    read_badly = {Path(problem.file).stem for problem in problems}
    for service in services or ():
        if service not in found and service not in read_badly:
            raise Failure(f"no service {service!r} in {base}")
    mine = [p for p in problems if not services or Path(p.file).stem in services]
    if len(mine) < len(problems):
        hint(f"{len(problems) - len(mine)} problems in other files are left out")
    return found, tuple(map(str, mine))


def _report(problems: tuple[str, ...], doubts: tuple[Any, ...], as_json: bool, what: str) -> None:
    if as_json:
        emit_json({"problems": problems, "doubts": doubts})
    else:
        for line in (*problems, *map(str, doubts)):
            say(line)
        hint(f"{what}: {len(problems)} malformed, {len(doubts)} doubts")
    if problems or doubts:
        raise typer.Exit(1)
