"""Real servers on loopback for the network scan: well-behaved, near-miss and hostile ones."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Page(NamedTuple):
    """What a path answers."""

    status: int = 200
    body: str | bytes = ""
    headers: Mapping[str, str] = {}


class Asked(NamedTuple):
    """A request that reached a server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Site:
    """A running server and what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[Asked] = []

    @property
    def lines(self) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.asked]


Answer = Callable[[Asked], Page]


@contextlib.contextmanager
def site(pages: Mapping[str, Page] | Answer, *, server: str = "", tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A server that answers each path as told, and 404 otherwise."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = server
        sys_version = ""

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked = Asked(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
            running.asked.append(asked)
            page = pages(asked) if callable(pages) else pages.get(self.path, Page(404, "nothing here"))
            body = page.body.encode() if isinstance(page.body, str) else page.body
            self.send_response(page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = _serve

        def version_string(self) -> str:
            return server

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

        def finish_request(self, request: Any, client_address: Any) -> None:
            if tls is None:
                super().finish_request(request, client_address)
                return
            request.settimeout(10)
            try:
                with tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as inside:
                    inside.do_handshake()
                    super().finish_request(inside, client_address)
            except OSError:
                pass  # a client that speaks plain text to TLS, or goes away

    httpd = Quiet(("127.0.0.1", 0), Handler)
    running = Site(httpd.server_address[1])
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@contextlib.contextmanager
def raw(speak: Callable[[socket.socket], None]) -> Iterator[Site]:
    """A server that does with each connection whatever it likes; ``asked`` counts connections that sent something."""
    listening = socket.create_server(("127.0.0.1", 0))
    running = Site(listening.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            speak(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield running
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def own_certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ai.corp.example")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "own.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


JSON = {"Content-Type": "application/json"}
UVICORN_NOT_FOUND = Page(404, '{"detail":"Not Found"}', JSON)


def result(name: str = "clock", version: str = "1.2.0") -> str:
    """What an MCP server answers to ``initialize``."""
    said = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": name, "version": version}}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": said})


def streamable_mcp(asked: Asked) -> Page:
    """An MCP server over Streamable HTTP, as the Python SDK's: events, and a session."""
    if asked.path != "/mcp":
        return Page(404, "Not Found", {"Content-Type": "text/plain; charset=utf-8"})
    if asked.method == "DELETE":
        return Page(200)
    if asked.method != "POST" or "text/event-stream" not in asked.headers.get("Accept", ""):
        return Page(406, '{"jsonrpc":"2.0","error":{"code":-32600,"message":"Not Acceptable"}}', JSON)
    if json.loads(asked.body)["method"] != "initialize":
        return Page(400, "{}", JSON)
    body = f"event: message\r\ndata: {result()}\r\n\r\n"
    return Page(200, body, {"Content-Type": "text/event-stream", "Mcp-Session-Id": "c0ffee"})


@contextlib.contextmanager
def sse_mcp() -> Iterator[Site]:
    """An MCP server over the older transport: messages go to a path the stream names, answers come by the stream."""
    streams: list[socket.socket] = []

    def speak(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(4_096)
            if not piece:
                return
            head += piece
        line = head.split(b"\r\n", 1)[0].decode()
        method, path, _ = line.split(" ")
        running.asked.append(Asked(method, path, {}, b""))
        if method == "GET" and path == "/sse":
            streams.append(connection)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                b"event: endpoint\r\ndata: /messages/?session_id=abc\r\n\r\n"
            )
            with contextlib.suppress(OSError):
                connection.recv(1)
        elif method == "POST" and path.startswith("/messages/"):
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\nConnection: close\r\n\r\nAccepted")
            streams[-1].sendall(f"event: message\r\ndata: {result('diary')}\r\n\r\n".encode())
        else:
            connection.sendall(
                b"HTTP/1.1 404 Not Found\r\nserver: uvicorn\r\ncontent-type: text/plain; charset=utf-8\r\n"
                b"content-length: 9\r\nConnection: close\r\n\r\nNot Found"
            )

    with raw(speak) as running:
        yield running
