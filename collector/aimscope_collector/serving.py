"""The HTTP server: granian in this process, TLS 1.3, HTTP/1 only, slow and too many connections bounded.

``ServeError`` says what is wrong with how it was asked to listen, and what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, MutableMapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import msgspec
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from aimscope_collector.app import Asgi, Collector, Receive, Send

_HEADER_MILLISECONDS: Final = 3_000
_BACKLOG: Final = 8_192
_BACKPRESSURE: Final = 4_096
Network = IPv4Network | IPv6Network


class ServeError(Exception):
    """It cannot be served like this."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to listen."""

    host: str
    port: int
    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    proxies: tuple[str, ...] = ()


def parsed(text: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port``. Raises ``ServeError``."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise ServeError(f"{text!r} is no place to listen at: write 127.0.0.1:8080 or [::1]:8080")
    host = host.strip("[]") or "0.0.0.0"  # noqa: S104 - said by whoever starts it
    try:
        ip_address(host)
    except ValueError:
        if host != "localhost":
            raise ServeError(f"{host!r} is no address: write one of this machine's, or 0.0.0.0 for all") from None
        host = "127.0.0.1"
    return host, int(port)


def check(listening: Listening) -> None:
    """Raises ``ServeError`` unless everybody who can connect is spoken to in private."""
    if (listening.cert is None) != (listening.key is None):
        raise ServeError("a certificate needs its key, and the key its certificate: give --tls-cert and --tls-key")
    if listening.client_ca is not None and listening.cert is None:
        raise ServeError("--client-ca checks certificates of clients: it needs --tls-cert and --tls-key")
    for proxy in listening.proxies:
        _network(proxy)
    for path in (listening.cert, listening.key, listening.client_ca):
        if path is not None and not path.is_file():
            raise ServeError(f"{path} is no file")
    loopback = ip_address(listening.host).is_loopback
    if listening.cert is None and not loopback and not listening.proxies:
        raise ServeError(
            f"{listening.host} can be reached by others, and there is no TLS: give --tls-cert and --tls-key, or name "
            "the proxy that speaks TLS with --behind-proxy ADDRESS"
        )


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ServeError(f"{text!r} is no address of a proxy: write 10.0.0.5 or 10.0.0.0/24") from None


def behind(app: Asgi, proxies: Sequence[str]) -> Asgi:
    """The application for proxies alone: whoever they speak for is who asks, and nobody else is let in."""
    networks = [_network(proxy) for proxy in proxies]

    def trusted(text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in networks)

    async def only(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        peer = scope.get("client") or ("", 0)
        if not trusted(str(peer[0])):
            await _refuse(send)
            return
        said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = [hop.strip() for hop in b",".join(said).decode("latin-1").split(",") if hop.strip()]
        client = next((hop for hop in reversed(hops) if not trusted(hop)), "")
        if _address(client) is not None:
            scope = {**scope, "client": (client, 0)}
        # the proxy is the one that speaks TLS: cookies are made for that
        await app({**scope, "scheme": "https"}, receive, send)

    return only


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


async def _refuse(send: Send) -> None:
    body = b'{"type":"forbidden","title":"Forbidden","status":403,"detail":"Only the proxy may ask here."}'
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def free(host: str, port: int) -> None:
    """Raise ``ServeError`` where somebody listens there already, or it may not be listened at."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as error:
            raise ServeError(f"{host}:{port} cannot be listened at: {error.strerror}") from None


async def serve(collector: Collector, listening: Listening, *, ready: Callable[[], None] = lambda: None) -> None:
    """Answer until SIGTERM or SIGINT; then finish what was begun, write what waits, and return."""
    check(listening)
    free(listening.host, listening.port)
    app = behind(collector.asgi, listening.proxies) if listening.proxies else collector.asgi
    server = Server(
        app,
        address=listening.host,
        port=listening.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_BACKPRESSURE,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        log_enabled=False,
        ssl_cert=listening.cert,
        ssl_key=listening.key,
        ssl_protocol_min=SSLProtocols.tls13,
        ssl_ca=listening.client_ca,
        ssl_client_verify=listening.client_ca is not None,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises
            loop.add_signal_handler(number, server.stop)
    async with collector.running():
        answering = asyncio.create_task(server.serve())
        await asyncio.sleep(0)
        ready()
        await answering
