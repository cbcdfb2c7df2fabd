"""A request's body within its bounds: how long, how large packed, how large unpacked."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from aimscope_collector.ingest.limits import Limits
from aimscope_collector.ingest.problems import Refusal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_GZIP: Final = 31
"""``wbits`` of a gzip member with its header and checksum."""


class Gone(Exception):
    """The other side hung up: nobody waits for an answer."""


SMALL: Final = 64 << 10
"""Bytes of anything that is no report, packed or not."""


async def read(receive: Receive, headers: dict[bytes, bytes], limits: Limits, *, small: bool = False) -> bytes:
    """The body as it was before it was packed. Raises ``Refusal`` or ``Gone``."""
    most_packed = SMALL if small else limits.most_packed
    most_inflated = SMALL if small else limits.most_inflated
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in (b"", b"identity", b"gzip"):
        raise Refusal("encoding")
    said = headers.get(b"content-length", b"")
    if said and (not said.isdigit() or len(said) > 12):
        raise Refusal("malformed", "content-length is no number")
    if said and int(said) > most_packed:
        raise Refusal("too-large")
    try:
        async with asyncio.timeout(limits.body_seconds):
            packed = await _collect(receive, most_packed)
    except TimeoutError:
        raise Refusal("timeout") from None
    return inflated(packed, most_inflated) if encoding == b"gzip" else packed


async def _collect(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise Refusal("too-large")
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def inflated(packed: bytes, most: int) -> bytes:
    """The one member of a gzip file, of at most so many bytes. Raises ``Refusal``; never unpacks more than that."""
    stream = zlib.decompressobj(_GZIP)
    try:
        plain = stream.decompress(packed, most)
    except zlib.error:
        raise Refusal("malformed", "the gzip stream is damaged") from None
    if stream.eof:
        if stream.unused_data:
            raise Refusal("malformed", "something follows the gzip stream")
        return plain
    if stream.unconsumed_tail or len(plain) >= most:
        raise Refusal("too-large")
    raise Refusal("malformed", "the gzip stream ends early")
