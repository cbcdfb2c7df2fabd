"""Homebrew: lists of what is installed, its JSON, and Brewfiles.

Names of fields: Homebrew's documentation of `brew info --json=v2`; directives: of Brewfiles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._names import Ids
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation

_LISTED: Final = re.compile(r"([a-z0-9][a-z0-9@+._-]{0,127})((?: \S{1,64})*)\Z")
_DIRECTIVE: Final = re.compile(r"""(\w+)\s+(?:"([^"\s]{1,200})"|'([^'\s]{1,200})')""")
_HEAD: Final = re.compile(r"==> (\w+)")


def read(export: Export) -> Iterator[Observation]:
    """Formulae and casks."""
    if export.shape is None or export.shape.form == "json":
        yield from _json(export)
    elif "[\"']" in export.shape.pattern:
        yield from _brewfile(export)
    else:
        yield from _list(export)


def _json(export: Export) -> Iterator[Observation]:
    for row in export.rows("formulae", "casks"):
        cask = row.key == "casks" or row.has("token")
        name = row.text("token", "name") if cask else row.text("name")
        version = row.text("installed") if cask else next((one.text("version") for one in row.rows("installed")), "")
        if not name:
            export.unreadable(row.number, "rows without a name")
        elif not version:
            export.counts["not installed"] += 1
        else:
            yield _seen(export, row.number, f"cask:{name}" if cask else f"brew:{name}", version)


def _list(export: Export) -> Iterator[Observation]:
    """A list without headings does not tell formulae from casks: what it names is looked for as either."""
    part = ""
    for number, line in export.lines():
        head = _HEAD.match(line)
        found = _LISTED.match(line.strip())
        if head:
            part = {"formulae": "brew", "casks": "cask"}.get(head[1].casefold(), "")
        elif found is None:
            export.unreadable(number, "lines that are no package")
        else:
            name, version = found[1], found[2].strip().partition(" ")[0]
            yield _seen(export, number, f"{part}:{name}" if part else (f"brew:{name}", f"cask:{name}"), version)


def _brewfile(export: Export) -> Iterator[Observation]:
    for number, line in export.lines():
        found = _DIRECTIVE.match(line.strip())
        if line.lstrip().startswith("#"):
            continue
        if found is None:
            export.counts["lines of other sorts"] += 1
            continue
        name = found[2] or found[3]
        base = name.rpartition("/")[2]  # a formula of somebody's tap is written with it
        match found[1]:
            case "brew" | "cask":
                yield _seen(export, number, f"{found[1]}:{base}", "")
            case "vscode":
                yield export.see("editor_extension", number, id=f"vscode:{name.lower()}", editor="vscode")
            case "cargo" | "npm" | "go":
                yield export.see("package", number, package=f"{found[1]}:{name}", manager=found[1])
            case "uv":
                yield export.see("package", number, package=f"pypi:{name}", manager="uv")
            case "flatpak":
                yield _seen(export, number, f"flatpak:{name}", "")


def _seen(export: Export, number: int, identifier: Ids, version: str) -> Observation:
    return export.see("application", number, id=identifier, version=version)


SOURCE = Source(
    name="homebrew",
    title="Homebrew",
    doc="`brew list --versions`, `brew list --cask`, `brew info --json=v2 --installed`, or a Brewfile.",
    emits=("application", "editor_extension", "package"),
    proves="installed by Homebrew on the machine where it was run; a Brewfile: meant to be",
    cannot="use of what is installed; other machines; applications that were not installed by Homebrew",
    shapes=(
        Shape("json", ("formulae", "casks")),
        Shape("text", pattern=r"""^[ \t]*(?:brew|cask|tap|mas|vscode)\s+["'][^"'\n]+["']"""),
        Shape("text", pattern=r"\A(?:(?:==> \w+|[a-z0-9][a-z0-9@+._-]*(?: \d[^\s]*)+)\r?\n)+"),
        Shape("text", pattern=r"\A(?:==> (?:Formulae|Casks)\r?\n)?(?:[a-z0-9][a-z0-9@+._-]*\r?\n){2,}", asked=True),
    ),
    read=read,
)
