"""Applications of a Windows machine: installers' records, packaged apps, winget, Chocolatey, Scoop."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aimscope_agent.sensor import Look
from aimscope_agent.sensors import _applications_folders as folders
from aimscope_signatures.model import Observation

_UNINSTALL = "Microsoft/Windows/CurrentVersion/Uninstall"
_STORE = "HKLM/SOFTWARE/Microsoft/Windows/CurrentVersion/Appx/AppxAllUserStore/Applications"

_PACKAGED = "C:/Program Files/WindowsApps/*_*_*/"
_PACKAGED_USER = "~/AppData/Local/Packages/*_*/"
_PORTABLE_USER = "~/AppData/Local/Microsoft/WinGet/Packages/*_Microsoft.Winget.Source_*/"
_PORTABLE_SYSTEM = "C:/Program Files/WinGet/Packages/*_Microsoft.Winget.Source_*/"
_CHOCO = "C:/ProgramData/chocolatey/lib/*/"
_SCOOP_USER = "~/scoop/apps/*/"
_SCOOP_SYSTEM = "C:/ProgramData/scoop/apps/*/"

WANTS = (_PACKAGED, _PACKAGED_USER, _PORTABLE_USER, _PORTABLE_SYSTEM, _CHOCO, _SCOOP_USER, _SCOOP_SYSTEM)


def observe(look: Look) -> Iterator[Observation]:
    """Everything; the same application may come from two sources."""
    for hive in ("SOFTWARE", "SOFTWARE/WOW6432Node"):
        yield from _installed(look, f"HKLM/{hive}/{_UNINSTALL}")
    for user in look.users:
        yield from _installed(look, f"HKU/{user.name}/SOFTWARE/{_UNINSTALL}", user.name)
    yield from _packaged(look)
    for glob in (_PORTABLE_SYSTEM, _PORTABLE_USER):
        for found in look.found(glob):
            name = _WINGET.split(folders.base(found.host_path), maxsplit=1)[0]
            if name:
                yield look.see("application", found, id=f"winget:{name}")
    yield from folders.named(look, "choco", look.found(_CHOCO))
    for glob in (_SCOOP_SYSTEM, _SCOOP_USER):
        yield from folders.named(look, "scoop", look.found(glob), but=frozenset({"scoop"}))


_WINGET = re.compile(r"_Microsoft\.Winget\.Source_", re.IGNORECASE)


def _installed(look: Look, key: str, user: str = "") -> Iterator[Observation]:
    """What installers wrote for "Apps & features"; records without a name belong to another one's."""
    for row in look.registry(key):
        values = {name.lower(): value for name, value in row.values.items()}
        if name := values.get("displayname", "").strip():
            yield look.see(
                "application",
                f"{key}/{row.key}",
                subject=user,
                id=f"uninstall:{name}",
                version=values.get("displayversion", "").strip(),
                publisher=values.get("publisher", "").strip(),
            )


# name, version, processor, resources (often empty), digest of the publisher
_FULL_NAME = re.compile(r"([a-z0-9.-]+)_(\d+(?:\.\d+){1,3})_[\w.~-]*_[a-z0-9]{13}\Z", re.ASCII | re.IGNORECASE)


_FAMILY = re.compile(r"([a-z0-9.-]+)_[a-z0-9]{13}\Z", re.ASCII | re.IGNORECASE)


def _packaged(look: Look) -> Iterator[Observation]:
    """Packaged apps. Who may not list their folder still finds the data of those that a user has."""
    told: set[str] = set()
    for found in look.found(_PACKAGED):
        if full := _FULL_NAME.match(folders.base(found.host_path)):
            told.add(full[1].lower())
            yield look.see("application", found, id=f"msix:{full[1]}", version=full[2])
    for row in look.registry(_STORE):
        if full := _FULL_NAME.match(row.key):
            told.add(full[1].lower())
            yield look.see("application", f"{_STORE}/{row.key}", id=f"msix:{full[1]}", version=full[2])
    for found in look.found(_PACKAGED_USER):
        family = _FAMILY.match(folders.base(found.host_path))
        if family and family[1].lower() not in told:
            yield look.see("application", found, id=f"msix:{family[1]}")
