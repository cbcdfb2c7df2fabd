"""Carriers against real sockets and files: what counts as taken, what does not, and whose fault it is."""

from __future__ import annotations

import base64
import gzip
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from aimscope_collector.deliver import Failure
from aimscope_collector.deliver.carrying import Batch, Refused, TooLarge
from aimscope_collector.deliver.configured import DestinationsError, read
from aimscope_collector.deliver.entra import Entra
from aimscope_collector.deliver.file import File
from aimscope_collector.deliver.https import Fixed, Https
from aimscope_collector.deliver.posting import Poster
from aimscope_collector.deliver.syslog import Syslog
from aimscope_collector.deliver.webhook import Webhook, signed
from tests.collector.fleet.test_deliver import certificate, server_side

NOW = 1_700_000_000
SECRET = b"0123456789abcdef0123456789abcdef"
__all__ = ["certificate"]


def batch(*records: bytes) -> Batch:
    return Batch(
        records=records,
        uids=tuple(f"e-{n}" for n in range(len(records))),
        body=b"".join(one + b"\n" for one in records),
        content_type="application/x-ndjson",
    )


Answer = tuple[int, Mapping[str, str], bytes]


class Server:
    """An HTTP server that answers as it is told, and keeps what it is sent."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: Callable[[str, dict[str, str]], Answer] = lambda _path, _headers: (200, {}, b"")
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): text for name, text in self.headers.items()}
                server.got.append((self.path, headers, body))
                status, more, content = server.answers(self.path, headers)
                self.send_response(status)
                for name, text in {"Content-Length": str(len(content)), **more}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if tls is not None:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def url(self, path: str = "/in", scheme: str = "http") -> str:
        return f"{scheme}://{'localhost' if scheme == 'https' else '127.0.0.1'}:{self.port}{path}"

    def poster(self, path: str = "/in", **more: Any) -> Poster:
        return Poster(self.url(path), what="receiver", reach="loopback", **more)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def answer(status: int, body: bytes = b"", **headers: str) -> Callable[[str, dict[str, str]], Answer]:
    said = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda _path, _headers: (status, said, body)


def test_a_batch_is_posted_with_its_token(server: Server) -> None:
    made = Https(server.poster(), credential=Fixed("Authorization", "Splunk t0ken"), headers={"X-Channel": "7"})
    assert made.send(batch(b"one", b"two"), now=NOW) == {}
    [(path, headers, body)] = server.got
    assert (path, body) == ("/in", b"one\ntwo\n")
    assert headers["authorization"] == "Splunk t0ken"
    assert (headers["content-type"], headers["x-channel"]) == ("application/x-ndjson", "7")
    assert "t0ken" not in repr(made) + repr(Fixed("Authorization", "t0ken"))
    Https(server.poster(), compress=True).send(batch(b"one"), now=NOW)
    assert server.got[-1][1]["content-encoding"] == "gzip"
    assert gzip.decompress(server.got[-1][2]) == b"one\n"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Refused) for status in (400, 409, 422)),
        (413, TooLarge),
        # the receiver, its address or our credential is to blame, and no event
        *((status, Failure) for status in (301, 302, 307, 308, 401, 403, 404, 405, 407, 408, 410, 429, 500, 502, 503)),
    ],
)
def test_what_an_answer_means(server: Server, status: int, kind: type[Failure]) -> None:
    server.answers = answer(status, Location="http://127.0.0.1:1/elsewhere")
    with pytest.raises(Failure) as raised:
        Https(server.poster()).send(batch(b"one"), now=NOW)
    assert type(raised.value) is kind
    assert str(status) in str(raised.value)
    assert len(server.got) == 1  # no redirect is followed


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0),
        ("999999999999", 0),
        ("999999", 86_400),
        ("soon", 0),
        ("-5", 0),
        ("", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(server: Server, said: str, seconds: int) -> None:
    server.answers = answer(429, Retry_After=said)
    with pytest.raises(Failure) as raised:
        Https(server.poster()).send(batch(b"one"), now=NOW)
    assert raised.value.retry_after == seconds


def test_a_receiver_that_does_not_answer_or_is_not_there(server: Server) -> None:
    hangs = threading.Event()

    def hang(_path: str, _headers: dict[str, str]) -> Answer:
        hangs.wait(20)
        return 200, {}, b""

    server.answers = hang
    with pytest.raises(Failure, match="in time"):
        Https(server.poster(seconds=0.3)).send(batch(b"one"), now=NOW)
    hangs.set()
    with pytest.raises(Failure, match="cannot be reached"):
        Https(Poster("http://127.0.0.1:9/in", what="receiver", reach="loopback")).send(batch(b"one"), now=NOW)


def test_tls_is_verified(certificate: tuple[Path, Path]) -> None:
    server = Server(server_side(certificate))
    url = server.url(scheme="https")
    with pytest.raises(Failure, match="cannot be reached"):
        Https(Poster(url, what="receiver", reach="loopback")).send(batch(b"x"), now=NOW)
    wrong = url.replace("localhost", "127.0.0.1")  # the certificate is localhost's
    with pytest.raises(Failure, match="cannot be reached"):
        Https(Poster(wrong, what="receiver", reach="loopback", ca=str(certificate[0]))).send(batch(b"x"), now=NOW)
    assert server.got == []
    Https(Poster(url, what="receiver", reach="loopback", ca=str(certificate[0]))).send(batch(b"x"), now=NOW)
    assert len(server.got) == 1
    server.http.shutdown()
    server.http.server_close()


@pytest.mark.parametrize(
    "url", ["http://siem.example/in", "ftp://siem.example/", "https://u:p@siem.example/", "https:///"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="receiver"):
        Poster(url, what="receiver")


def test_an_address_inside_is_not_posted_to_where_only_public_ones_are_meant(server: Server) -> None:
    with pytest.raises(Failure, match="not one that"):
        Https(Poster("https://siem.example/", what="receiver", resolver=lambda *_: ["169.254.169.254"])).send(
            batch(b"x"), now=NOW
        )


def bulk(*results: tuple[int, str], errors: bool = True) -> bytes:
    items = [{"create": {"status": status, **({"error": {"type": why}} if why else {})}} for status, why in results]
    return msgspec.json.encode({"took": 3, "errors": errors, "items": items})


def test_bulk_is_answered_for_each_record(server: Server) -> None:
    made = Https(server.poster("/_bulk"), bulk=True)
    server.answers = answer(200, bulk((201, ""), (201, ""), errors=False))
    assert made.send(batch(b"a", b"b"), now=NOW) == {}
    results = ((201, ""), (400, "mapper_parsing_exception"), (409, "version_conflict"), (429, "rejected"), (503, ""))
    server.answers = answer(200, bulk(*results))
    found = made.send(batch(*[b"x"] * 5), now=NOW)
    assert {at: type(why) for at, why in found.items()} == {1: Refused, 3: Failure, 4: Failure}
    assert "mapper_parsing_exception" in str(found[1])


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"errors":true}', b'{"errors":true,"items":[{}]}', bulk((201, "")), b'{"items":[1,2]}'],
)
def test_an_answer_that_is_no_bulk_answer_takes_nothing(server: Server, body: bytes) -> None:
    server.answers = answer(200, body)
    with pytest.raises(Failure, match="no _bulk endpoint"):
        Https(server.poster("/_bulk"), bulk=True).send(batch(b"a", b"b"), now=NOW)


def test_an_answer_without_end_is_not_read_to_its_end(server: Server) -> None:
    server.answers = answer(200, b"x" * (5 << 20))
    with pytest.raises(Failure, match="too long"):
        Https(server.poster("/_bulk"), bulk=True).send(batch(b"a"), now=NOW)


def test_entra_tokens_are_drawn_once_and_again_when_they_end_or_are_refused(server: Server) -> None:
    drawn = 0
    good = ""

    def answers(path: str, headers: dict[str, str]) -> Answer:
        nonlocal drawn, good
        if path.startswith("/tenant"):
            drawn += 1
            good = f"token{drawn}"
            return 200, {}, msgspec.json.encode({"access_token": good, "expires_in": 3_600, "token_type": "Bearer"})
        return (204 if headers["authorization"] == f"Bearer {good}" else 401), {}, b""

    server.answers = answers
    entra = Entra(server.poster("/tenant/oauth2/v2.0/token"), client="c", secret="s3cret&more")
    made = Https(server.poster("/dataCollectionRules/dcr/streams/Custom-A_CL"), credential=entra)
    for now in (NOW, NOW + 3_000, NOW + 3_299):
        made.send(batch(b"one"), now=now)
    assert drawn == 1
    asked = parse_qs(server.got[0][2].decode())
    assert (asked["client_secret"], asked["grant_type"]) == (["s3cret&more"], ["client_credentials"])
    assert asked["scope"] == ["https://monitor.azure.com/.default"]
    made.send(batch(b"one"), now=NOW + 3_301)
    assert drawn == 2
    good = "revoked"
    made.send(batch(b"one"), now=NOW + 3_400)
    assert drawn == 3
    assert "s3cret" not in repr(entra)


@pytest.mark.parametrize(
    "said", [answer(401), answer(200, b"{}"), answer(200, b"x"), answer(200, b'{"access_token":"a b","expires_in":9}')]
)
def test_without_a_token_nothing_is_sent(server: Server, said: Any) -> None:
    server.answers = said
    entra = Entra(server.poster("/t"), client="c", secret="s3cret")
    with pytest.raises(Failure, match="no token") as raised:
        Https(server.poster(), credential=entra).send(batch(b"one"), now=NOW)
    assert "s3cret" not in str(raised.value)
    assert [path for path, _, _ in server.got] == ["/t"]


def test_a_webhook_of_events_is_signed_over_the_body(server: Server) -> None:
    hook = Webhook(server.url(), SECRET, reach="loopback", at_once=2)
    hook.send(batch(b"one", b"two"), now=NOW)
    [(_, headers, body)] = server.got
    assert headers["aimscope-event"] == "e-0,e-1"
    assert signed(SECRET, headers["aimscope-timestamp"], body, headers["aimscope-signature"], now=NOW)
    assert not signed(SECRET, headers["aimscope-timestamp"], body + b"x", headers["aimscope-signature"], now=NOW)
    server.answers = answer(400)
    with pytest.raises(Refused):
        hook.send(batch(b"one"), now=NOW)


# --- files


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_a_file_is_appended_to_and_rotated_by_size(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    file = File(path, largest=60, keep=2)
    for number in range(12):
        file.send(batch(b"record %04d" % number, b"second %04d" % number), now=NOW)
    kept = [*lines_of(tmp_path / "events.json.2"), *lines_of(tmp_path / "events.json.1"), *lines_of(path)]
    assert kept[-2:] == [b"record 0011", b"second 0011"]
    assert [one for one in kept if one.startswith(b"record")] == [b"record %04d" % n for n in range(6, 12)]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["events.json", "events.json.1", "events.json.2"]
    assert path.stat().st_mode & 0o777 & ~0o640 == 0


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    file = File(path, largest=0)
    file.send(batch(b"one"), now=NOW)
    path.rename(tmp_path / "moved")
    file.send(batch(b"two"), now=NOW)
    path.unlink()
    file.send(batch(b"three"), now=NOW)
    assert (lines_of(tmp_path / "moved"), lines_of(path)) == ([b"one"], [b"three"])
    path.write_bytes(b"")  # as copytruncate leaves it
    file.send(batch(b"four"), now=NOW)
    assert lines_of(path) == [b"four"]


@pytest.mark.parametrize("torn", [b"half a rec", b"x" * 200_000, b""])
def test_what_is_left_of_a_record_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(b"whole\n" + torn)
    File(path).send(batch(b"next"), now=NOW)
    assert lines_of(path) == [b"whole", b"next"]
    path.write_bytes(torn)
    File(path).send(batch(b"next"), now=NOW)
    assert lines_of(path) == [b"next"]


_FULL = """
import resource, signal, sys
from pathlib import Path
from aimscope_collector.deliver import Failure
from tests.collector.fleet.test_exports_carriers import NOW, batch
from aimscope_collector.deliver.file import File
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
file = File(Path(sys.argv[1]))
file.send(batch(b"a" * 600), now=NOW)
try:
    file.send(batch(b"b" * 300, b"c" * 300), now=NOW)
