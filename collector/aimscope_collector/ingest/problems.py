"""What an agent is told when something is wrong: a stable word, an HTTP status, a sentence."""

from __future__ import annotations

from typing import Final

from aimscope_signatures import wire

_PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "malformed": (400, "The body cannot be read."),
    "unacceptable": (400, "The content cannot be kept."),
    "unauthorised": (401, "The credential is missing or wrong."),
    "revoked": (401, "This agent was revoked."),
    "replaced": (401, "This machine enrolled again: another identity took over."),
    "not-approved": (403, "Somebody has yet to let this agent in."),
    "bad-token": (403, ""),
    "token-used-up": (403, ""),
    "wrong-network": (403, ""),
    "wrong-device": (403, ""),
    "not-found": (404, "There is nothing here."),
    "method": (405, "This is not done here."),
    "timeout": (408, "The body took too long."),
    "identity-taken": (409, ""),
    "too-large": (413, "The body is larger than is allowed."),
    "encoding": (415, "The body is to be JSON, as it is or in gzip."),
    "too-fast": (429, "This is more than one agent may send."),
    "unavailable": (503, "Nothing was kept; send it again later."),
}
WORDS: Final = frozenset(_PROBLEMS)


class Refusal(Exception):
    """An answer that is no success; ``retry_after`` in seconds where coming back is of use."""

    def __init__(self, word: str, detail: str = "", *, retry_after: float = 0) -> None:
        super().__init__(word)
        self.word = word
        self.detail = detail
        self.retry_after = retry_after

    def problem(self) -> wire.Problem:
        """As it is written into the answer."""
        status, title = _PROBLEMS[self.word]
        return wire.Problem(type=self.word, title=title or self.detail, status=status, detail=self.detail)
