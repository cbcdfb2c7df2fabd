"""What a source is: something that already knows of software, consent or money, and how its files are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from aimscope_signatures.model import Observation

if TYPE_CHECKING:
    from aimscope_agent.sources._export import Export


class UnusableError(Exception):
    """A file that cannot be read at all. The text says why, and what would help."""


class Shape(msgspec.Struct, frozen=True):
    """One way in which a source's files look.

    ``needs`` are columns of a table, or keys anywhere in JSON, in plain form (letters and digits, lower case);
    ``a|b`` is one or the other. ``pattern`` is an expression that the beginning of the file must hold.
    """

    form: Literal["table", "json", "text"]
    needs: tuple[str, ...] = ()
    pattern: str = ""
    asked: bool = False
    """Too plain to be recognised by: only where somebody says what the file is."""


class Source(msgspec.Struct, frozen=True):
    """A unit that reads what one product exports."""

    name: str
    title: str
    doc: str
    """What is exported, and how one gets it."""
    emits: tuple[str, ...]
    proves: str
    """What a row of it shows, for people."""
    cannot: str
    """What it cannot show, however complete the file is."""
    shapes: tuple[Shape, ...]
    read: Callable[[Export], Iterator[Observation]]
    verified: Literal["documentation", "source", "memory"] = "documentation"
    """Where the names of its columns were confirmed; the unit says what is from memory alone."""
