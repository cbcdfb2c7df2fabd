"""`--names`: every name that was seen, matched or not, as JSON lines. Never a path, never a client's software."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from aimscope_cli.output import emit_text

if TYPE_CHECKING:
    from aimscope_agent.traffic.seen import Seen

_ENOUGH = 65_536


class NamePrinter:
    """Prints names. ``veil`` gives the name under which a client is shown; ``at_once``: a person is watching."""

    def __init__(self, veil: Callable[[str], str], *, at_once: bool = False) -> None:
        self._veil = veil
        self._at_once = at_once
        self._encoder = msgspec.json.Encoder()
        self._lines = bytearray()

    def take(self, seen: Seen) -> None:
        """One name."""
        from aimscope_agent.traffic.seen import printable

        shown = printable(seen)
        client = self._veil(shown.client)
        if client != shown.client:
            shown = msgspec.structs.replace(shown, client=client)
        self._lines += self._encoder.encode(shown) + b"\n"
        if self._at_once or len(self._lines) > _ENOUGH:
            self.flush()

    def flush(self) -> None:
        """Print what has come together."""
        if self._lines:
            text = self._lines.decode("utf-8")
            self._lines.clear()
            emit_text(text)
