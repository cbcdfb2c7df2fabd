"""What a record asks of a line, all at once: one look at each field tells everything that depends on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import getitem, itemgetter
from typing import Final

from aimscope_agent.formats._expressions import (
    LONGEST,
    REMEMBERED,
    Expression,
    Field,
    Fields,
    First,
    IntricateError,
    Transform,
    value_of,
)

HOLDS: Final = "y"
"""What a condition says that holds; one that does not says nothing."""
_Row = tuple[str, ...]


class Condition:
    """Whether the values of an expression hold."""

    def __init__(self, read: Expression, judge: Callable[[Sequence[str]], bool]) -> None:
        self._read = read
        self._judge = judge
        self.field = read.then(self._said) if isinstance(read, Field) else None
        """The same as an expression, where one field decides."""

    def _said(self, text: str) -> str:
        return HOLDS if self._judge((text,) if text else ()) else ""

    def __call__(self, fields: Fields) -> bool:
        if self.field is not None:
            try:
                return self.field.meanings[fields.get(self.field.name)] != ""
            except (TypeError, IntricateError):
                pass
        return self._judge(self._read(fields))


class _Look(dict[object, _Row]):
    """What several expressions make of the values of one field, each found out once."""

    def __init__(self, every: Sequence[Field]) -> None:
        super().__init__()
        self._steps: tuple[Sequence[Transform], ...] = tuple(each.steps for each in every)
        self._nothing = every[0].nothing
        self._nested = every[0].nested

    def __missing__(self, found: object) -> _Row:
        if type(found) is str:
            text = found.strip()
            text = "" if text in self._nothing else text[:LONGEST]
        elif found is None and self._nested:
            raise IntricateError
        else:
            text = value_of(found, self._nothing)
        row = []
        for steps in self._steps:
            meant = text
            for step in steps:
                meant = step(meant)
            row.append(meant)
        made = tuple(row)
        if found is None or type(found) is str:  # 1, 1.0 and True would be one key
            if len(self) >= REMEMBERED:
                self.clear()
            self[found] = made
        return made


class Together:
    """Several expressions, asked at once."""

    def __init__(self, reads: Sequence[Expression]) -> None:
        self._able = [each for each in reads if isinstance(each, (Field, First))]
        self._all_able = len(self._able) == len(reads)
        fields = [each for each in reads if isinstance(each, Field)]
        self._all_fields = len(fields) == len(reads)
        looks: dict[tuple[str, frozenset[str]], list[int]] = {}
        for number, each in enumerate(fields):
            looks.setdefault((each.name, each.nothing), []).append(number)
        self._names = tuple(name for name, _ in looks)
        self._looks = tuple(_Look([fields[number] for number in numbers]) for numbers in looks.values())
        found = list(chain.from_iterable(looks.values()))
        self._in_order = found == sorted(found)
        self._order = itemgetter(*(found.index(number) for number in range(len(found))), 0, 0)

    def texts(self, fields: Fields) -> tuple[str, ...] | None:
        """The value of each; ``None`` where one of them may have several."""
        try:
            if not self._all_fields:
                return tuple([read.text(fields) for read in self._able]) if self._all_able else None
            row = tuple(chain.from_iterable(map(getitem, self._looks, map(fields.get, self._names))))
        except (TypeError, IntricateError):
            return None
        return row if self._in_order else self._order(row)[:-2]
