"""Applications of a Linux machine: the distribution's packages, Snap, Flatpak, AppImage, desktop entries, Homebrew."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aimscope_agent.sensor import MEGABYTE, Look
from aimscope_agent.sensors import _applications_folders as folders
from aimscope_signatures.model import Observation

_DPKG = "/var/lib/dpkg/status"
_MOST_DPKG = 32 * MEGABYTE
_MOST_STANZA = 65_536
_RPM = "/{var/lib,usr/lib/sysimage}/rpm/rpmdb.sqlite"
_SNAPS = "/snap/*/"
_SNAP_FILES = "/var/lib/snapd/snaps/*.snap"
_FLATPAK_SYSTEM = "/var/lib/flatpak/app/*/"
_FLATPAK_USER = "~/.local/share/flatpak/app/*/"
_APPIMAGE_USER = "~/{,Applications/,AppImages/,Desktop/,Downloads/,bin/,.local/bin/}*.{AppImage,appimage}"
_APPIMAGE_SYSTEM = "/opt/*.{AppImage,appimage}"
_DESKTOP_SYSTEM = "/usr/{,local/}share/applications/*.desktop"
_DESKTOP_USER = "~/.local/share/applications/*.desktop"
_MOST_DESKTOP = 512 * 1024

WANTS = (
    _DPKG,
    _RPM,
    _SNAPS,
    _SNAP_FILES,
    _FLATPAK_SYSTEM,
    _FLATPAK_USER,
    _APPIMAGE_SYSTEM,
    _APPIMAGE_USER,
    _DESKTOP_SYSTEM,
    _DESKTOP_USER,
    folders.BREW,
)


def observe(look: Look) -> Iterator[Observation]:
    """Everything; the same application may come from two sources."""
    yield from _dpkg(look)
    yield from _rpm(look)
    yield from _snap(look)
    for glob in (_FLATPAK_SYSTEM, _FLATPAK_USER):
        yield from folders.named(look, "flatpak", look.found(glob))
    for glob in (_APPIMAGE_SYSTEM, _APPIMAGE_USER):
        yield from _appimage(look, glob)
    for glob in (_DESKTOP_SYSTEM, _DESKTOP_USER):
        yield from _desktop(look, glob)
    yield from folders.versioned(look, "brew", look.found(folders.BREW))


# the distribution's packages

_FIELD = re.compile(r"^(Package|Status|Version|Maintainer):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_ADDRESS = re.compile(r"[ \t]*<[^<>]*>|\S+@\S+")


def _dpkg(look: Look) -> Iterator[Observation]:
    """The package database; its paragraphs are taken one at a time, since it may have megabytes."""
    text = look.text(_DPKG, _MOST_DPKG) or ""
    start = 0
    while start < len(text):
        end = text.find("\n\n", start)
        end = len(text) if end < 0 else end
        fields = dict(_FIELD.findall(text, start, min(end, start + _MOST_STANZA)))
        start = end + 2
        name = fields.get("Package", "")
        # Three words: what is wanted, whether all is well, what is. A package on hold is installed.
        if name and fields.get("Status", "").split()[2:] == ["installed"]:
            publisher = _ADDRESS.sub("", fields.get("Maintainer", "")).strip(" \t\"'")
            version = fields.get("Version")
            yield look.see("application", _DPKG, id=f"dpkg:{name}", version=version, publisher=publisher)


def _rpm(look: Look) -> Iterator[Observation]:
    """What the fixed command tells: name, version, vendor, divided by tabs. Of a tree, the names in its database."""
    told = look.command("rpm")
    if told is None:
        yield from _rpm_names(look)
    for line in (told or "").splitlines():
        name, _, rest = line.partition("\t")
        version, _, vendor = rest.partition("\t")
        if name and version:
            publisher = "" if vendor == "(none)" else vendor
            yield look.see("application", "rpm", id=f"rpm:{name}", name=name, version=version, publisher=publisher)


def _rpm_names(look: Look) -> Iterator[Observation]:
    """The index of names: versions lie in headers of up to megabytes, which are not worth reading here."""
    databases = {file.host_path.rpartition("/")[2]: file for file in look.found(_RPM)}  # one is often a link
    for file in databases.values():
        for (name,) in look.rows(file, "SELECT DISTINCT key FROM Name") or ():
            if isinstance(name, str) and name:
                yield look.see("application", file, id=f"rpm:{name}", name=name)


# what comes beside them


def _snap(look: Look) -> Iterator[Observation]:
    """Mounted snaps and those that are not; what follows ``_`` names a second copy or the revision."""
    for found in (*look.found(_SNAPS), *look.found(_SNAP_FILES)):
        name = folders.base(found.host_path).partition("_")[0].removesuffix(".snap")
        if name and name != "bin" and not name.startswith("."):
            yield look.see("application", found, id=f"snap:{name}")


_END_OF_NAME = re.compile(r"[-_.]v?\d|[-_](?:linux|x86|x64|amd64|arm64|aarch64)|\.appimage\Z")


def _appimage(look: Look, glob: str) -> Iterator[Observation]:
    for found in look.found(glob):
        name = _END_OF_NAME.split(folders.base(found.host_path).lower(), maxsplit=1)[0].strip()
        if name:
            yield look.see("application", found, id=f"appimage:{name}", path=found.path)


def _desktop(look: Look, glob: str) -> Iterator[Observation]:
    for found in look.found(glob):
        text = look.text(found, _MOST_DESKTOP)
        entry = _entry(text) if text else {}
        # Hidden means deleted: somebody took away what the system offers.
        if entry.get("Type", "Application") != "Application" or entry.get("Hidden") == "true" or not entry.get("Name"):
            continue
        name = folders.base(found.host_path).removesuffix(".desktop")
        yield look.see("application", found, id=f"desktop:{name}", name=entry["Name"], path=found.path)


_GROUP = re.compile(r"^\[Desktop Entry\]", re.MULTILINE)
_KEY = re.compile(r"^(Type|Name|Hidden)[ \t]*=[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)


def _entry(text: str) -> dict[str, str]:
    """Keys of the main group, as they are without a language; actions have groups of their own."""
    group = _GROUP.search(text)
    if group is None:
        return {}
    end = text.find("\n[", group.end())
    return dict(_KEY.findall(text, group.end(), end if end >= 0 else len(text)))
