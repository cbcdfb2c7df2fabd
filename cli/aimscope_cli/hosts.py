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


def project_on(root: Path | None, folder: Path) -> str:
    """What a project folder is called on the host: as it is here, or below the tree at ``root``.

    With a root both ways of naming it are understood: `/home/ann/app` on that machine, or the path it has here.
    Raises ``Failure`` where there is no such folder.
    """
    if root is None:
        if folder.is_dir():
            return str(folder.resolve())
        raise Failure(f"{folder} is no folder")
    tree = (root / "root" if (root / "machine.json").is_file() and (root / "root").is_dir() else root).resolve()
    here = folder.resolve()
    if here.is_dir() and here.is_relative_to(tree):
        return "/" + here.relative_to(tree).as_posix()
    inside = (
        tree / folder.as_posix().partition(":")[2].lstrip("/")
        if ":" in folder.parts[0]
        else tree / str(folder).lstrip("/")
    )
    if inside.resolve().is_relative_to(tree) and inside.is_dir():
        return folder.as_posix()
    raise Failure(f"{folder} is no folder, neither in {root} nor below it")


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
