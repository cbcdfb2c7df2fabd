"""Sensor: plug-ins of editors and development environments."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors import _editor_extensions_folders as folders
from aimscope_agent.sensors import _editor_extensions_jetbrains as jetbrains
from aimscope_agent.sensors import _editor_extensions_vscode as vscode
from aimscope_signatures.model import Observation


def observe(look: Look) -> Iterator[Observation]:
    """Each plug-in once for each place, however many lists name it."""
    seen: set[tuple[object, ...]] = set()
    for family in (vscode, jetbrains, folders):
        for found in family.observe(look):
            key = (found.subject, found.kind, *sorted(found.fields.items()))
            if key not in seen:
                seen.add(key)
                yield found


SENSOR = Sensor(
    name="editor_extensions",
    doc="Plug-ins of editors: the VS Code family, JetBrains, Vim, Neovim, Emacs, Zed, Sublime Text.",
    emits=("editor_extension",),
    observe=observe,
    wants=(*vscode.WANTS, *jetbrains.WANTS, *folders.WANTS),
)
