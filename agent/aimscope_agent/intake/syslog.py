"""A syslog listener: UDP, TCP and TLS; messages counted in octets or ended by a line feed or NUL (RFC 6587, RFC 5425).

Messages wait in a queue of bounded bytes. While it is full nothing is read from TCP connections, so that senders are
slowed down; UDP cannot be slowed down, what finds no room is dropped and counted. Connections, their idle time and the
length of a message are bounded.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

LONGEST: Final = 65_536
"""Bytes of one message."""
MOST_WAITING: Final = 8 * 1_048_576
"""Bytes of messages that wait to be read, with what keeping them costs."""
_KEEPING: Final = 200
MOST_CONNECTIONS: Final = 1_000
IDLE: Final = 3_600.0
"""Seconds after which a silent connection is closed."""
_PIECE: Final = 65_536
_NUMBER: Final = re.compile(rb"([1-9]\d{0,6}) ")
_PERHAPS_NUMBER: Final = re.compile(rb"[1-9]\d{0,6}\Z")
_END: Final = re.compile(rb"[\n\0]")
_ENDS: Final = b"\r\n\0"


class ListenError(Exception):
    """Nothing can be listened on as asked; the text says why and what to do."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where to listen."""

    transport: Literal["udp", "tcp", "tls"]
    host: str
    port: int


def endpoint(text: str, *, allow_plain: bool) -> Endpoint:
    """``udp://127.0.0.1:5514``, ``tcp://…``, ``tls://[::]:6514``.

    Raises ``ListenError`` for what is none of these, and for an unencrypted one that others could reach unless
    ``allow_plain``.
    """
    parts = urlsplit(text)
    try:
        port = parts.port or 0
    except ValueError:
        port = 0
    if parts.scheme not in ("udp", "tcp", "tls") or not parts.hostname or not port:
        raise ListenError(f"{text!r} is no place to listen: write udp://, tcp:// or tls://ADDRESS:PORT")
    try:
        loopback = ip_address(parts.hostname).is_loopback
    except ValueError:
        loopback = parts.hostname == "localhost"
    if parts.scheme != "tls" and not loopback and not allow_plain:
        raise ListenError(f"{text}: what is sent there could be read by others; use tls://, or --allow-plain")
    transport: Literal["udp", "tcp", "tls"] = (
        "udp" if parts.scheme == "udp" else "tls" if parts.scheme == "tls" else "tcp"
    )
    return Endpoint(transport, parts.hostname, port)


class Message(msgspec.Struct, frozen=True):
    """One message, and the address it came from."""

    peer: str
    data: bytes


class Counts(msgspec.Struct):
    """How messages went."""

    messages: int = 0
    dropped: int = 0
    """UDP messages for which there was no room."""
    cut: int = 0
    """Messages that were longer than any may be: their beginning was kept."""
    refused: int = 0
    """Connections refused because there were too many."""
    broken: int = 0
    """Connections closed for what they sent, or because TLS failed."""


