"""Lock files: what was resolved, by one expression for each form. They are long, so nothing is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from aimscope_agent.sensors.code.text import Named

_NPM = r"(?:@[\w.~-]{1,214}/)?[\w.~-]{1,214}"
_TOML = re.compile(r"^\[\[package\]\]\s*\nname = \"(?P<name>[^\"\n]{1,214})\"", re.MULTILINE)


class Lock(msgspec.Struct, frozen=True):
    """``pattern`` finds one entry, its group ``name`` the package."""

    ecosystem: str
    pattern: re.Pattern[str]

    def read(self, text: str) -> Iterator[Named]:
        """Every entry."""
        for found in self.pattern.finditer(text):
            yield f"{self.ecosystem}:{found['name']}", found.start("name")


_PACKAGE_LOCK = Lock(
    "npm",
    # version 2 and 3 name folders, version 1 nested packages
    re.compile(
        rf"\"(?:[^\"\n]{{0,2000}}/)?node_modules/(?P<name>{_NPM})\"\s*:\s*\{{"
        rf"|\"(?P<old>{_NPM})\"\s*:\s*\{{\s*\"version\""
        # a package under another name has its own beside it
        rf"|\"name\"\s*:\s*\"(?P<alias>{_NPM})\""
    ),
)


def _package_lock(text: str) -> Iterator[Named]:
    for found in _PACKAGE_LOCK.pattern.finditer(text):
        group = str(found.lastgroup)
        yield f"npm:{found[group]}", found.start(group)


LOCKS = {
    "poetry.lock": Lock("pypi", _TOML).read,
    "uv.lock": Lock("pypi", _TOML).read,
    "pdm.lock": Lock("pypi", _TOML).read,
    "cargo.lock": Lock("cargo", _TOML).read,
    "pipfile.lock": Lock("pypi", re.compile(r"^ {8}\"(?P<name>[\w.-]{1,214})\": \{", re.MULTILINE)).read,
    "package-lock.json": _package_lock,
    "npm-shrinkwrap.json": _package_lock,
    "pnpm-lock.yaml": Lock(
        "npm", re.compile(rf"^ {{2}}['\"]?/?(?P<name>{_NPM})[@/]\d[^\n]{{0,4000}}:", re.MULTILINE)
    ).read,
    "yarn.lock": Lock("npm", re.compile(rf"^\"?(?P<name>{_NPM})@", re.MULTILINE)).read,
    "bun.lock": Lock("npm", re.compile(rf"^\s{{0,8}}\"[^\"\n]{{1,500}}\": \[\"(?P<name>{_NPM})@", re.MULTILINE)).read,
    "go.sum": Lock("go", re.compile(r"^(?P<name>[\w.~/-]{1,500}) v\d", re.MULTILINE)).read,
    "gemfile.lock": Lock("gem", re.compile(r"^ {4}(?P<name>[\w.-]{1,214}) \(", re.MULTILINE)).read,
    "composer.lock": Lock(
        "composer", re.compile(r"^ {12}\"name\": \"(?P<name>[\w.-]{1,100}/[\w.-]{1,100})\"", re.MULTILINE)
    ).read,
}
"""By file name, in lower case."""
