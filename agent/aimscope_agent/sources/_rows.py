"""One row of an export: its fields by name, whatever the case and the punctuation of the names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from aimscope_agent.host.tree import clean

LONGEST = 4_096
"""Characters of one value; a longer one is no name and is left out."""
_MOST = 100_000
"""Members of a list within a row."""


@lru_cache(maxsize=8_192)
def plain(name: str) -> str:
    """A column's name, so that `Application name`, `ApplicationName` and `application_name` are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


class Row:
    """A row of a table, or an object of a JSON document. ``key`` is the list it was in, ``number`` its place."""

    __slots__ = ("_values", "key", "number")

    def __init__(self, number: int, values: Mapping[str, object], key: str = "") -> None:
        self.number = number
        self.key = key
        self._values: dict[str, object] = {}
        for name, value in values.items():
            self._values.setdefault(plain(name) if len(name) <= 256 else "", value)

    def has(self, *names: str) -> bool:
        """Whether every one of the fields is there, even if it is empty."""
        return all(name in self._values for name in names)

    def text(self, *names: str) -> str:
        """The first of the fields that says something, as text."""
        for name in names:
            found = _text(self._values.get(name))
            if found:
                return found
        return ""

    def texts(self, *names: str) -> tuple[str, ...]:
        """The first of the fields that says something, as several texts; text is parted at spaces and commas."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, list):
                found = tuple(text for each in value[:_MOST] if (text := _text(each)))
            else:
                found = tuple(_text(value).replace(",", " ").replace(";", " ").split())
            if found:
                return found
        return ()

    def flag(self, *names: str) -> bool | None:
        """Yes or no; ``None`` where nothing says so."""
        word = self.text(*names).casefold()
        if word in {"true", "1", "yes", "enabled", "on"}:
            return True
        return False if word in {"false", "0", "no", "disabled", "off"} else None

    def row(self, *names: str) -> Row:
        """An object within this row; an empty one where there is none."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, dict):
                return Row(self.number, value, name)
        return Row(self.number, {})

    def rows(self, *names: str) -> Iterator[Row]:
        """The objects of a list within this row."""
        for name in names:
            value = self._values.get(name)
            for each in value[:_MOST] if isinstance(value, list) else ():
                if isinstance(each, dict):
                    yield Row(self.number, each, name)


def _text(value: object) -> str:
    if isinstance(value, str):
        return clean(value.strip()) if len(value) <= LONGEST else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else ""
    return str(int(value)) if isinstance(value, float) and abs(value) < 10**15 else ""
