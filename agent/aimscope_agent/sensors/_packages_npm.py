"""Packages in ``node_modules``, whoever put them there: npm, pnpm, yarn or bun."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import MEGABYTE, Look
from aimscope_signatures.model import Observation

_ANYWHERE = "**/node_modules/"
_OF_DISTRIBUTION = "/usr/lib/node_modules/"

WANTS = (_ANYWHERE, _OF_DISTRIBUTION)

_STORES = re.compile(r"/(?:\.pnpm|\.pnpm-store|pnpm/store)/")
"""Everything that pnpm links to from elsewhere."""
_NAME = re.compile(r"(?:@[\w.~-]{1,214}/)?[\w.~-]{1,214}", re.ASCII)
_LOCK = ".package-lock.json"
_MOST_LOCK = 16 * MEGABYTE


def observe(look: Look) -> Iterator[Observation]:
    """What lies directly in each ``node_modules``."""
    folders = {found.host_path: found for glob in WANTS for found in look.found(glob)}
    for path, folder in folders.items():
        if not _STORES.search(path):
            yield from _installed(look, folder)


def _installed(look: Look, folder: Found) -> Iterator[Observation]:
    entries = {entry.host_path.rpartition("/")[2]: entry for entry in look.entries(folder)}
    manager = _manager(folder, entries)
    # npm writes down what it has put here: one file to read instead of a thousand.
    locked = _locked(look, entries[_LOCK]) if manager == "npm" and _LOCK in entries else {}
    for inside, member in _members(look, entries):
        name, version = locked.get(inside) or _told(look, member)
        if name:
            yield look.see("package", member, package=f"npm:{name}", version=version, manager=manager, path=folder.path)


def _members(look: Look, entries: dict[str, Found]) -> Iterator[tuple[str, Found]]:
    """Folders that may be packages, with their names here: ``x`` and ``@scope/x``."""
    for name, entry in entries.items():
        if not entry.folder or name.startswith("."):
            continue
        if name.startswith("@"):
            for member in look.entries(entry):
                if member.folder:
                    yield f"{name}/{member.host_path.rpartition('/')[2]}", member
        else:
            yield name, entry


def _manager(folder: Found, names: Container[str]) -> str:
    """Who looks after the folder, by the files each leaves in it."""
    if ".modules.yaml" in names or ".pnpm" in names:
        return "pnpm"
    if ".yarn-integrity" in names or ".yarn-state.yml" in names:
        return "yarn"
    return "bun" if "/.bun/" in folder.host_path else "npm"


def _locked(look: Look, lock: Found) -> dict[str, tuple[str, str]]:
    """Name and version by folder. What stands under another name here has its own name beside it."""
    content = look.json(lock, _MOST_LOCK)
    packages = content.get("packages") if isinstance(content, dict) else None
    result: dict[str, tuple[str, str]] = {}
    for place, about in packages.items() if isinstance(packages, dict) else ():
        _, here, inside = place.partition("node_modules/") if isinstance(place, str) else ("", "", "")
        if here and isinstance(about, dict) and (pair := _pair(about.get("name", inside), about.get("version")))[0]:
            result[inside] = pair
    return result


def _told(look: Look, member: Found) -> tuple[str, str]:
    """Name and version that a package says of itself; empty where it is none."""
    about = look.json(f"{member.host_path}/package.json", MEGABYTE)
    return _pair(about.get("name"), about.get("version")) if isinstance(about, dict) else ("", "")


def _pair(name: object, version: object) -> tuple[str, str]:
    if isinstance(name, str) and isinstance(version, str) and version and _NAME.fullmatch(name):
        return name, version
    return "", ""
