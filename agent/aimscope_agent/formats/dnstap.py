"""dnstap: what BIND, Unbound, Knot, PowerDNS, dnsdist and CoreDNS write of every DNS message, as binary frames.

The one format that is not made of lines: whoever reads a log asks ``is_dnstap`` of its first bytes and then hands
``Dnstap.feed`` all of them, block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from aimscope_agent.protocols.dns import alias_chain, message
from aimscope_signatures.model import Observation, Value

CONTENT: Final = b"protobuf:dnstap.Dnstap"
LARGEST: Final = 131_072
"""Bytes of a frame; a DNS message has at most half. Larger ones are passed over and counted."""
_QUERIES: Final = frozenset({1, 5, 9})
"""Sent by clients to a server: AUTH_QUERY, CLIENT_QUERY, STUB_QUERY. The others are the server's own."""
_RESPONSES: Final = frozenset({2, 6, 10})
_REFUSING: Final = frozenset({1, 2, 4, 6})
"""What a policy did: NXDOMAIN, NODATA, DROP, LOCAL_DATA (not PASS, not TRUNCATE)."""
_MESSAGE: Final = 1
_QUERY: Final = 0

Decode = Callable[[bytes], Any]  # the generated classes of dnstap's schema carry no types


def is_dnstap(head: bytes) -> bool:
    """Whether a file or stream begins as dnstap in Frame Streams."""
    return head[:4] == b"\0\0\0\0" and CONTENT in head[4:64]


class Counts(msgspec.Struct):
    """How frames went."""

    read: int = 0
    unreadable: int = 0
    """Malformed, or too large."""


class Dnstap:
    """Reads the frames of one file or stream, given in blocks of any size. Raises ``ImportError`` without `dnstap-pb`.

    A question is told by the query; its response only by what it adds: names that its aliases lead to, and that a
    response policy refused it.
    """

    def __init__(self) -> None:
        self.counts = Counts()
        self._decode = _decoder()
        self._held = bytearray()
        self._passing = 0

    def feed(self, block: bytes, source: str) -> Iterator[Observation]:
        """What the frames that are now complete say."""
        self._held += block
        for number, frame in enumerate(self._frames(), self.counts.read + self.counts.unreadable + 1):
            found = self._message(frame)
            if found is None:
                self.counts.unreadable += 1
                continue
            self.counts.read += 1
            yield from _said(found, f"{source}:{number}")

    def _frames(self) -> Iterator[bytes]:
        at = 0
        held = self._held
        try:
            while True:
                passed = min(self._passing, len(held) - at)
                at, self._passing = at + passed, self._passing - passed
                if len(held) - at < 4 or self._passing:
                    return
                size = int.from_bytes(held[at : at + 4], "big")
                control = size == 0
                if control:
                    if len(held) - at < 8:
                        return
                    size = int.from_bytes(held[at + 4 : at + 8], "big")
                start = at + (8 if control else 4)
                if size > LARGEST:
                    self.counts.unreadable += 1
                    at, self._passing = start, size
                    continue
                if len(held) - start < size:
                    return
                at = start + size
                if not control:
                    yield bytes(held[start:at])
        finally:
            del held[:at]

    def _message(self, frame: bytes) -> Any:
        try:
            found = self._decode(frame)
        except Exception:  # noqa: BLE001 - protobuf's own DecodeError, whatever implementation is in place
            return None
        return found.message if found.type == _MESSAGE and found.HasField("message") else None


def _said(found: Any, source: str) -> Iterator[Observation]:
    if found.type in _QUERIES:
        data, at = found.query_message, found.query_time_sec
    elif found.type in _RESPONSES:
        data, at = found.response_message, found.response_time_sec or found.query_time_sec
    else:
        return
    read = message(data, 0, len(data))
    if read is None or read.opcode != _QUERY or not read.questions or not read.questions[0].name:
        return
    asked = read.questions[0]
    client = _address(found.query_address)
    who: dict[str, Value] = {"client": client} if client else {}
    if found.type in _QUERIES:
        yield Observation("dns.query", {"name": asked.name, "type": asked.type, **who}, source, at=at, asset=client)
        return
    if found.HasField("policy") and found.policy.action in _REFUSING:
        refused: dict[str, Value] = {"name": asked.name, "type": asked.type, **who, "blocked": True}
        yield Observation("dns.query", refused, source, at=at, asset=client)
        return
    for name in alias_chain(read):
        led: dict[str, Value] = {"name": name, "asked": asked.name, "type": asked.type, **who}
        yield Observation("dns.query", led, source, at=at, asset=client)


def _address(packed: bytes) -> str:
    try:
        found = ip_address(packed) if len(packed) in {4, 16} else None
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found or "")


def _decoder() -> Decode:
    from dnstap_pb import Dnstap as Schema  # type: ignore[import-untyped,unused-ignore] # noqa: PLC0415 - an extra

    decode: Decode = Schema.FromString
    return decode
