"""Which host a scan looks at: this machine, a tree, or a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aimscope_cli.output import Failure, hint

if TYPE_CHECKING:
    from aimscope_agent.host.machine import Host

_TOP = (
    "home",
    "root",
    "etc",
    "usr",
    "var",
    "opt",
    "srv",
    "Users",
    "Applications",
    "Library",
    "Windows",
    "Program Files",
)
"""Folders of which every machine has some."""


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
        host = OfflineHost(root)
        if not any((root / name).is_dir() for name in _TOP):
            hint(f"{root} does not look like the root of a machine: none of {', '.join(_TOP)} is in it")
        return host
    except ValueError as error:
        raise Failure(str(error)) from None


def open_projects(folders: Sequence[Path]) -> tuple[Host, tuple[str, ...]]:
    """A host for project folders, and what they are called on it: files only, nothing of the running machine."""
    from aimscope_agent.host.offline import OfflineHost

    drives = {folder.anchor for folder in folders}
    if len(drives) != 1:
        raise Failure(f"project folders of one drive at a time, not of {', '.join(sorted(drives))}")
    drive = Path(drives.pop())
    try:
        # on a host every path starts at its root, whichever drive that is
        return OfflineHost(drive), tuple("/" + "/".join(folder.parts[1:]) for folder in folders)
    except ValueError as error:
        raise Failure(str(error)) from None
