"""Path patterns of the catalogue: what of them is looked for, and how a hit is written."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look


def usable(pattern: str) -> bool:
    """Whether a pattern of a signature starts at a place that a look knows."""
    return pattern.startswith(("~/", "/", "./"))


def reduced(pattern: str) -> str:
    """The shortest path below which a pattern holds: ``~/.cursor/**`` → the folder ``~/.cursor/``."""
    head, everything, _ = pattern.partition("/**")
    return head + "/" if everything else pattern


def shortest(look: Look, glob: str) -> Iterator[Found]:
    """The shortest hit of a glob in each home and project; an empty folder is none."""
    best: dict[tuple[str, str], Found] = {}
    for found in look.found(glob):
        if found.folder and not look.entries(found):
            continue
        place = (found.user, in_project(look, found)[1])
        if place not in best or _length(found) < _length(best[place]):
            best[place] = found
    yield from best.values()


def _length(found: Found) -> tuple[int, str]:
    return found.host_path.count("/"), found.host_path


def in_project(look: Look, file: Found) -> tuple[str, str]:
    """A path below its project (``./CLAUDE.md``), and the project as it is reported; the path itself elsewhere."""
    projects = (look.at(project) for project in look.options.projects)
    inside = [root for root in projects if file.host_path.startswith(root.host_path.rstrip("/") + "/")]
    if not inside:
        return file.path, ""
    root = max(inside, key=lambda each: len(each.host_path))
    return "." + file.host_path[len(root.host_path.rstrip("/")) :], root.path
