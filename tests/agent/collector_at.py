"""A small collector on loopback, over real HTTP or TLS, with the faults a test asks for."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from tests.agent.reporting import Model

from aimscope_signatures import wire

Fault = tuple[int, dict[str, str], bytes]


def problem(status: int, word: str, **headers: str) -> Fault:
    body = msgspec.json.encode(wire.Problem(type=word, title=word, status=status))
    return status, {"Content-Type": "application/problem+json", **headers}, body


class Collector:
    """Takes reports into a ``Model``. ``faults`` may answer in its place; a report may be kept and its answer lost."""

    def __init__(self) -> None:
        self.model = Model()
        self.faults: Callable[[str, bytes], Fault | None] = lambda _path, _body: None
        self.lost: Callable[[str, bytes], bool] = lambda _path, _body: False
        self.secrets: set[str] = set()
        self.asked: list[tuple[str, bytes]] = []
        self.check_ins: list[wire.CheckIn] = []
        self.pace = wire.Pace(next_check_in=60)
        self.bodies: dict[str, bytes] = {}
        self.squeezed: list[int] = []
        self.url = ""

    def answer(self, path: str, body: bytes, credential: str) -> Fault:
        self.asked.append((path, body))
        if self.secrets and hashlib.sha256(credential.rpartition(".")[2].encode()).hexdigest() not in self.secrets:
            return problem(401, "unauthorised")
        fault = self.faults(path, body)
        if fault is not None:
            return fault
        if path.startswith("/v1/") and path.count("/") == 3:
            found = self.bodies.get(path)
            return (200, {}, found) if found is not None else problem(404, "not-found")
        if path == "/v1/check-in":
            said = msgspec.json.decode(body, type=wire.CheckIn)
            self.check_ins.append(said)
            if said.new_secret:
                self.secrets.add(said.new_secret)
            pace = self.model.check_in(said.epoch, said.acknowledged)
        else:
            pace = self.model.take(msgspec.json.decode(body, type=wire.Report))
        pace = msgspec.structs.replace(self.pace, committed=pace.committed, full_state=pace.full_state)
        return 200, {"Content-Type": "application/json"}, msgspec.json.encode(pace)


@contextlib.contextmanager
def served(collector: Collector, context: ssl.SSLContext | None = None) -> Iterator[Collector]:
    """The collector, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                collector.squeezed.append(len(body))
                body = gzip.decompress(body)
            credential = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, headers, content = collector.answer(self.path, body, credential)
            if collector.lost(self.path, body):
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    collector.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
