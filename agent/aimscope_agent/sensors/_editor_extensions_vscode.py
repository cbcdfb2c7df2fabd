"""Extensions of VS Code and of what is built from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_agent.host.facts import Found, Platform
from aimscope_agent.sensor import Look
from aimscope_signatures.model import Observation

_HOMES: Final = {
    "vscode": ("~/.vscode", "~/.var/app/com.visualstudio.code/data/vscode"),
    "vscode-insiders": ("~/.vscode-insiders",),
    "vscode-server": ("~/.vscode-server", "~/.vscode-remote"),
    "vscode-server-insiders": ("~/.vscode-server-insiders",),
    "vscodium": ("~/.vscode-oss", "~/.var/app/com.vscodium.codium/data/codium"),
    "vscodium-insiders": ("~/.vscodium-insiders",),
    "vscodium-server": ("~/.vscodium-server",),
    "code-server": ("~/.local/share/code-server",),
    "openvscode-server": ("~/.openvscode-server",),
    "cursor": ("~/.cursor",),
    "cursor-server": ("~/.cursor-server",),
    "windsurf": ("~/.windsurf", "~/.windsurf-next"),
    "windsurf-server": ("~/.windsurf-server",),
    "trae": ("~/.trae", "~/.trae-cn"),
    "trae-server": ("~/.trae-server",),
    "kiro": ("~/.kiro",),
    "kiro-server": ("~/.kiro-server",),
    "antigravity": ("~/.antigravity",),
    "antigravity-server": ("~/.antigravity-server",),
    "positron": ("~/.positron",),
    "qoder": ("~/.qoder",),
    "void": ("~/.void-editor",),
}
"""Editors, and the folders in which they have a folder ``extensions``."""

_SETTINGS: Final = {
    "Code": "vscode",
    "Code - Insiders": "vscode-insiders",
    "VSCodium": "vscodium",
    "Cursor": "cursor",
    "Windsurf": "windsurf",
    "Trae": "trae",
    "Kiro": "kiro",
    "Antigravity": "antigravity",
}
"""Folders of settings, in which each further profile of a user lists the extensions it uses."""

_SETTINGS_IN: Final[dict[Platform, str]] = {
    "linux": "~/.config/",
    "macos": "~/Library/Application Support/",
    "windows": "~/AppData/Roaming/",
}


def _profiles(platform: Platform) -> dict[str, str]:
    return {
        f"{_SETTINGS_IN[platform]}{folder}/User/profiles/*/extensions.json": editor
        for folder, editor in _SETTINGS.items()
    }


_FOLDERS = {f"{home}/extensions/": editor for editor, homes in _HOMES.items() for home in homes}
WANTS = (*_FOLDERS, *(glob for platform in _SETTINGS_IN for glob in _profiles(platform)))

_ID = re.compile(r"[A-Za-z0-9][\w-]{0,127}\.[A-Za-z0-9][\w.-]{0,127}", re.ASCII)
_NAME = re.compile(r"(?P<id>[^.]+\..+?)-(?P<version>\d+\.\d+\.\d+)(?:-.+)?")
_ABSOLUTE = re.compile(r"(?:[A-Z]:)?/(?!.*(?:^|/)\.\.(?:/|$))", re.DOTALL)
_MOST = 10_000


def observe(look: Look) -> Iterator[Observation]:
    """What the editors' own lists name; folders of extensions where there is no list."""
    there: dict[tuple[str, str], dict[str, Found]] = {}
    """By editor and user: what lies in the folder of extensions, by host path and by name."""
    for glob, editor in _FOLDERS.items():
        for folder in look.found(glob):
            known = there.setdefault((editor, folder.user), {})
            for found in look.entries(folder):
                known[found.host_path] = known[found.host_path.rpartition("/")[2]] = found
            listed = look.json(f"{folder.host_path}/extensions.json")
            if isinstance(listed, list):
                yield from _listed(look, editor, known, listed)
            else:
                yield from _named(look, editor, folder)
    for glob, editor in _profiles(look.platform).items():
        for file in look.found(glob):
            listed = look.json(file)
            if isinstance(listed, list):
                yield from _listed(look, editor, there.get((editor, file.user), {}), listed)


def _listed(look: Look, editor: str, known: dict[str, Found], listed: list[object]) -> Iterator[Observation]:
    """Extensions of a list, as far as their folders are there."""
    for entry in listed[:_MOST]:
        if not isinstance(entry, dict):
            continue
        identifier, version = entry.get("identifier"), entry.get("version")
        extension = identifier.get("id") if isinstance(identifier, dict) else None
        if not isinstance(extension, str) or not _ID.fullmatch(extension):
            continue
        place = _place(entry)
        found = known.get(place) or (look.at(place) if _ABSOLUTE.match(place) else None)
        if found is not None and found.folder:
            yield _seen(look, editor, extension, version if isinstance(version, str) else "", found)


def _place(entry: dict[object, object]) -> str:
    """Where an entry says that its extension lies: a name in the folder of extensions, or a host path."""
    relative, location = entry.get("relativeLocation"), entry.get("location")
    if isinstance(relative, str) and relative:
        return relative
    path = location.get("path") if isinstance(location, dict) else location
    if not isinstance(path, str):
        return ""
    drive = re.match(r"/([A-Za-z]):/", path)
    return f"{drive[1].upper()}:/{path[4:]}" if drive else path


def _named(look: Look, editor: str, folder: Found) -> Iterator[Observation]:
    removed = look.json(f"{folder.host_path}/.obsolete")
    for found in look.entries(folder):
        name = found.host_path.rpartition("/")[2]
        match = _NAME.fullmatch(name)
        if match is None or not found.folder or not _ID.fullmatch(match["id"]):
            continue
        if not isinstance(removed, dict) or not removed.get(name):
            yield _seen(look, editor, match["id"], match["version"], found)


def _seen(look: Look, editor: str, extension: str, version: str, found: Found) -> Observation:
    return look.see(
        "editor_extension",
        found,
        id=f"vscode:{extension.lower()}",
        editor=editor,
        version=version,
        path=found.path,
    )
