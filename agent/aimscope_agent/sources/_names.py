"""Names as exports write them → the identifiers that the sensors of a machine give the same things."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

_PACKAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)+\Z", re.ASCII)
_HOME: Final = re.compile(r"(?:/(?:Users|home)/|[A-Za-z]:[\\/]Users[\\/])([^\\/]+)(?=[\\/])")
_CHROME: Final = re.compile(r"[a-p]{32}")
_ECOSYSTEMS: Final = {
    "cargo": "cargo",
    "composer": "composer",
    "conda": "conda",
    "gem": "gem",
    "golang": "go",
    "maven": "maven",
    "npm": "npm",
    "nuget": "nuget",
    "pypi": "pypi",
}
_PLATFORMS: Final = (
    ("windows", re.compile(r"windows|win32", re.IGNORECASE)),
    ("macos", re.compile(r"mac|darwin|osx", re.IGNORECASE)),
    ("linux", re.compile(r"linux|ubuntu|debian|red ?hat|rhel|centos|suse|fedora", re.IGNORECASE)),
    ("mobile", re.compile(r"ios|ipad|android", re.IGNORECASE)),
)
Ids = str | tuple[str, ...]


def platform_of(text: str) -> str:
    """`windows`, `macos`, `linux` or `mobile`; empty where nothing says so."""
    return next((name for name, words in _PLATFORMS if words.search(text)), "")


def named(name: str, publisher: str = "", platform: str = "windows") -> Ids:
    """The identifier of an application of which an inventory knows the name alone.

    Windows lists programs by name, and so does the catalogue, together with who publishes them. On another platform a
    name without its publisher would be a guess: there it has no identifier. Packaged apps go by the name of their
    package (`OpenAI.ChatGPT-Desktop`).
    """
    if not name or (platform not in {"windows", ""} and not publisher):
        return ""
    if platform in {"windows", ""} and _PACKAGE.match(name):
        return (f"uninstall:{name}", f"msix:{name}")
    return f"uninstall:{name}"


def place(path: str) -> tuple[str, str]:
    """A path with ``~`` for the home it lies in, and whose home that is."""
    found = _HOME.match(path)
    if found is None or found[1].casefold() in {"shared", "public", "default"}:
        return path, ""
    return "~" + path[found.end() :].replace("\\", "/"), found[1]


def browser_extension(browser: str, identifier: str) -> str:
    """``chrome:<id>`` for the Chromium family, ``firefox:<id>``, ``safari:<bundle id>``; empty for what is none."""
    if not identifier:
        return ""
    lower = browser.casefold()
    if "firefox" in lower or "mozilla" in lower:
        return f"firefox:{identifier}"
    if "safari" in lower:
        return f"safari:{identifier}"
    return f"chrome:{identifier}" if _CHROME.fullmatch(identifier) else ""


class Purl(NamedTuple):
    """A package URL, taken apart: ``pkg:type/namespace/name@version?qualifiers``."""

    type: str
    namespace: str
    name: str
    version: str
    qualifiers: dict[str, str]

    @property
    def full(self) -> str:
        """Name with its namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def package(self) -> str:
        """As the kinds write it: ``npm:@openai/codex``; empty for what is no package of a language."""
        ecosystem = _ECOSYSTEMS.get(self.type, "")
        name = self.full.replace("/", ":") if ecosystem == "maven" else self.full
        return f"{ecosystem}:{name}" if ecosystem else ""


def purl(text: str) -> Purl | None:
    """``None`` for what is no package URL."""
    scheme, _, rest = text.partition(":")
    if scheme.casefold() != "pkg":
        return None
    rest, _, after = rest.partition("#")[0].partition("?")
    rest, at, version = rest.rpartition("@") if "@" in rest.rpartition("/")[2] else (rest, "", "")
    parts = [unquote(part) for part in rest.strip("/").split("/") if part]
    if len(parts) < 2:
        return None
    qualifiers = {key: unquote(value) for key, _, value in (each.partition("=") for each in after.split("&")[:32])}
    return Purl(parts[0].casefold(), "/".join(parts[1:-1]), parts[-1], unquote(version) if at else "", qualifiers)
