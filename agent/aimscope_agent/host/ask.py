"""One read-only HTTP GET to a server on this machine, bounded in time and size as a whole.

A server that sends a byte a second, headers without end or a stream of events costs no more than any other:
what has arrived by the deadline is read. No proxy, no redirect, no credentials.
"""

from __future__ import annotations

import http.client
import io
import socket
import sys
import time

from aimscope_agent.host.facts import Answer

PROBE_SECONDS = 1.5
PROBE_BYTES = 65_536
_HEADER_BYTES = 65_536


class _Received:
    """What a socket gave, for the parser of ``http.client``."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        del mode
        return io.BytesIO(self._data)


def get(
    target: tuple[str, int] | str,
    path: str,
    *,
    accept: str = "*/*",
    seconds: float = PROBE_SECONDS,
    most: int = PROBE_BYTES,
) -> Answer | None:
    """GET ``path`` from an address and port, or from a local socket by its path.

    ``None`` if whoever listens speaks no HTTP in time. ``OSError`` if nobody can be reached; ``ValueError`` for a
    path or type that would not stay within its line of the request.
    """
    if not path.startswith("/") or not (path + accept).isascii() or not (path + accept).isprintable() or " " in path:
        raise ValueError(f"not a path and a media type: {path!r}, {accept!r}")
    host = f"[{target[0]}]:{target[1]}" if ":" in target[0] else f"{target[0]}:{target[1]}"
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {'localhost' if isinstance(target, str) else host}",
        f"Accept: {accept}",
        "Accept-Encoding: identity",
        "User-Agent: aimscope",
        "Connection: close",
    )
    deadline = time.monotonic() + seconds
    with _connect(target, seconds) as connection:
        try:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
            received = _receive(connection, deadline, most + _HEADER_BYTES)
        except OSError:
            return None
    return parse(received, most)


def _connect(target: tuple[str, int] | str, seconds: float) -> socket.socket:
    if not isinstance(target, str):
        return socket.create_connection(target, timeout=seconds)
    if sys.platform == "win32":
        raise OSError("no local sockets")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(target)
    except BaseException:
        connection.close()
        raise
    return connection


def _receive(connection: socket.socket, deadline: float, most: int) -> bytes:
    received = bytearray()
    while len(received) < most and (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(65_536)
        except TimeoutError:
            break
        except ConnectionResetError:
            break
        if not piece:
            break
        received += piece
    return bytes(received)


def parse(received: bytes, most: int) -> Answer | None:
    """An answer from what was received of it; ``None`` if it is no HTTP."""
    if not received.startswith(b"HTTP/1."):
        return None
    response = http.client.HTTPResponse(_Received(received), method="GET")  # type: ignore[arg-type]
    try:
        response.begin()
        try:
            body = response.read(most)
        except http.client.IncompleteRead as torn:
            body = torn.partial
    except (http.client.HTTPException, ValueError, OSError):
        return None
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        headers.setdefault(name.lower()[:256], value[:4_096])
    return Answer(response.status, headers, body[:most].decode("utf-8", "replace"))
