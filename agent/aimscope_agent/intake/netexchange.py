"""One connection to one server: bytes out, bytes in, by a deadline. TLS of any certificate; no name is looked up."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Literal, NamedTuple

from aimscope_agent.servers.http import Incoming

End = Literal["whole", "closed", "late"]


class Place(NamedTuple):
    """Where to connect. ``name`` is the host name the address was found under, if it was."""

    address: str
    port: int
    name: str = ""
    tls: bool = False

    @property
    def hosts(self) -> frozenset[str]:
        """What the server may be called by itself."""
        return frozenset({self.address, self.name} - {""})


class Connection:
    """An open connection. Reading and writing end at ``until``, in the loop's own time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: float) -> None:
        self._reader = reader
        self._writer = writer
        self._until = until

    async def send(self, data: bytes) -> None:
        """Send; a peer that is gone is found out by reading."""
        self._writer.write(data)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout_at(self._until):
                await self._writer.drain()

    async def receive(self, incoming: Incoming) -> End:
        """Read until ``incoming`` needs no more, the peer closes, or it is too late."""
        try:
            async with asyncio.timeout_at(self._until):
                while piece := await self._reader.read(16_384):
                    if incoming.feed(piece):
                        return "whole"
        except TimeoutError:
            return "late"
        except OSError:
            return "closed"
        return "closed"


@contextlib.asynccontextmanager
async def connected(place: Place, until: float) -> AsyncIterator[Connection]:
    """Connect. Raises ``OSError`` (``ssl.SSLError`` is one) if that fails, ``TimeoutError`` if it takes too long."""
    async with asyncio.timeout_at(until):
        reader, writer = await asyncio.open_connection(
            place.address,
            place.port,
            limit=65_536,
            ssl=_any_certificate() if place.tls else None,
            server_hostname=(place.name or place.address) if place.tls else None,
        )
    try:
        yield Connection(reader, writer, until)
    finally:
        writer.transport.abort()  # a closing handshake would wait for the peer


def _any_certificate() -> ssl.SSLContext:
    """Servers within an organisation have certificates of their own making. Nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
