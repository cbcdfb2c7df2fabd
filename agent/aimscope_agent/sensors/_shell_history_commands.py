"""Histories of shells as commands, and which of them are worth a closer look. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from aimscope_agent import launch_options
from aimscope_agent.launch import resolve
from aimscope_signatures.interests import Interests
from aimscope_signatures.normalise import package, process_name

Shell = Literal["bash", "zsh", "fish", "powershell"]

LONGEST: Final = 8_192
"""Characters of one command; what is longer is cut."""

_TIME = re.compile(r"#\d{6,}\s*\Z|\s*\Z")
_ZSH_TIME = re.compile(r"\A: \d+:\d+;")
_FISH_ESCAPE = re.compile(r"\\(.)")
_ATOM = re.compile(r"[^\W_]+")
_KEYWORDS = launch_options.SHELL_PREFIXES | {
    *("if", "then", "elif", "else", "while", "until", "do", "and", "or", "not", "begin", "!", "{")
}


def commands(text: str, shell: Shell) -> Iterator[str]:
    """Each command line of a history; those of several lines piece by piece, as far as the lines stand alone."""
    lines = (line.rstrip("\r") for line in text.split("\n"))
    match shell:
        case "fish":
            for line in lines:
                if line.startswith("- cmd: "):
                    command = _FISH_ESCAPE.sub(_unescaped, line[7 : 7 + 2 * LONGEST])
                    yield from _joined(command.split("\n"), "\\", 0)
        case "zsh":
            for command in _joined(lines, "\\", 1):
                yield _ZSH_TIME.sub("", command, count=1)
        case "powershell":
            yield from _joined(lines, "`", 1)
        case "bash":
            yield from _joined(lines, "\\", 0)


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _joined(lines: Iterable[str], escape: str, written: int) -> Iterator[str]:
    """Lines that continue one another as one.

    ``written`` is how many escapes the shell itself puts before a line break within a command: those do not
    continue a line, one that the user wrote does.
    """
    kept = ""
    for line in lines:
        escapes = len(line) - len(line.rstrip(escape))
        if escapes >= written:
            line = line[: len(line) - written]  # noqa: PLW2901 - the shell's own part of it
            escapes -= written
            if escapes % 2 and len(kept) < LONGEST:
                kept += line[:-1] + " "
                continue
        if not _TIME.match(kept + line):
            yield (kept + line)[:LONGEST]
        kept = ""
    if kept.strip():
        yield kept[:LONGEST]


class Tools:
    """The tools that a catalogue names, to be found among commands."""

    def __init__(self, interests: Interests) -> None:
        self._processes = interests.processes
        self._packages = interests.packages
        names = (*interests.processes, *(name.partition(":")[2] for name in interests.packages))
        self._atoms = frozenset(max(atoms, key=len) for name in names if (atoms := _ATOM.findall(name.lower())))

    def may_start(self, command: str) -> bool:
        """Whether a command contains a part of some name at all: nearly none does."""
        return not self._atoms.isdisjoint(_ATOM.findall(command.lower()))

    def started(self, command: str, shell: Shell) -> Iterator[tuple[str, str]]:
        """Process and package, one of them perhaps empty, for each named tool that a command line starts."""
        for words in launch_options.split_commands(command, shell == "powershell"):
            while words and words[0].lower() in _KEYWORDS:
                words = words[1:]  # noqa: PLW2901 - peeled from the left
            launch = resolve(words)
            process, resolved = process_name(launch.process), package(launch.package)
            process = process if process in self._processes else ""
            resolved = resolved if resolved in self._packages else ""
            if process or resolved:
                yield process, resolved
