"""Windows tasks: one XML file each."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from aimscope_agent.readers.services_windows import words as words_of

_MOST_ACTIONS = 64
_DECLARATION = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)")


def command_lines(text: str) -> list[list[str]] | None:
    """The command line of each action that starts a program; ``None`` if the text is no task."""
    if _DECLARATION.search(text):
        return None
    try:
        task = ET.fromstring(text.lstrip())  # noqa: S314 - entities are refused above
    except (ET.ParseError, ValueError):
        return None
    actions = task.findall("{*}Actions/{*}Exec")[:_MOST_ACTIONS]
    lines = [_words(action.findtext("{*}Command"), action.findtext("{*}Arguments")) for action in actions]
    return [words for words in lines if words]


def _words(command: str | None, arguments: str | None) -> list[str]:
    program = (command or "").strip().strip('"')
    return [program, *words_of(arguments or "")] if program else []
