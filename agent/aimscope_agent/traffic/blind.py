"""Blind spots: what traffic hides, by client. They are results, not errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from aimscope_signatures.model import Gap, Status

Spot = Literal[
    "ech",
    "doh",
    "dot",
    "doq",
    "relay",
    "nameless",
    "unread_quic",
    "odd_quic",
    "sealed_quic",
    "unread_http2",
    "unfinished",
    "cut",
]
MOST_CLIENTS: Final = 64
"""Clients named for one kind of blind spot; the others are counted together."""


class _Text(NamedTuple):
    reason: str
    remedy: str


_ENDPOINT = "look at these machines with `aimscope scan`"
_TEXTS: Final[dict[Spot, _Text]] = {
    "ech": _Text("encrypted hellos (ECH): the name asked for is hidden behind a front's", _ENDPOINT),
    "doh": _Text("DNS over HTTPS: questions to a public resolver cannot be read", "let clients use your own resolver"),
    "dot": _Text("DNS over TLS: questions cannot be read", "let clients use your own resolver"),
    "doq": _Text("DNS over QUIC: questions cannot be read", "let clients use your own resolver"),
    "relay": _Text("a relay (iCloud Private Relay) carries what is asked for", _ENDPOINT),
    "nameless": _Text("encrypted connections without a server name, and no DNS answer that led there", _ENDPOINT),
    "unread_quic": _Text("QUIC connections that could not be opened", "pip install 'aimscope[gateway]'"),
    "odd_quic": _Text("QUIC connections of a version that cannot be opened", _ENDPOINT),
    "sealed_quic": _Text(
        "QUIC connections of which the first packet was not captured, without which no other can be opened",
        "capture without loss",
    ),
    "unread_http2": _Text("HTTP/2 connections that could not be read", "pip install 'aimscope[gateway]'"),
    "unfinished": _Text(
        "connections whose first words (a hello, a request) were never seen whole, or are too long to hold",
        "capture without loss; look at these machines with `aimscope scan`",
    ),
    "cut": _Text("packets cut by the capture before the name was complete", "capture whole packets (snaplen 0)"),
}


class BlindSpots:
    """Counts by kind and client, within bounds."""

    def __init__(self) -> None:
        self._counts: dict[Spot, Counter[str]] = {}
        self._others: Counter[Spot] = Counter()

    def note(self, spot: Spot, client: str) -> None:
        """A client did something that hides names."""
        counts = self._counts.setdefault(spot, Counter())
        if client in counts or len(counts) < MOST_CLIENTS:
            counts[client] += 1
        else:
            self._others[spot] += 1

    def gaps(self, veil: Callable[[str], str] = str) -> Iterator[Gap]:
        """What was hidden, by kind and then client. ``veil`` gives the name under which a client is shown."""
        for spot, text in _TEXTS.items():
            shown: Counter[str] = Counter()
            for client, count in self._counts.get(spot, {}).items():
                shown[veil(client) or "clients"] += count
            for client, count in sorted(shown.items(), key=lambda item: (-item[1], item[0])):
                yield Gap(client, Status.PARTIAL, text.reason, count, text.remedy)
            if self._others[spot]:
                yield Gap("other clients", Status.PARTIAL, text.reason, self._others[spot], text.remedy)
