"""launchd jobs: where they lie, and what of them matters here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aimscope_agent.host.facts import Found
from aimscope_agent.launch import Launch, resolve
from aimscope_agent.sensor import Look

GLOBS = tuple(
    f"{folder}/*.plist" for folder in ("/Library/LaunchDaemons", "/Library/LaunchAgents", "~/Library/LaunchAgents")
)
_TIMED = ("StartCalendarInterval", "StartInterval")


class Job(NamedTuple):
    """One job. ``timed``: it is started by the clock."""

    file: Found
    label: str
    launch: Launch
    enabled: bool
    timed: bool


def jobs(look: Look) -> Iterator[Job]:
    """Every job of the system and of its users."""
    for glob in GLOBS:
        for file in look.found(glob):
            content = look.plist(file)
            if isinstance(content, dict) and (words := _words(content)):
                label = content.get("Label")
                name = file.host_path.rpartition("/")[2].removesuffix(".plist")
                yield Job(
                    file,
                    label if isinstance(label, str) and label else name,
                    resolve(words),
                    content.get("Disabled") is not True,
                    any(key in content for key in _TIMED),
                )


def _words(content: Mapping[object, object]) -> list[str]:
    """Program and arguments. Where ``Program`` is told, the first argument is only the name it is given."""
    given = content.get("ProgramArguments")
    words = [word for word in given if isinstance(word, str)] if isinstance(given, list) else []
    for key in ("Program", "BundleProgram"):
        program = content.get(key)
        if isinstance(program, str) and program:
            return [program, *words[1:]]
    return words
