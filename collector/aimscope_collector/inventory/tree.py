"""Builds a plain document out of a parser's events, remembering the line of every value.

Shared by the readers of nested files. Works without recursion and stops at bounds, so neither depth nor size of a
hostile file can exhaust the machine.
"""

from __future__ import annotations

from typing import Final

import msgspec

from aimscope_collector.inventory.problems import Path, Problems, field_name, shown
from aimscope_collector.inventory.shape import REFUSED

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 2_000_000

Lines = int | tuple[int, "dict[str, Lines] | list[Lines]"]


class TooMuchError(Exception):
    """A bound is reached; the problem has been noted. Reading stops."""


class Document(msgspec.Struct, frozen=True):
    """``value`` is made of dict, list, str, int, float, bool, ``None`` and ``REFUSED``."""

    value: object
    lines: Lines

    def line(self, path: Path) -> int:
        """The line, from 1, of the value at ``path``, or of the nearest one around it."""
        lines: Lines = self.lines
        for part in path:
            if isinstance(lines, int):
                return lines
            line, below = lines
            try:
                lines = below[part]  # type: ignore[index]  # a path that fits nothing is caught here
            except (KeyError, IndexError, TypeError):
                return line
        return lines if isinstance(lines, int) else lines[0]


class _Frame:
    def __init__(self, value: dict[str, object] | list[object], line: int) -> None:
        self.value = value
        self.line = line
        self.below: dict[str, Lines] | list[Lines] = {} if isinstance(value, dict) else []
        self.key: str | None = None
        self.key_line = line
        self.duplicate = False


class Builder:
    """Fed with ``open``, ``scalar`` and ``close`` in document order; in a mapping, keys and values take turns."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._stack: list[_Frame] = []
        self._values = 0
        self.document: Document | None = None

    def path(self) -> Path:
        """Where the next value goes."""
        path: list[str | int] = []
        for frame in self._stack:
            if isinstance(frame.value, list):
                path.append(len(frame.value))
            elif frame.key is not None:
                path.append(frame.key)
        return tuple(path)

    def open(self, value: dict[str, object] | list[object], line: int) -> None:
        """A mapping or list starts."""
        if len(self._stack) >= MAX_DEPTH:
            self._stop(line, f"Nested deeper than {MAX_DEPTH} levels.", "An inventory needs four; flatten it.")
        self._key_must_be_text(line)
        self._stack.append(_Frame(value, line))

    def close(self) -> None:
        """The innermost mapping or list ends."""
        frame = self._stack.pop()
        self._add(frame.value, (frame.line, frame.below))

    def scalar(self, value: object, line: int, *, key: str | None = None) -> None:
        """One value; ``key`` is its text if it is read as the key of a mapping."""
        self._values += 1
        if self._values > MAX_VALUES:
            self._stop(line, f"More than {MAX_VALUES:,} values.", "Split the inventory.")
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.value, dict) and frame.key is None:
            self._begin_entry(frame, str(value) if key is None else key, line)
        else:
            self._add(value, line)

    def refuse(self, line: int, message: str, advice: str) -> None:
        """Note a problem with the next value."""
        self._problems.error(line, field_name(self.path()), message, advice)

    def _begin_entry(self, frame: _Frame, key: str, line: int) -> None:
        frame.key, frame.key_line = key, line
        frame.duplicate = key in frame.value
        if frame.duplicate:
            first = Document(None, (frame.line, frame.below)).line((key,))
            message = f"{shown(key)} is written twice, first on line {first}."
            self.refuse(line, message, "Keep one of them.")

    def _key_must_be_text(self, line: int) -> None:
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.value, dict) and frame.key is None:
            self._stop(line, "A list or mapping stands where a field name is expected.", "Write 'field: value'.")

    def _add(self, value: object, lines: Lines) -> None:
        if not self._stack:
            self.document = Document(value, lines)
            return
        frame = self._stack[-1]
        if isinstance(frame.value, list) and isinstance(frame.below, list):
            frame.value.append(value)
            frame.below.append(lines)
        elif isinstance(frame.value, dict) and isinstance(frame.below, dict) and frame.key is not None:
            if not frame.duplicate:
                frame.value[frame.key] = value
                frame.below[frame.key] = frame.key_line if isinstance(lines, int) else (frame.key_line, lines[1])
            frame.key = None

    def _stop(self, line: int, message: str, advice: str) -> None:
        self.refuse(line, message, advice)
        raise TooMuchError


def refused() -> object:
    """The value to hand to ``scalar`` after ``refuse``, so that nobody complains about it again."""
    return REFUSED