except Failure as failure:
    print(failure)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.send(batch(b"b" * 300, b"c" * 300), now=NOW)
"""


def test_a_batch_that_does_not_fit_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout
    assert [len(one) for one in lines_of(path)] == [600, 300, 300]


def test_files_that_cannot_be_written_are_failures(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "none" / "events.json", tmp_path, link):
        with pytest.raises(Failure, match="cannot be written"):
            File(path).send(batch(b"one"), now=NOW)
    assert not (tmp_path / "elsewhere").exists()


# --- syslog


class Listener:
    """A TCP server that reads everything of one connection at a time."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.got = b""
        self.connections: list[socket.socket] = []
        self._tls = tls
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
                self.connections.append(connection)
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                    self.connections.append(connection)
                while data := connection.recv(65_536):
                    self.got += data
            except OSError:
                if self.socket.fileno() < 0:
                    return

    def close(self) -> None:
        self.socket.close()
        for connection in self.connections:
            connection.close()

    def wait(self, length: int) -> bytes:
        for _ in range(500):
            if len(self.got) >= length:
                break
            threading.Event().wait(0.01)
        return self.got


def test_octets_are_counted(certificate: tuple[Path, Path]) -> None:
    """RFC 6587, 3.4.1 and RFC 5425, 4.3: length, a space, the message, whatever it holds."""
    expected = "6 a\nb 1c3 ü.".encode()
    for tls in (None, server_side(certificate)):
        listener = Listener(tls)
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        made = Syslog(
            "localhost",
            listener.port,
            transport="tls" if tls else "tcp",
            tls=trusted,
            reach="loopback",
            resolver=lambda *_: ["127.0.0.1"],
        )
        made.send(batch(b"a\nb 1c", "ü.".encode()), now=NOW)
        assert listener.wait(len(expected)) == expected
        assert made.check()
        made.close()
        with pytest.raises(Failure, match="closed"):
            made.check()
        listener.close()


