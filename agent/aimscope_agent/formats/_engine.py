"""What an engine is: it takes a line apart into named fields, and knows nothing of what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from aimscope_agent.formats._expressions import Fields

KNOWN: Final[Mapping[str, object]] = {}
"""What an engine gives for a line that is of the format and says nothing: a header, a comment."""


class State(msgspec.Struct, frozen=True):
    """What lines before say of those that follow: a checkpoint keeps it. Empty where the format has no headers."""

    columns: tuple[str, ...] = ()
    separator: str = ""
    path: str = ""


class Engine(Protocol):
    """Takes lines apart, in the order of the file."""

    state: State
    """May be set, to go on where somebody else stopped."""

    marks: tuple[bytes, ...]
    """What a line begins with that changes the state: such lines must not be left out. Empty: none does, or only the
    first line of a file (``heads``)."""

    heads: bool
    """The first lines of a file may name the columns."""

    def parse(self, line: str) -> Fields | None:
        """The fields, ``KNOWN``, or ``None`` for what is no line of the format. Never raises.

        The line comes without its syslog header and line break.
        """
