"""`--names`: every name that was seen, matched or not, as JSON lines. Never a path, never a client's software."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from aimscope_cli.output import emit_text

if TYPE_CHECKING:
    from aimscope_agent.traffic.seen import Seen

_AT_ONCE = 512
"""Names written together."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One name, as it is printed. ``ts`` is seconds since 1970 UTC; ``ja4`` is there for TLS and QUIC."""

    kind: str
    name: str
    client: str
    server: str
    ts: float
    ja4: str = ""


class NamePrinter:
    """Prints names. ``veil`` gives the name under which a client is shown; ``at_once``: a person is watching."""

    def __init__(self, veil: Callable[[str], str], *, at_once: bool = False) -> None:
        self._veil = veil
        self._most = 1 if at_once else _AT_ONCE
        self._encoder = msgspec.json.Encoder()
        self._kept: list[Seen] = []

    def take(self, seen: Seen) -> None:
        """One name."""
        self._kept.append(seen)
        if len(self._kept) >= self._most:
            self.flush()

    def flush(self) -> None:
        """Print what has come together."""
        if self._kept:
            lines = self._encoder.encode_lines([self._shown(seen) for seen in self._kept])
            self._kept.clear()
            emit_text(lines.decode("utf-8"))

    def _shown(self, seen: Seen) -> Line:
        return Line(seen.kind, seen.name, self._veil(seen.client), seen.server, seen.ts, seen.ja4)
