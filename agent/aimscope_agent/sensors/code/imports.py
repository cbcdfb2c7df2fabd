"""Packages that code imports, in five languages. Only those that the catalogue knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aimscope_agent.sensors.code.known import Known
from aimscope_agent.sensors.code.text import Named, Spans

Importer = Callable[[str, Known], Iterator[Named]]

_IMPORT = re.compile("import")
_STATEMENT = re.compile(
    r"[ \t]*(?:"
    r"from[ \t]+(?P<base>[A-Za-z_][\w.]{0,200})[ \t]+import[ \t]*(?P<names>\([^)]{0,4000}\)?|[^\n#;]{1,400})"
    r"|import[ \t]+(?P<modules>[^\n#;]{1,400}))"
)
_CALL = re.compile(r"import(?:_module|__)\([ \t]{0,20}[\"'](?P<called>[A-Za-z_][\w.]{0,200})[\"']")
_LONGEST_START = 250
_WORD = re.compile(r"[A-Za-z_][\w.]{0,200}")
_REMARK = re.compile(r"#[^\n]*")
_NO_PYTHON = re.compile(
    r"#[^\n]*|\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'''[\s\S]*?(?:'''|\Z)|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
)
_NO_CODE = re.compile(
    r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\]){0,20000}`"
)
_NO_RUST = re.compile(r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)|\"(?:\\[\s\S]|[^\"\\]){0,20000}\"")
_JAVASCRIPT = re.compile(
    r"(?:\bfrom|\bimport|\brequire(?:\.resolve)?\s{0,20}\(|\bimport\s{0,20}\()\s{0,20}"
    r"[\"'`](?P<name>[@\w][^\"'`\s]{0,213})[\"'`]"
)
_GO = re.compile(
    r'^import\s*\((?P<block>[^)]{0,20000})\)?|^import\s+(?:[\w.]+\s+)?"(?P<path>[^"\n]{1,500})"', re.MULTILINE
)
_GO_PATH = re.compile(r'"([^"\n]{1,500})"')
_RUST = re.compile(
    r"^[ \t]*(?:pub(?:\([\w ]{1,40}\))?[ \t]+)?(?:use[ \t]+(?:::)?|extern[ \t]+crate[ \t]+)"
    r"(?P<name>[A-Za-z_]\w{0,100})",
    re.MULTILINE,
)


def python(text: str, known: Known) -> Iterator[Named]:
    """``import a.b``, ``from a import b``, ``import_module("a")``; not within strings and comments."""
    hits: list[Named] = []
    end = 0
    # a plain word is searched for much faster than the start of a statement
    for word in _IMPORT.finditer(text):
        at = word.start()
        if at < end:
            continue
        earliest = max(at - _LONGEST_START, 0)
        start = max(text.rfind("\n", earliest, at), text.rfind(";", earliest, at)) + 1
        if called := _CALL.match(text, at):
            hits.append((known.module(called["called"]), at))
        elif (statement := _STATEMENT.match(text, start)) and statement.end() > at:
            end = statement.end()
            hits += ((known.module(module), place) for module, place in _modules(statement))
    yield from _code([hit for hit in hits if hit[0]], _NO_PYTHON, text)


def _modules(found: re.Match[str]) -> Iterator[Named]:
    """Modules that one statement may name, the longest form of each."""
    if base := found["base"]:
        start = found.start("base")
        for part in _REMARK.sub("", found["names"]).strip("()").split(","):
            name = _WORD.match(part.strip())
            yield (f"{base}.{name[0]}" if name else base), start
    else:
        for part in found["modules"].split(","):
            if name := _WORD.match(part.strip()):
                yield name[0], found.start("modules")


def javascript(text: str, known: Known) -> Iterator[Named]:
    """``import … from "x"``, ``export … from "x"``, ``require("x")``, ``import("x")``."""
    hits = [(name, found.start()) for found in _JAVASCRIPT.finditer(text) if (name := known.npm(found["name"]))]
    yield from _code(hits, _NO_CODE, text)


def go(text: str, known: Known) -> Iterator[Named]:
    """The import declarations of a Go file."""
    hits: list[Named] = []
    for found in _GO.finditer(text):
        if found["path"]:
            hits.append((known.go(found["path"]), found.start()))
        else:
            start = found.start("block")
            hits += ((known.go(path[1]), start + path.start()) for path in _GO_PATH.finditer(found["block"]))
    yield from _code([hit for hit in hits if hit[0]], _NO_CODE, text)


def rust(text: str, known: Known) -> Iterator[Named]:
    """``use x::…`` and ``extern crate x``."""
    hits = [(name, found.start("name")) for found in _RUST.finditer(text) if (name := known.crate(found["name"]))]
    yield from _code(hits, _NO_RUST, text)


def _code(hits: list[Named], outside: re.Pattern[str], text: str) -> Iterator[Named]:
    """Hits that are code. Comments and strings are looked for only in the few files that have a hit."""
    if hits:
        spans = Spans(outside, text)
        yield from (hit for hit in hits if not spans.hold(hit[1]))


IMPORTERS: dict[str, Importer] = {
    **dict.fromkeys((".py", ".pyw", ".pyi"), python),
    **dict.fromkeys(
        (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte", ".astro"), javascript
    ),
    ".go": go,
    ".rs": rust,
}
"""By suffix."""


class Modules:
    """The Python modules of a project, which hide packages of the same name."""

    def __init__(self, paths: frozenset[str]) -> None:
        self._paths = paths

    def hide(self, package: str, path: str) -> bool:
        """Whether ``import`` in the file at ``path`` finds the project's own module in place of the package.

        Python looks in folders that are no packages themselves: a script's own, the project's, and ``src``.
        """
        top = package.removeprefix("pymod:").partition(".")[0]
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            for place in (folder, f"{folder}/src".lstrip("/")):
                start = f"{place}/" if place else ""
                if f"{start}__init__.py" in self._paths:
                    continue
                module = f"{start}{top}.py"
                if f"{start}{top}/__init__.py" in self._paths or (module in self._paths and module != path):
                    return True
        return False
