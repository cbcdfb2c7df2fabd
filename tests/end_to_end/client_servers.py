"""Servers for real clients, all on every address of a private network: run there as a program of its own.

``python client_servers.py FOLDER ADDRESS…`` writes a certificate to the folder, says "ready" and serves until it is
ended: TLS on several ports, QUIC on the addresses given, HTTP, HTTP/2 without encryption, a proxy for CONNECT, SOCKS 4a
and 5, DNS over HTTPS and over TLS. Whatever is asked is answered with little; a tunnel ends at these servers too.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

TLS = (443, 853, RETRY := 4433, 8443)
"""At one of them the server insists on a group that no client offers first: the client says its hello twice."""
HTTP = (80, 8080, 11434)
PROXY, SOCKS, H2C = 3128, 1080, 8081
ECHO = "links"
"""Path of a page that shows images of all the hosts named after it, by commas."""
LARGE = 3_000_000
"""Bytes of a large answer."""

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for every name and its key, as files; next to them ``spki``, which Chromium is told to trust."""
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "private network")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=10))
    names = [x509.DNSName("*.com"), x509.DNSName("*.org"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = built.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    encoding = serialization.Encoding
    (folder / "certificate.pem").write_bytes(made.public_bytes(encoding.PEM))
    private = key.private_bytes(encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_key().public_bytes(encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    (folder / "spki").write_bytes(base64.b64encode(digest.finalize()))
    return folder / "certificate.pem", folder / "key.pem"


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests, one after the other; CONNECT begins a tunnel."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await tunnel(int(target.rpartition(":")[2]), reader, writer)
            return
        if headers.get("expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await content(reader, headers)
        kind, text = await page(target, body)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()


async def content(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    whole = b""
    while size := int(await reader.readline(), 16):
        whole += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return whole


async def page(target: str, body: bytes) -> tuple[str, bytes]:
    """Type and text of an answer."""
    path = target.partition("//")[2].partition("/")[2] if "//" in target[:9] else target[1:]
    what, _, more = path.partition("?")
    if what == ECHO:
        images = "".join(f'<img src="{one}/image.svg">' for one in more.split(","))
        return "text/html", f"<!doctype html><title>links</title>{images}".encode()
    if what.startswith("dns-query"):
        return "application/dns-message", await resolved(body)
    if what == "large":
        return "application/octet-stream", bytes(LARGE)
    if what.endswith(".svg"):
        return "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
    return "text/html", b"<!doctype html><title>here</title>"


async def resolved(question: bytes) -> bytes:
    """What the resolver of this network answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 53)
    writer.write(len(question).to_bytes(2, "big") + question)
    answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    writer.close()
    return answer


async def dns(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Questions over TLS."""
    while size := await reader.readexactly(2):
        answer = await resolved(await reader.readexactly(int.from_bytes(size, "big")))
        writer.write(len(answer).to_bytes(2, "big") + answer)


async def socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if (await reader.readexactly(1)) == b"\x04":
        _, port = (await reader.readexactly(1))[0], int.from_bytes(await reader.readexactly(2), "big")
        address = await reader.readexactly(4)
        await reader.readuntil(b"\0")
        if address.startswith(b"\0\0\0"):
            await reader.readuntil(b"\0")
        writer.write(b"\0\x5a" + bytes(6))
    else:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\0")
        kind = (await reader.readexactly(4))[3]
        await reader.readexactly({1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0])
        port = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(b"\x05\0\0\x01" + bytes(6))
    await tunnel(port, reader, writer)


async def tunnel(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    there, away = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
        sink.close()

    await asyncio.gather(pump(reader, away), pump(there, writer), return_exceptions=True)


async def h2c(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/2 as far as clients need it: settings agreed to, every request answered with 200 and nothing."""
    await reader.readexactly(24)
    writer.write(bytes(3) + b"\x04\0" + bytes(4))
    while head := await reader.readexactly(9):
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        if head[3] == 1:
            writer.write(b"\0\0\x01\x01\x05" + head[5:] + b"\x88")
        elif head[3] == 4 and not head[4]:
            writer.write(bytes(3) + b"\x04\x01" + bytes(4))
        await writer.drain()


def quietly(talk: Talk) -> Talk:
    """A client that leaves, or breaks off in the middle, is nothing to speak of."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError, ValueError):
            await talk(reader, writer)
        with contextlib.suppress(OSError, ssl.SSLError):
            writer.close()

    return served


@contextlib.asynccontextmanager
async def quic(chain: Path, key: Path, addresses: list[str]) -> AsyncIterator[None]:
    """HTTP/3, versions 1 and 2; nothing where the library is missing.

    Bound to each address: an answer from another one than was asked is no answer.
    """
    try:
        from aioquic.asyncio.protocol import QuicConnectionProtocol
        from aioquic.asyncio.server import serve
        from aioquic.h3.connection import H3_ALPN, H3Connection
        from aioquic.h3.events import DataReceived, HeadersReceived
        from aioquic.quic.configuration import QuicConfiguration
        from aioquic.quic.events import ProtocolNegotiated, QuicEvent
    except ImportError:
        yield
        return

    tasks: list[asyncio.Future[None]] = []

    class Http3(QuicConnectionProtocol):
        http: H3Connection | None = None

        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.paths: dict[int, str] = {}

        def quic_event_received(self, event: QuicEvent) -> None:
            if isinstance(event, ProtocolNegotiated):
                self.http = H3Connection(self._quic)
            for one in self.http.handle_event(event) if self.http else ():
                if isinstance(one, HeadersReceived):
                    self.paths[one.stream_id] = dict(one.headers).get(b":path", b"/").decode()
                if isinstance(one, HeadersReceived | DataReceived) and one.stream_ended:
                    tasks.append(asyncio.ensure_future(self.answer(one.stream_id)))

        async def answer(self, stream: int) -> None:
            kind, text = await page(self.paths.pop(stream, "/"), b"")
            if self.http:
                self.http.send_headers(stream, [(b":status", b"200"), (b"content-type", kind.encode())])
                self.http.send_data(stream, text, end_stream=True)
                self.transmit()

    settings = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    settings.load_cert_chain(chain, key)
    servers = [await serve(one, 443, configuration=settings, create_protocol=Http3) for one in addresses]
    yield
    for server in servers:
        server.close()


async def main(folder: Path, addresses: list[str]) -> None:
    chain, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.set_alpn_protocols(["http/1.1"])
    picky = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    picky.load_cert_chain(chain, key)
    picky.set_ecdh_curve("secp384r1")
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    plain: dict[int, Talk] = {**dict.fromkeys((*HTTP, PROXY), http), SOCKS: socks, H2C: h2c}
    for host in ("0.0.0.0", "::"):
        for port, talk in plain.items():
            await asyncio.start_server(quietly(talk), host, port)
        for port in TLS:
            talk = quietly(dns if port == 853 else http)
            await asyncio.start_server(talk, host, port, ssl=picky if port == RETRY else context)
    async with quic(chain, key, addresses):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