@pytest.mark.parametrize("over", ["tcp", "tls"])
@pytest.mark.parametrize("use", [lambda made: made.send(batch(b"two"), now=NOW), lambda made: made.check()])
def test_a_connection_the_receiver_closed_is_noticed_before_and_after_sending(
    certificate: tuple[Path, Path], over: Any, use: Callable[[Syslog], object]
) -> None:
    listener = Listener(server_side(certificate) if over == "tls" else None)
    made = Syslog(
        "localhost",
        listener.port,
        transport=over,
        tls=ssl.create_default_context(cafile=str(certificate[0])),
        reach="loopback",
        resolver=lambda *_: ["127.0.0.1"],
    )
    made.send(batch(b"one"), now=NOW)
    listener.wait(1)
    listener.got = b""
    listener.connections[-1].shutdown(socket.SHUT_RDWR)
    threading.Event().wait(0.05)
    with pytest.raises(Failure, match="closed by the receiver"):
        use(made)
    assert listener.got == b""
    listener.close()


def test_bytes_a_stopped_receiver_does_not_take_are_not_confirmed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        made = Syslog("127.0.0.1", deaf.getsockname()[1], transport="tcp", reach="loopback")
        made.send(batch(b"x" * 200_000), now=NOW)
        assert not made.check()
        made.close()


