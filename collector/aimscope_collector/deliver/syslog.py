"""Syslog: UDP (RFC 5426), TCP with counted octets (RFC 6587, 3.4.1), TLS with counted octets (RFC 5425, 4.3).

Syslog has no acknowledgement. What was sent over a connection counts as delivered once the receiver's machine has
confirmed every byte of it, and the connection has lived on for ``settles`` seconds; when it breaks before, all of that
is sent again. What a receiver had taken earlier and still not kept when it died is lost, and no sender can know.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
from collections.abc import Mapping
from typing import Any, Final, Literal

from aimscope_collector.deliver import Failure
from aimscope_collector.deliver.carrying import Batch, Refused
from aimscope_collector.deliver.posting import Reach, Resolve, address_of, resolve

Transport = Literal["tls", "tcp", "udp"]
_SECONDS: Final = 15.0
_DATAGRAM: Final = 65_000
_DISCARDED: Final = 65_536
_IDLE: Final = 30


class Syslog:
    """One receiver, and the connection to it."""

    one_each = False
    most_records = 500
    most_bytes = 256_000

    def __init__(
        self,
        host: str,
        port: int,
        *,
        transport: Transport = "tls",
        tls: ssl.SSLContext | None = None,
        reach: Reach = "private",
        resolver: Resolve = resolve,
        settles: int = 10,
    ) -> None:
        self._host = host
        self._port = port
        self._transport = transport
        self._tls = tls or (ssl.create_default_context() if transport == "tls" else None)
        self._reach: Reach = reach
        self._resolver = resolver
        self._socket: socket.socket | None = None
        self.settles = settles

    def __repr__(self) -> str:
        """Where to."""
        return f"Syslog({self._transport} {self._host}:{self._port})"

    def send(self, batch: Batch, *, now: int) -> Mapping[int, Failure]:
        """Write the batch. That it was written says nothing of its arrival: see ``check``."""
        del now
        if self._socket is not None and not self._lives():
            self.close()
            raise Failure("the connection was closed by the receiver")
        connection = self._socket or self._connect()
        try:
            if self._transport == "udp":
                for record in batch.records:
                    if len(record) > _DATAGRAM:
                        raise Refused(f"{len(record):,} bytes are more than a datagram holds")
                    connection.send(record)
            else:
                connection.sendall(b"".join(b"%d %s" % (len(record), record) for record in batch.records))
        except OSError as error:
            self.close()
            raise _broken(error) from None
        return {}

    def check(self) -> bool:
        """Whether the receiver's machine has confirmed all bytes. Raises ``Failure`` for a connection that broke."""
        if self._socket is None:
            raise Failure("the connection is closed")
        if not self._lives():
            self.close()
            raise Failure("the connection was closed by the receiver")
        return self._transport == "udp" or _unconfirmed(self._socket) == 0

    def close(self) -> None:
        """End the connection."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _connect(self) -> socket.socket:
        address = address_of(self._host, self._port, self._reach, self._resolver)
        try:
            if self._transport == "udp":
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                made = socket.socket(family, socket.SOCK_DGRAM)
                made.connect((address, self._port))
            else:
                made = socket.create_connection((address, self._port), timeout=_SECONDS)
                _watch(made)
                if self._tls is not None and self._transport == "tls":
                    made = _over_tls(self._tls, made, self._host)
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "certificate not trusted"
            raise Failure(f"TLS with the receiver failed: {reason}") from None
        except OSError as error:
            raise Failure(f"the receiver cannot be reached: {error.strerror or type(error).__name__}") from None
        made.settimeout(_SECONDS)
        self._socket = made
        return made

    def _lives(self) -> bool:
        """What receivers say (TLS: session tickets) is read and dropped; the end of it is the end of the connection."""
        connection = self._socket
        if connection is None:
            return False
        connection.settimeout(0)
        try:
            while connection.recv(_DISCARDED):
                pass
            return self._transport == "udp"
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            with contextlib.suppress(OSError):
                connection.settimeout(_SECONDS)


def _over_tls(tls: ssl.SSLContext, plain: socket.socket, host: str) -> socket.socket:
    try:
        return tls.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _watch(connection: socket.socket) -> None:
    """Find out within half a minute that the receiver's machine is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", _IDLE), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _IDLE * 1_000)


def _unconfirmed(connection: socket.socket) -> int:
    """Bytes the other machine has not confirmed; 0 where the system cannot tell."""
    if sys.platform != "linux":
        return 0
    import fcntl  # noqa: PLC0415  # not on Windows
    import termios  # noqa: PLC0415

    held: Any = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", held)[0])


def _broken(error: OSError) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure("the receiver takes nothing: it did not read in time")
    return Failure(f"the connection broke: {error.strerror or type(error).__name__}")
