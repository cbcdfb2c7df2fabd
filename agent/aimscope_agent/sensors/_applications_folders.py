"""Package managers that keep one folder for each application: its name tells, and the folders in it are versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look
from aimscope_signatures.model import Observation

BREW = "/{opt/homebrew,usr/local,home/linuxbrew/.linuxbrew}/Cellar/*/*/"
CASK = "/{opt/homebrew,usr/local}/Caskroom/*/*/"


def base(path: str) -> str:
    """Last part of a path."""
    return path.rpartition("/")[2]


def named(
    look: Look, manager: str, folders: Iterable[Found], *, but: frozenset[str] = frozenset()
) -> Iterator[Observation]:
    """One application for each folder, called like it; names in ``but`` and hidden ones are none."""
    for folder in folders:
        name = base(folder.host_path)
        if name not in but and not name.startswith("."):
            yield look.see("application", folder, id=f"{manager}:{name}")


def versioned(look: Look, manager: str, folders: Iterable[Found]) -> Iterator[Observation]:
    """One application for each folder that holds folders of versions; the newest version is the one that counts."""
    versions: dict[str, list[str]] = {}
    for folder in folders:
        parent, _, version = folder.host_path.rpartition("/")
        # Homebrew keeps its own notes in `.metadata`.
        versions.setdefault(parent, []).extend([] if version.startswith(".") else [version])
    for parent, found in versions.items():
        newest = max(found, key=age, default=None)
        yield look.see("application", look.at(parent), id=f"{manager}:{base(parent)}", version=newest)


def age(version: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts versions by their numbers: 1.10 after 1.9, 2.0 after 2.0-rc1."""
    return (*(_rank(part) for part in re.findall(r"\d+|[^\W\d_]+", version)[:64]), (1, 0, ""))


def _rank(part: str) -> tuple[int, int, str]:
    # More than 18 digits are a date or a digest: they need not fit the arithmetic of anybody.
    return (2, int(part[:18]), "") if part.isdecimal() else (0, 0, part)
