"""Which name led a client to an address: answers it got itself, while they are valid."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

MOST_ANSWERS: Final = 32_768
GRACE: Final = 5.0
"""Seconds by which an answer outlives its time to live: one of zero seconds is meant for the connection to come."""
LONGEST: Final = 86_400
"""Seconds an answer is believed, whatever it says."""
_new: Final = tuple.__new__
"""A named tuple at half the price."""


class Answer(NamedTuple):
    """Where a name led."""

    name: str
    expires: float
    wanted: bool
    """A connection there is worth an observation."""


class Resolved:
    """(client, address) → name asked, the last answer first. Bounded: the oldest answer goes."""

    def __init__(self, most: int = MOST_ANSWERS) -> None:
        self.answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._most = most

    def clear(self) -> None:
        """Forget every answer."""
        self.answers.clear()

    def learn(self, client: str, address: str, name: str, at: float, ttl: int, *, wanted: bool) -> None:
        """A client was told an address of a name; ``ttl`` in seconds."""
        key = (client, address)
        self.answers[key] = _new(Answer, (name, at + min(ttl, LONGEST) + GRACE, wanted))
        self.answers.move_to_end(key)
        if len(self.answers) > self._most:
            self.answers.popitem(last=False)

    def answer(self, client: str, address: str, at: float) -> Answer | None:
        """What led this client there, while it is valid."""
        answer = self.answers.get((client, address))
        return answer if answer is not None and at <= answer.expires else None
