"""QUIC: the hellos of connections, on any port."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from aimscope_agent.protocols import quic_initial
from aimscope_agent.protocols.more import MORE
from aimscope_agent.protocols.quic_crypto import SALTS
from aimscope_agent.traffic.blind import Spot
from aimscope_agent.traffic.flow import Key, ends, reverse
from aimscope_agent.traffic.names import Names, hides

MOST_OPEN: Final = 4_096
MOST_BYTES: Final = 8 * 1_048_576
MOST_DONE: Final = 32_768
_SMALLEST_FIRST: Final = 1_000
"""Bytes of the first datagram of a client, at least: nobody lets a small question have a large answer."""
_PREFIXES: Final = frozenset({0x51, 0x54, 0xFA, 0xFF})
"""First byte of versions of Google, Facebook and of drafts."""
QUIET: Final = 60.0
"""Seconds after which the same ports are another connection."""


class Hellos:
    """Puts together the first flights of clients. The oldest incomplete one goes where there are too many."""

    def __init__(self, names: Names) -> None:
        self.evicted = 0
        self.flows = 0
        self._names = names
        self._open: OrderedDict[Key, quic_initial.Crypto] = OrderedDict()
        self._done: OrderedDict[Key, float] = OrderedDict()
        self._sealed: OrderedDict[Key, None] = OrderedDict()
        """Clients' later packets, which need the first one to be opened."""
        self._held = 0

    def datagram(self, key: Key, data: bytes, start: int, end: int, cut: bool, at: float) -> None:
        """A datagram that begins like QUIC's long header. ``cut``: the capture holds less than it had."""
        done = self._done.get(key)
        if done is not None:
            if at - done < QUIET:
                return
            del self._done[key]
        crypto = self._open.get(key)
        if crypto is None:
            back = reverse(key)
            if back in self._done or back in self._open:  # what the server says is none of our business
                return
            version = quic_initial.version(data, start, end)
            if not version:
                return
            if version not in SALTS or not quic_initial.AVAILABLE:
                self._unread(key, version, end - start, at)
                return
            crypto = quic_initial.Crypto()
        else:
            self._held -= crypto.held
        hello = crypto.add(data, start, end)
        missed = hello is None or hello is MORE
        if cut and missed and _of_client(key) and quic_initial.begins_initial(data, start, end):
            self._give_up(key, "cut", at)
            return
        if hello is MORE:
            self._open[key] = crypto
            self._held += crypto.held
            while len(self._open) > MOST_OPEN or self._held > MOST_BYTES:
                self._held -= self._open.popitem(last=False)[1].held
                self.evicted += 1
            return
        self._open.pop(key, None)
        if hello is None:
            if crypto.origin is not None:
                self._give_up(key, "unfinished", at)
            elif _of_client(key) and end - start >= _SMALLEST_FIRST and quic_initial.begins_initial(data, start, end):
                self._keep_sealed(key)
            return
        self._finish(key, at)
        client, server = ends(key)
        port = key[-2] << 8 | key[-1]
        seen = self._names.hello(hello, client, server, port, at, quic=True)
        if hides(hello):
            host = self._names.led_to(client, server, at)
            if host:
                self._names.connection(host, client, server, port, at)
        elif seen is not None:
            self._names.observe(seen)

    def finish(self) -> None:
        """Nothing more comes: what is not complete stays unread."""
        for key in self._open:
            self._names.blind.note("unfinished", ends(key)[0])
        for key in self._sealed:
            self._names.blind.note("sealed_quic", ends(key)[0])
        self._open.clear()
        self._sealed.clear()
        self._held = 0

    def _give_up(self, key: Key, spot: Spot, at: float) -> None:
        self._open.pop(key, None)
        self._names.blind.note(spot, ends(key)[0])
        self._finish(key, at)

    def _keep_sealed(self, key: Key) -> None:
        """Remember it: the first packet may only have been overtaken."""
        self._sealed[key] = None
        if len(self._sealed) > MOST_OPEN:
            oldest, _ = self._sealed.popitem(last=False)
            self._names.blind.note("sealed_quic", ends(oldest)[0])

    def _unread(self, key: Key, version: int, size: int, at: float) -> None:
        """A version that is in use and cannot be opened; other bytes that look like one are left out."""
        if size >= _SMALLEST_FIRST and (version in SALTS or version >> 24 in _PREFIXES):
            self._names.blind.note("unread_quic" if version in SALTS else "odd_quic", ends(key)[0])
            self._finish(key, at)

    def _finish(self, key: Key, at: float) -> None:
        self.flows += 1
        self._sealed.pop(key, None)
        self._done[key] = at
        if len(self._done) > MOST_DONE:
            self._done.popitem(last=False)


def _of_client(key: Key) -> bool:
    """Whether the ports say that a client sent it: what servers send is nobody's blind spot."""
    return key[-4:-2] > key[-2:]