def test_a_receiver_over_tls_proves_who_it_is(certificate: tuple[Path, Path]) -> None:
    listener = Listener(server_side(certificate))
    with pytest.raises(Failure, match="TLS with the receiver failed: self-signed"):
        Syslog("localhost", listener.port, reach="loopback", resolver=lambda *_: ["127.0.0.1"]).send(
            batch(b"x"), now=NOW
        )
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    with pytest.raises(Failure, match=r"TLS with the receiver failed: .*not valid for"):
        Syslog("other.example", listener.port, tls=trusted, reach="loopback", resolver=lambda *_: ["127.0.0.1"]).send(
            batch(b"x"), now=NOW
        )
    assert listener.got == b""
    listener.close()


def test_each_record_is_a_datagram_and_nobody_listening_is_noticed() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        made = Syslog("127.0.0.1", receiver.getsockname()[1], transport="udp", reach="loopback")
        made.send(batch(b"one\ntwo", b"three"), now=NOW)
        assert [receiver.recv(100), receiver.recv(100)] == [b"one\ntwo", b"three"]
        assert made.check()
        with pytest.raises(Refused, match="datagram"):
            made.send(batch(b"x" * 70_000), now=NOW)
    made.send(batch(b"into the void"), now=NOW)
    threading.Event().wait(0.05)
    with pytest.raises(Failure):
        made.check()


def test_a_receiver_that_may_not_be_reached() -> None:
    with pytest.raises(Failure, match="not one that"):
        Syslog("siem.example", 514, transport="tcp", resolver=lambda *_: ["127.0.0.1"]).send(batch(b"x"), now=NOW)


# --- destinations.yaml

