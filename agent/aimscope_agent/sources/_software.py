"""Software as osquery's tables tell it, whoever asked: kind and fields of an observation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from aimscope_agent.sources import _names as names
from aimscope_signatures.model import Value

Fields = dict[str, Value]
Seen = tuple[str, Fields]


class Software(msgspec.Struct, frozen=True):
    """A row of one of the tables. ``holder`` is the browser or editor of an extension."""

    name: str
    version: str = ""
    publisher: str = ""
    identifier: str = ""
    holder: str = ""
    path: str = ""


def seen(table: str, it: Software) -> Seen | None:
    """What a row of ``table`` is; ``None`` for a table that holds no software, and a row that names none."""
    make = _TABLES.get(table)
    found = make(it) if make and (it.name or it.identifier) else None
    if found is not None:
        found[1]["version"] = it.version
        if found[0] != "browser_extension":
            found[1]["path"] = names.place(it.path)[0]
    return found


def _application(identifier: names.Ids, it: Software) -> Seen:
    return "application", {"id": identifier, "name": it.name, "publisher": it.publisher}


def _bundle(it: Software) -> Seen:
    return _application(f"bundle:{it.identifier}" if it.identifier else "", it)


def _program(it: Software) -> Seen:
    return _application(names.named(it.name, it.publisher), it)


def _managed(manager: str) -> Callable[[Software], Seen]:
    return lambda it: _application(f"{manager}:{it.name}", it)


def _homebrew(it: Software) -> Seen:
    manager = "cask" if "/Caskroom/" in it.path or it.holder == "cask" else "brew"
    return _application(f"{manager}:{it.name}", it)


def _package(ecosystem: str, manager: str) -> Callable[[Software], Seen]:
    return lambda it: ("package", {"package": f"{ecosystem}:{it.name}", "manager": manager})


def _browser(family: str) -> Callable[[Software], Seen | None]:
    def make(it: Software) -> Seen | None:
        identifier = names.browser_extension(family, it.identifier)
        fields: Fields = {"id": identifier, "browser": it.holder or family, "name": it.name}
        return ("browser_extension", fields) if identifier else None

    return make


def _editor(it: Software) -> Seen | None:
    name = it.name if "." in it.name else f"{it.publisher}.{it.name}" if it.publisher else ""
    editor = (it.holder or "vscode").replace("_", "-")
    return ("editor_extension", {"id": f"vscode:{name.lower()}", "editor": editor}) if name else None


def _jetbrains(it: Software) -> Seen | None:
    name = it.identifier or it.name
    return "editor_extension", {"id": f"jetbrains:{name}", "editor": it.holder or "jetbrains"}


_TABLES: Final[dict[str, Callable[[Software], Seen | None]]] = {
    "apps": _bundle,
    "programs": _program,
    "deb_packages": _managed("dpkg"),
    "rpm_packages": _managed("rpm"),
    "homebrew_packages": _homebrew,
    "chocolatey_packages": _managed("choco"),
    "python_packages": _package("pypi", "pip"),
    "npm_packages": _package("npm", "npm"),
    "go_binaries": _package("go", "go"),
    "chrome_extensions": _browser("chrome"),
    "firefox_addons": _browser("firefox"),
    "safari_extensions": _browser("safari"),
    "vscode_extensions": _editor,
    "jetbrains_plugins": _jetbrains,
}
EMITS: Final = ("application", "browser_extension", "editor_extension", "package")
