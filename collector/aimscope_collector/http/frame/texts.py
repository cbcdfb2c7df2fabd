"""Every text of the pages, in one place: ``texts/<language>/*.yaml``, a name for each; what is missing is a defect.

A text is formatted with named values; where it depends on a number, it has a form for ``one`` and one for ``other``,
told by ``n``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final

import msgspec
import yaml

LANGUAGE: Final = "en"
Text = str | dict[str, str]


@functools.cache
def texts(language: str = LANGUAGE) -> Mapping[str, Text]:
    """Every text by its dotted name. Raises ``ValueError`` for a name that two files give."""
    found: dict[str, Text] = {}
    folder = resources.files("aimscope_collector.http") / "texts" / language
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            content = yaml.safe_load(file.read_text("utf-8")) or {}
            for name, text in _flat(msgspec.convert(content, dict[str, Any]), ""):
                if name in found:
                    raise ValueError(f"{file.name}: {name} is given twice")
                found[name] = text
    return found


def _flat(content: dict[str, Any], above: str) -> Iterator[tuple[str, Text]]:
    for key, value in content.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and set(value) != {"one", "other"}:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value if isinstance(value, dict) else str(value)


def text(name: str, /, **values: object) -> str:
    """The text of that name. Raises ``KeyError`` where there is none, or a value that it needs is missing."""
    found = texts()[name]
    if isinstance(found, dict):
        found = found["one" if values.get("n") == 1 else "other"]
    shown = {key: f"{value:,}" if type(value) is int else value for key, value in values.items()}
    return found.format_map(shown) if values else found


def word(room: str, value: str) -> str:
    """What people call a value of the API, as ``word("verdict", "unknown_ai")``; the value itself where unnamed."""
    found = texts().get(f"{room}.{value}", value)
    return found if isinstance(found, str) else value
