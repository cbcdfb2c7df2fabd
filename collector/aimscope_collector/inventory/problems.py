"""What is wrong with a file, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final, Generic, Literal, TypeVar

import msgspec

MAX_PROBLEMS: Final = 1_000
"""More problems than this are counted, not listed."""
_MAX_NAME: Final = 100

Path = tuple[str | int, ...]
"""Where a value is in a document: ``("systems", 3, "status")``."""

Root = TypeVar("Root")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """``line`` counts from 1, 0 means the file as a whole. A ``note`` does not keep the file from being used."""

    file: str
    line: int
    field: str
    message: str
    advice: str
    severity: Literal["error", "note"] = "error"

    def __str__(self) -> str:
        file = printable(self.file)
        place = f"{file}:{self.line}" if self.line else file
        return ": ".join(part for part in (place, self.field, f"{self.message} {self.advice}".strip()) if part)


class Loaded(msgspec.Struct, Generic[Root], frozen=True, kw_only=True):
    """What reading a file gave: ``content`` is ``None`` when there is an error among the problems."""

    content: Root | None
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems that keep the file from being used."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What was understood in a way that a person may want to check."""
        return tuple(problem for problem in self.problems if problem.severity == "note")


class Problems:
    """Collects the problems of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[Problem] = []
        self._unlisted = 0
        self._errors = 0

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return self._errors

    def error(self, line: int, field: str, message: str, advice: str) -> None:
        """Add a problem that keeps the file from being used."""
        self._errors += 1
        self._add(Problem(file=self.file, line=line, field=printable(field), message=message, advice=advice))

    def note(self, line: int, field: str, message: str, advice: str) -> None:
        """Add a remark."""
        name = printable(field)
        self._add(Problem(file=self.file, line=line, field=name, message=message, advice=advice, severity="note"))

    def _add(self, problem: Problem) -> None:
        if len(self._found) < MAX_PROBLEMS:
            self._found.append(problem)
        else:
            self._unlisted += 1

    def sorted(self) -> tuple[Problem, ...]:
        """All problems by line, and how many more there were."""
        found = sorted(self._found, key=lambda problem: (problem.line, problem.field, problem.message))
        if self._unlisted:
            more = f"There are {self._unlisted:,} more problems."
            severity: Literal["error", "note"] = "error" if self._errors else "note"
            found.append(
                Problem(file=self.file, line=0, field="", message=more, advice="Repair these first.", severity=severity)
            )
        return tuple(found)


def field_name(path: Path) -> str:
    """``("systems", 3, "scope", "in_aims")`` as people write it: ``systems[3].scope.in_aims`` (counted from 0)."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text if len(text) <= _MAX_NAME else f"{text[:_MAX_NAME]}…"


def shown(value: object, limit: int = 60) -> str:
    """A value as it may stand in a sentence: quoted, on one line, printable, short."""
    text = printable(str(value)[: limit + 1])
    return f'"{text[:limit]}…"' if len(text) > limit else f'"{text}"'


def printable(text: str) -> str:
    """Text that can neither break a line nor steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``Did you mean "owner"? `` or nothing."""
    close = difflib.get_close_matches(word.casefold()[:100], list(known), n=1, cutoff=cutoff)
    return f'Did you mean "{close[0]}"? ' if close else ""