GOOD = """
organisation: Corp
collector: aimscope.corp.example
destinations:
  disk: {type: file, format: jsonl, path: events.json, largest: 1000, keep: 1}
  soc:
    type: syslog
    format: cef
    host: siem.corp.example
    filter: {types: [ai.finding, ai.audit], verdicts: [prohibited], min_risk: high, units: [emea]}
    devices: name
    since: 2d
    counters: 5
  splunk:
    type: https
    format: hec
    url: https://splunk.corp.example:8088/services/collector/event
    options: {index: ai}
    login: {type: token, scheme: Splunk, secret_file: token}
  elastic:
    type: https
    format: elastic
    url: https://es.corp.example:9200/_bulk
    login: {type: basic, user: aimscope, password_file: token}
  sentinel:
    type: https
    format: sentinel
    url: https://dce.ingest.monitor.azure.com/dataCollectionRules/dcr-1/streams/Custom-AI_CL?api-version=2023-01-01
    login: {type: entra, tenant: corp, client: c, secret_file: token}
  hook: {type: webhook, format: ocsf, url: "https://soar.corp.example/in", secret_file: token}
  alerts: {type: webhook, url: "https://soar.corp.example/alerts", secret_file: token}
"""


def configured(folder: Path, text: str) -> Any:
    (folder / "token").write_text("hush-0123456789abcdef\n")
    (folder / "token").chmod(0o600)
    path = folder / "destinations.yaml"
    path.write_text(text)
    return read(path)


def test_destinations_of_events_are_read(tmp_path: Path) -> None:
    found = configured(tmp_path, GOOD)
    assert set(found.alerts) == {"alerts"}
    known = {one.name: one for one in found.events}
    assert set(known) == {"disk", "soc", "splunk", "elastic", "sentinel", "hook"}
    soc = known["soc"]
    assert (soc.carried, soc.where, soc.names, soc.since, soc.counters) == (
        "syslog",
        "tls siem.corp.example:6514",
        True,
        2 * 86_400,
        5,
    )
    assert soc.options == {"header": "rfc5424"}
    assert (soc.wanted.verdicts, soc.wanted.min_risk, soc.wanted.units) == (("prohibited",), "high", ("emea",))
    assert (known["disk"].names, known["disk"].since, known["disk"].options) == (False, 0, {})
    assert [name for name, one in known.items() if one.carrier.one_each] == ["elastic"]
    assert "ai.audit" not in known["disk"].wanted.types
    assert "hush" not in repr(found)
    assert base64.b64encode(b"aimscope:hush").decode() not in repr(found)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("format: cef", "format: pigeon", "soc: pigeon is no format: choose from"),
        ("format: cef", "format: hec", "soc: hec does not go by syslog"),
        ("{index: ai}", "{colour: red}", "splunk: there is no option colour"),
        ("since: 2d", "since: yesterday", "since"),
        ("verdicts: [prohibited]", "verdicts: [bad]", "verdicts"),
        ("types: [ai.finding, ai.audit]", "types: [ai.everything]", "types"),
        ("devices: name", "devices: clear", "devices"),
        ("host: siem.corp.example", "host: siem.corp.example\n    ca: none.pem", "soc: .*none.pem"),
        ("host: siem.corp.example", "host: siem.corp.example\n    transport: tcp\n    ca: none.pem", "transport: tls"),
        ("https://splunk.corp", "http://splunk.corp", "splunk: a receiver needs https"),
        ("https://splunk.corp", "https://u:p@splunk.corp", "without a password"),
        ("scheme: Splunk, secret_file: token", "scheme: Splunk, secret_file: none", "none: No such file"),
        ("secret_file: token}\n  elastic", "secret: hush}\n  elastic", "unknown field"),
        ("tenant: corp", "tenant: ../x", "tenant"),
        ("keep: 1", "keep: -1", "keep"),
    ],
)
def test_destinations_that_are_wrong_are_said_without_a_secret(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(DestinationsError, match=says) as raised:
        configured(tmp_path, GOOD.replace(old, new, 1))
    assert "hush-0123" not in str(raised.value)


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    configured(tmp_path, GOOD)
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(DestinationsError, match="chmod 600"):
        read(tmp_path / "destinations.yaml")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "token").write_text("two words\r\nX-Evil: 1")
    with pytest.raises(DestinationsError, match="no token"):
        read(tmp_path / "destinations.yaml")
