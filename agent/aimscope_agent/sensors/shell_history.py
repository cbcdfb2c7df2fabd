"""Sensor: which AI tools were started from shells, as their histories tell. Off unless asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import MEGABYTE, Look, Sensor
from aimscope_agent.sensors._shell_history_commands import Shell, Tools, commands
from aimscope_signatures.model import Observation, Status

_FILES: Final[dict[str, Shell]] = {
    "~/.bash_history": "bash",
    "~/{.zsh_history,.zhistory,.histfile}": "zsh",
    "~/.config/zsh/{.zsh_history,.zhistory}": "zsh",
    "~/.local/state/zsh/history": "zsh",
    "~/.local/share/fish/*_history": "fish",
    "~/.local/share/powershell/PSReadLine/*_history.txt": "powershell",
    "~/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/*_history.txt": "powershell",
}
_MOST_BYTES = 8 * MEGABYTE
_MOST_LOOKED_AT = 20_000
"""Different command lines of one history that are taken apart, because they contain a part of some name."""


def observe(look: Look) -> Iterator[Observation]:
    """How often each history started each tool."""
    tools = Tools(look.interests)
    for glob, shell in _FILES.items():
        for file in look.found(glob):
            text = look.text(file, _MOST_BYTES)
            if text is None:
                continue
            for (process, package), count in sorted(_counted(look, file, tools, text, shell).items()):
                yield look.see("shell.command", file, process=process, package=package, count=count)


def _counted(look: Look, file: Found, tools: Tools, text: str, shell: Shell) -> Counter[tuple[str, str]]:
    lines = Counter(command for command in commands(text, shell) if tools.may_start(command))
    if len(lines) > _MOST_LOOKED_AT:
        look.gap(file.path, Status.PARTIAL, f"looked at {_MOST_LOOKED_AT:,} different commands only")
    started: Counter[tuple[str, str]] = Counter()
    for command, times in list(lines.items())[:_MOST_LOOKED_AT]:
        for tool in tools.started(command, shell):
            started[tool] += times
    return started


SENSOR = Sensor(
    name="shell_history",
    doc="AI tools started from a shell, with how often, from the histories of bash, zsh, fish and PowerShell.",
    emits=("shell.command",),
    observe=observe,
    wants=tuple(_FILES),
    opt_in=True,
    privacy=(
        "Reads the histories of every user's shells; keeps only the names of tools that the catalogue knows and how "
        "often each was started: no arguments, no times and no other commands."
    ),
)
