"""Lines that tell of the same question: that it was asked, that a filter refused it, what it was answered.

Records of a map that are ``paired`` wait here until it is clear what became of them: what several of them say of one
name within some seconds counts once, and one refusal among them makes it an attempt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

WINDOW: Final = 10
"""Seconds between the first and the last line that tell of one question."""
IDLE: Final = 3.0
"""Seconds without any line after which no more is expected of a log that is followed."""
MOST: Final = 1_000
"""Questions that wait; of more, the oldest count as they are."""


class Held(msgspec.Struct):
    """A question, as far as lines have told of it. Who asked is kept as the policy allows, and no other way."""

    record: int
    name: str
    about: tuple[str, ...]
    rest: tuple[str, ...]
    subject: str
    asset: str
    blocked: bool
    at: int
    place: str
    type: str = ""
    told: list[int] = []
    """Records that have told of it. Two lines of one record are two questions."""


class Pairs:
    """Joins what tells of the same question."""

    def __init__(self, held: Iterable[Held] = ()) -> None:
        self._order: deque[Held] = deque()
        self._named: dict[str, list[Held]] = {}
        for one in held:
            self._add(one)

    def take(self, one: Held) -> Iterator[Held]:
        """Add what a line says; the questions of which no more is expected."""
        while self._order and (len(self._order) >= MOST or self._order[0].at + WINDOW < one.at):
            yield self._oldest()
        known = self._match(one)
        if known is None:
            one.told = [one.record]
            self._add(one)
            return
        known.told.append(one.record)
        known.blocked = known.blocked or one.blocked
        if not known.asset:
            known.asset = one.asset
        if not known.subject:
            known.subject = one.subject

    def rest(self) -> tuple[Held, ...]:
        """All that still wait, which then do no more."""
        held = tuple(self._order)
        self._order.clear()
        self._named.clear()
        return held

    def _match(self, one: Held) -> Held | None:
        """The latest question that may be meant. A line that names no client or type may mean any."""
        for known in reversed(self._named.get(one.name, ())):
            if (
                one.record not in known.told
                and abs(one.at - known.at) <= WINDOW
                and _may_be(one.asset, known.asset)
                and _may_be(one.type, known.type)
            ):
                return known
        return None

    def _add(self, one: Held) -> None:
        self._order.append(one)
        self._named.setdefault(one.name, []).append(one)

    def _oldest(self) -> Held:
        one = self._order.popleft()
        same = self._named[one.name]
        same.remove(one)
        if not same:
            del self._named[one.name]
        return one


def _may_be(one: str, other: str) -> bool:
    return one == other or not one or not other
