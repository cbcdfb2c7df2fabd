"""Which host a scan looks at: this machine, a tree, or a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aimscope_cli.output import Failure

if TYPE_CHECKING:
    from aimscope_agent.host.machine import Host


def open_host(root: Path | None) -> Host:
    """The live machine, or the tree at ``root`` (a recorded host: its folder with `machine.json` and `root/`)."""
    if root is None:
        from aimscope_agent.host.live import LiveHost

        return LiveHost()
    from aimscope_agent.host.offline import OfflineHost

    machine = root / "machine.json"
    try:
        if machine.is_file() and (root / "root").is_dir():
            return OfflineHost(root / "root", machine)
        return OfflineHost(root)
    except ValueError as error:
        raise Failure(str(error)) from None


def open_projects(folder: Path) -> Host:
    """A host for project folders: files only, nothing of the running machine."""
    from aimscope_agent.host.offline import OfflineHost

    try:
        return OfflineHost(Path(folder.anchor))
    except ValueError as error:
        raise Failure(str(error)) from None