class Syslog:
    """Listens in a thread of its own; ``take`` gives what has come."""

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        client_ca: Path | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Begin to listen. TLS needs ``certificate`` and ``key``; with ``client_ca`` clients must show a certificate.

        Raises ``ListenError``.
        """
        self.counts = Counts()
        self._endpoints = endpoints
        self._tls = _context(certificate, key, client_ca) if any(e.transport == "tls" for e in endpoints) else None
        self._most_waiting = most_waiting
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._open = 0
        self._failed: ListenError | None = None
        self.bound: list[tuple[str, int]] = []
        """Addresses and ports in fact, in the order asked for."""
        started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._thread = threading.Thread(target=self._run, args=(started,), name="syslog", daemon=True)
        self._thread.start()
        started.wait()
        if self._failed:
            self._thread.join()
            raise self._failed

    def take(self, timeout: float) -> list[Message]:
        """Everything that has come; waits for something at most ``timeout`` seconds."""
        self._arrived.wait(timeout)
        with self._lock:
            found = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            self._arrived.clear()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._room.set)
        return found

    def lost_by_system(self) -> int:
        """UDP messages the system dropped before we could read them, where it tells (Linux)."""
        ports = {port for e, (_, port) in zip(self._endpoints, self.bound, strict=False) if e.transport == "udp"}
        return sum(_drops(Path(table), ports) for table in ("/proc/net/udp", "/proc/net/udp6"))

    def close(self) -> None:
        """Stop listening; what has come may still be taken."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(timeout=10)

    def _run(self, started: threading.Event) -> None:
        try:
            self._loop.run_until_complete(self._serve(started))
        finally:
            started.set()
            self._loop.close()

    async def _serve(self, started: threading.Event) -> None:
        servers: list[asyncio.Server] = []
        datagrams: list[asyncio.DatagramTransport] = []
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._connection(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        try:
            for one in self._endpoints:
                if one.transport == "udp":
                    transport, _ = await self._loop.create_datagram_endpoint(
                        lambda: _Datagrams(self), local_addr=(one.host, one.port)
                    )
                    datagrams.append(transport)
                    self.bound.append(transport.get_extra_info("sockname")[:2])
                else:
                    tls = self._tls if one.transport == "tls" else None
                    server = await asyncio.start_server(
                        connected,
                        one.host,
                        one.port,
                        ssl=tls,
                        limit=_PIECE,
                        ssl_handshake_timeout=10 if tls else None,
                    )
                    servers.append(server)
                    self.bound.append(server.sockets[0].getsockname()[:2])
            started.set()
            await self._over.wait()
        except OSError as error:
            self._failed = ListenError(f"cannot listen on {one.transport}://{one.host}:{one.port}: {error.strerror}")
        finally:
            for transport in datagrams:
                transport.close()
            for server in servers:
                server.close()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _address(writer.get_extra_info("peername"))
        if self._open >= MOST_CONNECTIONS:
            self.counts.refused += 1
            writer.close()
            return
        self._open += 1
        try:
            framing = _Framing(self.counts)
            while data := await asyncio.wait_for(reader.read(_PIECE), IDLE):
                for message in framing.feed(data):
                    await self._keep(Message(peer, message))
            await self._keep(Message(peer, framing.last()))
        except (OSError, ValueError, TimeoutError):
            self.counts.broken += 1
        finally:
            self._open -= 1
            writer.close()

    async def _keep(self, message: Message) -> None:
        while not self.add(message):
            self._room.clear()
            await self._room.wait()

    def add(self, message: Message) -> bool:
        """Put a message into the queue; false where there is no room."""
        if not message.data.strip():
            return True
        with self._lock:
            size = len(message.data) + _KEEPING
            if self._bytes and self._bytes + size > self._most_waiting:
                return False
            self._bytes += size
            self._waiting.append(message)
            self.counts.messages += 1
        self._arrived.set()
        return True


class _Datagrams(asyncio.DatagramProtocol):
    """One message a datagram (RFC 5426)."""

    def __init__(self, listener: Syslog) -> None:
        self._listener = listener

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._listener.add(Message(_address(addr), data.rstrip(_ENDS))):
            self._listener.counts.dropped += 1


class _Framing:
    """The messages of a stream: a number of octets, a space and the message, or everything up to a line feed or NUL."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._rest = b""
        self._octets = 0
        """Octets that are left of a message that was cut."""
        self._line = False
        """Whether what is left of a line that was cut comes next."""

    def feed(self, more: bytes) -> Iterator[bytes]:
        """The messages that are whole with what has come now."""
        data, at = self._rest + more, 0
        while at < len(data):
            if self._octets:
                step = min(self._octets, len(data) - at)
                self._octets -= step
                at += step
            elif self._line:
                end = _END.search(data, at)
                self._line = end is None
                at = end.end() if end else len(data)
            elif number := _NUMBER.match(data, at):
                size, start = int(number[1]), number.end()
                message = data[start : start + min(size, LONGEST)]
                if len(message) < min(size, LONGEST):
                    break
                at = start + len(message)
                self._octets = size - len(message)
                self._counts.cut += self._octets > 0
                yield message.rstrip(_ENDS)
            elif _PERHAPS_NUMBER.match(data, at):
                break
            else:
                end = _END.search(data, at)
                if end is None and len(data) - at <= LONGEST:
                    break
                stop, after = end.span() if end else (len(data), len(data))
                message = data[at : min(stop, at + LONGEST)]
                self._counts.cut += stop - at > LONGEST
                self._line = end is None
                at = after
                yield message.rstrip(_ENDS)
        self._rest = data[at:]

    def last(self) -> bytes:
        """What there is at the end of the stream. ``ValueError`` if it ends within a counted message."""
        if self._octets or _NUMBER.match(self._rest):
            raise ValueError("ends within a message")
        return self._rest.rstrip(_ENDS)


def _drops(table: Path, ports: set[int]) -> int:
    """The column `drops` of the system's table of UDP sockets."""
    try:
        rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    except (OSError, ValueError):
        return 0
    return sum(int(row[-1]) for row in rows if len(row) > 12 and int(row[1].rpartition(":")[2], 16) in ports)


def _address(peer: object) -> str:
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def _context(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext:
    if certificate is None:
        raise ListenError("tls:// needs --tls-cert and --tls-key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"certificate or key cannot be used: {error}") from None
    return context
