"""One client's side of a TCP connection: what is known of it while it lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from aimscope_agent.protocols.dns import Message
from aimscope_agent.protocols.dns_names import address
from aimscope_agent.protocols.more import More
from aimscope_agent.protocols.tcp import Stream
from aimscope_agent.protocols.tls_hello import ClientHello
from aimscope_agent.traffic.seen import NameKind, Seen
from aimscope_agent.traffic.volume import Count
from aimscope_signatures.matcher import LARGE_UPLOAD

if TYPE_CHECKING:
    from aimscope_agent.protocols.http2 import Stream as Http2

Key = bytes
"""Source, target and their ports, as they stand in a packet: 12 bytes, or 36 in IPv6."""

DNS_PORT: Final = b"\0\x35"


def is_dns(key: Key) -> bool:
    """Whether it is a conversation with a resolver, in either direction."""
    return DNS_PORT in (key[-4:-2], key[-2:])


def reverse(key: Key) -> Key:
    """The other direction of the same connection."""
    size = len(key) - 4 >> 1
    return key[size:-4] + key[:size] + key[-2:] + key[-4:-2]


def ends(key: Key) -> tuple[str, str]:
    """The addresses of client and server as text."""
    size = len(key) - 4 >> 1
    return address(key[:size]), address(key[size:-4])


class Flow:
    """A connection, from the client to the server. Kept while its first words are incomplete, or while it counts.

    What a connection begins with stands in the class: most are over before they differ from it.
    """

    whole = False
    """Whether its opening was seen."""
    layer: Layer | None = None
    """What understands the next bytes; ``None`` where nothing more can be understood."""
    loose = False
    """What came was not understood: any segment may be a new beginning (as after STARTTLS)."""
    stream: Stream | None = None
    """What came and cannot be read yet; starts at ``due``."""
    accounted = 0
    """Bytes of it that are in the sum of all connections."""
    http2: Http2 | None = None
    tries = 0
    """How often what is there was read in vain, and how much was there the last time."""
    tried = 0
    into: Count | None = None
    """What the server sent; ``out`` is what the client sent."""
    open: Seen | None = None
    """The name whose bytes are being counted, from these totals on."""
    seen_out = 0
    seen_in = 0
    named = False
    """Whether it said who it is for."""
    host = ""
    """Name that the client's DNS answer gives the server."""
    source = ""
    """The capture in which the connection, or the name whose bytes are counted, was seen."""
    established = False
    """Whether the server took it."""
    unfinished = False
    """Something that would have named somebody began, and was not seen whole."""
    counted = False
    """Why its name is not known is told already: it was given up to stay within memory, or cut by the capture."""

    def __init__(self, key: Key, due: int) -> None:
        self.key = key
        self.client, self.server = ends(key)
        """Addresses; the client's true one where a balancer told it."""
        self.base = due
        """Sequence number of the first byte: tells connections apart that reuse ports."""
        self.due = due
        """Sequence number of the next byte to be understood."""
        self.out = Count(due)

    @property
    def port(self) -> int:
        """The server's."""
        return self.key[-2] << 8 | self.key[-1]

    def volumes(self, sent: int, received: int | None, *, known: bool) -> tuple[int | None, int | None]:
        """Bytes since the name that is counted for: out and in, where they are known."""
        out = sent - self.seen_out
        if known:
            return max(out, 0), None if received is None else max(received - self.seen_in, 0)
        return (out if out >= LARGE_UPLOAD else None), None


class Listener(Protocol):
    """Is told what a connection's first words say. ``flow.due`` is where they begin."""

    def hello(self, flow: Flow, hello: ClientHello) -> None:
        """A TLS hello."""

    def name(
        self,
        flow: Flow,
        kind: NameKind,
        name: str,
        method: str = "",
        path: str = "",
        user_agent: str = "",
        port: int = 0,
    ) -> None:
        """A name asked for in clear."""

    def message(self, flow: Flow, message: Message) -> None:
        """A DNS message, of either side."""

    def unfinished(self, flow: Flow) -> None:
        """Something that would name somebody is too long to wait for."""

    def http2(self, flow: Flow) -> Http2 | None:
        """State for a connection of HTTP/2, if there is room for it."""


Layer = Callable[[Flow, bytes, int, int, Listener], int | More | None]
"""``(flow, data, start, end, listener)`` → where the understood part ends, or ``MORE``, or ``None``.

The end may lie beyond ``end``: a body that nobody reads, and whose packets need not be seen.
"""
