"""An index of patterns behind their literal text: only what can fit is ever compiled and tried."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from aimscope_signatures.conditions import OPERATORS, Predicate, glob_pattern, regex_literal
from aimscope_signatures.signature import Clause

_LITERAL = re.compile(r"[^*?{}\[\]|]+")
_LONGEST_PREFIX = 16


class Hit(msgspec.Struct, frozen=True):
    """``value`` of a clause of a service fitted."""

    service: str
    clause: Clause
    value: str


class PatternIndex:
    """Values that fit by ``operator`` (glob, regex, cidr). ``segments``: globs over paths.

    Values are indexed when the first question comes: most programs ask about a few sections only.
    """

    def __init__(self, operator: str, segments: bool) -> None:
        self._operator = operator
        self._segments = segments
        self._fresh: list[Hit] = []
        self._by_prefix: dict[str, list[Hit]] = {}
        self._by_chunk: dict[str, list[Hit]] = {}
        self._lengths: tuple[int, ...] = ()
        self._compiled: dict[str, Predicate] = {}

    def add(self, hit: Hit) -> None:
        """Index one value."""
        self._fresh.append(hit)

    def _index(self, hit: Hit) -> None:
        prefix, chunk = self._literals(hit.value)
        if prefix:
            prefix = prefix[:_LONGEST_PREFIX]
            self._by_prefix.setdefault(prefix, []).append(hit)
            self._lengths = tuple(sorted({*self._lengths, len(prefix)}))
        else:
            self._by_chunk.setdefault(chunk, []).append(hit)

    def _literals(self, value: str) -> tuple[str, str]:
        """``(literal start, a literal part)`` of a value; the first is empty where it starts with a wildcard."""
        if self._operator == "cidr":
            return "", ""
        if self._operator == "regex":
            return regex_literal(value), ""
        floating = self._segments and value.startswith("./")
        chunks = [part for part in _LITERAL.findall(re.sub(r"\{[^}]*\}", "*", value.removeprefix("./"))) if part]
        longest = max(chunks, key=len, default="")
        if floating or not chunks or not value.startswith(chunks[0]):
            return "", longest.rstrip("/") if self._segments else longest
        return chunks[0].rstrip("/") if self._segments else chunks[0], ""

    def find(self, value: str) -> tuple[Hit, ...]:
        """Every indexed value that fits."""
        while self._fresh:
            self._index(self._fresh.pop(0))
        hits: list[Hit] = []
        for length in self._lengths:
            hits.extend(hit for hit in self._by_prefix.get(value[:length], ()) if self._fits(hit.value, value))
        for chunk, candidates in self._by_chunk.items():
            if chunk in value:
                hits.extend(hit for hit in candidates if self._fits(hit.value, value))
        return tuple(hits)

    def _fits(self, pattern: str, value: str) -> bool:
        predicate = self._compiled.get(pattern)
        if predicate is None:
            if self._operator == "glob":
                match = glob_pattern(pattern, segments=self._segments).match
                predicate = self._compiled[pattern] = lambda text: match(text) is not None
            else:
                predicate = self._compiled[pattern] = OPERATORS[self._operator].build(pattern)
        return predicate(value)


def most_specific(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """The hits with the longest value: ``~/.x/y/**`` of one service beats ``~/.x/**`` of another."""
    every = tuple(hits)
    if len(every) < 2:
        return every
    longest = max(len(hit.value) for hit in every)
    return tuple(hit for hit in every if len(hit.value) == longest)
