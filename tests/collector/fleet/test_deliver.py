"""Delivery to real servers on loopback: at least once, signed, and to no address it should not go to."""

from __future__ import annotations

import datetime
import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aimscope_collector import alerts
from aimscope_collector.deliver import Delivered, Failure, Transport, deliver, webhook
from aimscope_collector.deliver.smtp import Mail
from aimscope_collector.deliver.webhook import Webhook, allowed, signed
from aimscope_collector.store import outbox
from aimscope_collector.store.database import writing
from aimscope_collector.store.outbox import Item

NOW = 1_700_000_000
SECRET = b"0123456789abcdef0123456789abcdef"


def item(text: str = "ChatGPT is prohibited, and used.", **facts: str) -> Item:
    payload = msgspec.json.encode({"text": text, "severity": "critical", "facts": facts}).decode()
    return Item(id=1, event="alert-1", destination="hook", payload=payload, created_at=NOW, attempts=0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


class Receiver:
    """An HTTP server that keeps what it is sent, and answers as it is told."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str]] = (204, {})
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.answer[0])
                for name, text in receiver.answer[1].items():
                    self.send_header(name, text)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def hook(receiver: Receiver, **more: Any) -> Webhook:
    return Webhook(f"http://localhost:{receiver.port}/in?t=1", SECRET, **{"reach": "loopback"} | more)


def test_a_webhook_is_signed_over_time_and_body(receiver: Receiver) -> None:
    hook(receiver).send(item(), now=NOW)
    [(path, headers, body)] = receiver.got
    assert path == "/in?t=1"
    assert body == item().payload.encode()
    assert headers["aimscope-event"] == "alert-1"
    assert headers["host"] == f"localhost:{receiver.port}"
    stamp, signature = headers["aimscope-timestamp"], headers["aimscope-signature"]
    assert signed(SECRET, stamp, body, signature, now=NOW + 300)
    assert not signed(SECRET, stamp, body, signature, now=NOW + 301)
    assert not signed(SECRET, stamp, body + b" ", signature, now=NOW)
    assert not signed(SECRET, str(NOW + 1), body, signature, now=NOW)
    assert not signed(b"x" * 32, stamp, body, signature, now=NOW)
    for odd in ("", "x", "-1", "9" * 400, "²"):
        assert not signed(SECRET, odd, body, signature, now=NOW)


def test_redirects_are_not_followed_and_refusals_are_failures(receiver: Receiver) -> None:
    receiver.answer = (302, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"})
    with pytest.raises(Failure, match="302"):
        hook(receiver).send(item(), now=NOW)
    assert len(receiver.got) == 1
    receiver.answer = (429, {"Retry-After": "77"})
    with pytest.raises(Failure) as raised:
        hook(receiver).send(item(), now=NOW)
    assert raised.value.retry_after == 77
    receiver.answer = (500, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})
    with pytest.raises(Failure) as raised:
        hook(receiver).send(item(), now=NOW)
    assert raised.value.retry_after == 0


def test_a_receiver_over_tls_is_checked_by_its_name(certificate: tuple[Path, Path]) -> None:
    receiver = Receiver(server_side(certificate))
    try:
        for name, ca, taken in (
            ("localhost", str(certificate[0]), True),
            ("localhost", None, False),
            ("other.example", str(certificate[0]), False),
        ):
            made = Webhook(
                f"https://{name}:{receiver.port}/",
                SECRET,
                reach="loopback",
                ca=ca,
                resolve=lambda _host, _port: ["127.0.0.1"],
            )
            if taken:
                made.send(item(), now=NOW)
            else:
                with pytest.raises(Failure, match="cannot be reached"):
                    made.send(item(), now=NOW)
        assert len(receiver.got) == 1
    finally:
        receiver.close()


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "nonsense",
    ],
)
def test_addresses_no_webhook_may_go_to(receiver: Receiver, address: str) -> None:
    assert not allowed(address, "loopback")
    made = hook(receiver, resolve=lambda _host, _port: ["127.0.0.1", address])
    with pytest.raises(Failure, match="not one that webhooks may go to"):
        made.send(item(), now=NOW)
    assert receiver.got == []


@pytest.mark.parametrize(
    ("address", "first"),
    [
        ("8.8.8.8", 0),
        ("2606:4700::1", 0),
        ("10.0.0.1", 1),
        ("192.168.1.1", 1),
        ("fd12::1", 1),
        ("::ffff:10.0.0.1", 1),
        ("127.0.0.1", 2),
        ("::1", 2),
        ("::ffff:127.0.0.1", 2),
        ("64:ff9b::7f00:1", 2),
    ],
)
def test_how_near_a_receiver_may_be(address: str, first: int) -> None:
    nearness: list[webhook.Reach] = ["public", "private", "loopback"]
    assert [allowed(address, reach) for reach in nearness] == [place >= first for place in range(3)]


def test_a_name_that_is_none_is_said() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError

    def no_address(_host: str, _port: int) -> list[str]:
        return []

    for resolve in (unknown, no_address):
        with pytest.raises(Failure, match="name"):
            Webhook("https://nowhere.example/", SECRET, resolve=resolve).send(item(), now=NOW)


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("http://example.com/", "private"),
        ("ftp://example.com/", "loopback"),
        ("https://user:pw@example.com/", "private"),
        ("https:///x", "private"),
        ("file:///etc/passwd", "loopback"),
        ("", "private"),
    ],
)
def test_urls_that_are_none(url: str, reach: Any) -> None:
    with pytest.raises(ValueError, match="webhook"):
        Webhook(url, SECRET, reach=reach)
    with pytest.raises(ValueError, match="secret"):
        Webhook("https://example.com/", b"short")


def test_no_secret_is_shown() -> None:
    assert "token" not in repr(Webhook("https://example.com/token", SECRET))
    assert "pw" not in repr(Mail(host="h", sender="a@b", to=("c@d",), user="u", password="pw"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Post:
    """Keeps messages, as aiosmtpd's handler."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody"):
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.got.append(envelope)
        return "250 OK"


@pytest.fixture
def mail(certificate: tuple[Path, Path]) -> Iterator[tuple[Post, Mail]]:
    controller = pytest.importorskip("aiosmtpd.controller")
    smtp = pytest.importorskip("aiosmtpd.smtp")

    def authenticate(_server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> Any:
        return smtp.AuthResult(success=(data.login, data.password) == (b"aimscope", b"s3cret"), handled=False)

    post = Post()
    made = controller.Controller(
        post,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=server_side(certificate),
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )
    made.start()
    yield (
        post,
        Mail(
            host="localhost",
            port=made.port,
            sender="aimscope@corp.example",
            to=("soc@corp.example",),
            user="aimscope",
            password="s3cret",
            ca=str(certificate[0]),
        ),
    )
    made.stop()


def test_a_mail_goes_over_starttls(mail: tuple[Post, Mail]) -> None:
    post, sender = mail
    sender.send(item("Größe\r\nBcc: eve@evil.example", unit="emea\nX: y"), now=NOW)
    [envelope] = post.got
    assert envelope.rcpt_tos == ["soc@corp.example"]
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert message["Message-ID"] == "<alert-1@corp.example>"
    assert message["Subject"] == "[aimscope] critical: Größe  Bcc: eve@evil.example"
    assert message["Bcc"] is None
    assert message["Date"].datetime.timestamp() == NOW
    assert "unit: emea X: y" in message.get_content()


def test_failures_of_mail_say_no_secret(mail: tuple[Post, Mail]) -> None:
    post, sender = mail
    for changes, says in (
        ({"password": "wr0ng"}, r"refused the login \(535\)"),
        ({"ca": None}, "TLS"),
        ({"to": ("nobody@corp.example",)}, "refused every recipient"),
        ({"to": ("nobody@corp.example", "soc@corp.example")}, "1 of 2"),
        ({"port": 9}, "cannot be reached"),
        ({"tls": "none"}, "without TLS"),
        ({"sender": "a@b\nBcc: c@d"}, "could not be sent"),
        ({"tls": "none", "user": "", "password": ""}, "answered 530"),
    ):
        with pytest.raises(Failure, match=says) as raised:
            msgspec.structs.replace(sender, **changes).send(item(), now=NOW)
        assert "wr0ng" not in str(raised.value)
        assert "s3cret" not in str(raised.value)
    assert len(post.got) == 1


def put(database: sa.Engine, *events: str, destination: str = "hook") -> None:
    with writing(database) as connection:
        for event in events:
            outbox.put(connection, event=event, payload={"id": event}, destinations=[destination], now=NOW)


def test_what_waits_is_delivered_once_it_can_be(database: sa.Engine, receiver: Receiver) -> None:
    clock = [NOW]
    transports = {"hook": hook(receiver)}
    put(database, "e1", "e2", "e1")
    receiver.answer = (503, {"Retry-After": "100"})
    assert deliver(database, transports, now=lambda: clock[0]) == Delivered(0, 1)
    with database.connect() as connection:
        [waiting] = outbox.status(connection)
        assert (waiting.waiting, waiting.failure) == (2, "the receiver answered 503")
    assert deliver(database, transports, now=lambda: clock[0]) == Delivered(0, 0)
    receiver.answer = (200, {})
    clock[0] += 99
    assert deliver(database, transports, now=lambda: clock[0]) == Delivered(0, 0)
    clock[0] += 60
    assert deliver(database, transports, now=lambda: clock[0]) == Delivered(2, 0)
    clock[0] += 10**6
    assert deliver(database, transports, now=lambda: clock[0]) == Delivered(0, 0)
    assert [headers["aimscope-event"] for _, headers, _ in receiver.got] == ["e1", "e1", "e2"]
    with database.connect() as connection:
        assert outbox.status(connection) == []


def test_a_destination_that_fails_delays_no_other(database: sa.Engine, receiver: Receiver) -> None:
    put(database, "e1", destination="broken")
    put(database, "e1")
    put(database, "e2", destination="removed")

    class Broken:
        def send(self, item: Item, *, now: int) -> None:
            raise Failure("no\nsuch\x00thing")

    transports: dict[str, Transport] = {"broken": Broken(), "hook": hook(receiver)}
    assert deliver(database, transports, now=lambda: NOW) == Delivered(1, 1)
    with database.connect() as connection:
        assert {one.destination: one.failure for one in outbox.status(connection)} == {
            "broken": "no such thing",
            "removed": "",
        }


def test_two_collectors_do_not_claim_the_same_and_what_a_dead_one_had_is_due_again(database: sa.Engine) -> None:
    put(database, "e1", "e2", "e3")
    with writing(database) as connection:
        first = outbox.claim(connection, now=NOW, destinations=["hook"], limit=2)
    with writing(database) as connection:
        second = outbox.claim(connection, now=NOW, destinations=["hook"])
    assert [[one.event for one in some] for some in (first, second)] == [["e1", "e2"], ["e3"]]
    with writing(database) as connection:
        assert len(outbox.claim(connection, now=NOW + outbox.LEASE, destinations=["hook"])) == 3


def test_waits_grow_and_end_after_a_week(database: sa.Engine) -> None:
    put(database, "e1")
    now, waits = NOW, []
    with writing(database) as connection:
        for _ in range(300):
            items = outbox.claim(connection, now=now, destinations=["hook"])
            if not items:
                break
            outbox.failed(connection, items[0], now=now, why="x")
            due = connection.execute(sa.text("select next_at from outbox")).scalar_one()
            if due == outbox.NEVER:
                break
            waits.append(due - now)
            now = due
        assert waits[:4] == [30, 60, 120, 240]
        assert max(waits) == 3_600
        [status] = outbox.status(connection)
        assert (status.waiting, status.given_up) == (0, 1)
        assert outbox.retry(connection, destination="hook", now=now) == 1
        assert outbox.claim(connection, now=now, destinations=["hook"])


def test_an_alert_reaches_a_receiver(database: sa.Engine, receiver: Receiver) -> None:
    from aimscope_collector.store import alerts as store

    with writing(database) as connection:
        [told] = store.tell(connection, [alerts.clone("a1", now=NOW)], now=NOW, destinations=["hook"])
    assert deliver(database, {"hook": hook(receiver)}, now=lambda: NOW) == Delivered(1, 0)
    [(_, headers, body)] = receiver.got
    said = msgspec.json.decode(body)
    assert headers["aimscope-event"] == said["id"] == told.event
    assert (said["rule"], said["severity"], said["facts"]) == ("clone", "critical", {"agent": "a1"})
