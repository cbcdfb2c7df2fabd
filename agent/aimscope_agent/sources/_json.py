"""JSON documents as a stream: the members of the lists at their top, one at a time.

An export may be as long as the fleet is large; what is held is one member. A document that is torn gives the members
before the tear: an incomplete one is never decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

MOST_MEMBER: Final = 32 << 20
"""Characters of one member."""
_AFTER: Final = frozenset(",]}: \t\r\n")
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class TornError(ValueError):
    """The document is none from here on. The text says why, in a few words."""


def decode(text: str) -> object:
    """A whole value. Raises ``TornError``."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise TornError("not JSON") from None
    return value


def members(pieces: Iterator[str]) -> Iterator[tuple[str, object]]:
    """``(key, value)``: of an object each member, of a list each element; of a list in an object each element too.

    Several documents may follow one another. Raises ``TornError`` where it goes on no further.
    """
    window = _Window(pieces)
    while start := window.peek():
        if start == "[":
            for value in window.elements():
                yield "", value
        elif start == "{":
            yield from window.object_members()
        else:
            raise TornError("not JSON")


class _Window:
    """The part of the text that is looked at."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def object_members(self) -> Iterator[tuple[str, object]]:
        """The members of the object that begins here."""
        self._at += 1
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise TornError("not JSON")
            key = str(self._value())
            self._expect(":")
            if self.peek() == "[":
                for value in self.elements():
                    yield key, value
            else:
                yield key, self._value()
            if self._expect(",}") == "}":
                return

    def elements(self) -> Iterator[object]:
        """The elements of the list that begins here."""
        self._at += 1
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            self.peek()
            yield self._value()
            if self._expect(",]") == "]":
                return

    def _expect(self, wanted: str) -> str:
        found = self.peek()
        if not found or found not in wanted:
            raise TornError("it ends too early" if not found else "not JSON")
        self._at += 1
        return found

    def _value(self) -> object:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise TornError("nested too deep") from None
            except ValueError:
                pass
            else:
                # a number may go on: it is whole where something follows that is no part of it
                if self._text[end : end + 1] in _AFTER and end < len(self._text):
                    self._at = end
                    return value
            if len(self._text) - self._at > MOST_MEMBER:
                raise TornError(f"a member is longer than {MOST_MEMBER:,} characters")
            if not self._more():
                raise TornError("it ends too early, or is not JSON")

    def _more(self) -> bool:
        """At least as much again as is left: a value that is tried anew each time costs no more than twice its size."""
        left = self._text[self._at :]
        parts = [left]
        added = 0
        for piece in self._pieces:
            parts.append(piece)
            added += len(piece)
            if added >= len(left):
                break
        self._text, self._at = "".join(parts), 0
        return added > 0
