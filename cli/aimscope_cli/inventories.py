"""The inventory and the local ignores a command works with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aimscope_cli import state
from aimscope_cli.output import Failure

if TYPE_CHECKING:
    from aimscope_collector.inventory.model import Ignore, Inventory


def find(stated: Path | None) -> tuple[Inventory | None, Path | None]:
    """The inventory in force and its file; ``(None, None)`` where there is none.

    Raises ``Failure`` with every problem of the file, line and field.
    """
    path = state.inventory_file(stated)
    return (None, None) if path is None else (read(path), path)


def read(path: Path) -> Inventory:
    """The inventory in a file. Raises ``Failure`` with every problem."""
    from aimscope_collector.inventory.load import load

    loaded = load(path)
    if loaded.content is None:
        raise Failure(f"{path} cannot be used", details=map(str, loaded.errors))
    return loaded.content


def ignores_path() -> Path:
    """The file of wrong detections that are ignored on this machine."""
    return state.state_path() / "ignores.yaml"


def local_ignores() -> tuple[Ignore, ...]:
    """Wrong detections that were ignored on this machine. Raises ``Failure`` where their file is broken."""
    path = ignores_path()
    if not os.path.lexists(path):
        return ()  # nearly always; what reads YAML takes long to load

    from aimscope_collector.inventory.ignores import load_ignores

    loaded = load_ignores(path)
    if loaded.content is None:
        raise Failure(f"{path} cannot be used", details=map(str, loaded.errors))
    return loaded.content.ignores
