"""The collector as a whole: a real server on loopback, agents and people at once, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import hashlib
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from aimscope_collector import serving
from aimscope_collector.serving import Listening, ServeError
from tests.collector.fleet.test_backup import founded

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program itself, until the test is over."""
    port = free_port()
    program = [sys.executable, "-m", "aimscope_cli", "collector", "serve", "--folder", str(folder)]
    command = [*program, "--listen", f"127.0.0.1:{port}", *options]
    root = Path(__file__).parents[3]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(root / name) for name in ("agent", "collector", "signatures", "cli"))
    }
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        assert "answers" in line, line
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield process, port
    finally:
        process.terminate()
        process.wait(30)
        if process.stderr is not None:
            process.stderr.close()


def enrolled(client: httpx.Client, token: str) -> dict[str, str]:
    """Headers of an agent that the server let in."""
    secret = "s" * 43
    said = {
        "schema": 1,
        "token": token,
        "agent": "agent-1",
        "secret": hashlib.sha256(secret.encode()).hexdigest(),
        "machine": hashlib.sha256(b"machine").hexdigest(),
        "name": "laptop-7",
    }
    answer = client.post("/v1/enrol", json=said)
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer agent-1.{secret}", "content-encoding": "gzip"}


def report(now: int) -> bytes:
    moment = time.gmtime(now)
    cell: list[Any] = [0, moment.tm_year * 100 + moment.tm_mon, "", "ann", 3, now - 60, now, 1 << (moment.tm_mday - 1)]
    said = {
        "schema": 1,
        "epoch": "e1",
        "sequence": 1,
        "sent": now,
        "facts": [["cursor", "application", [["id", "dpkg:cursor"]], []]],
        "cells": [[*cell, "high", "installed", None, None, []]],
    }
    return gzip.compress(msgspec.json.encode(said))


def test_what_an_agent_reports_becomes_a_finding_and_survives_the_end(tmp_path: Path) -> None:
    made = founded(tmp_path / "c")
    change = {"name": "admin", "password": made.password, "new": "correct horse battery"}
    with served(tmp_path / "c") as (process, port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        headers = enrolled(client, made.token)
        answer = client.post("/v1/ingest", headers=headers, content=report(int(time.time())))
        assert (answer.status_code, answer.json()["committed"]) == (200, 1)
        assert client.post("/api/v1/password", json=change).status_code == 200
        found: list[Any] = []
        for _ in range(200):
            answer = client.get("/api/v1/findings", auth=("admin", "correct horse battery"))
            assert answer.status_code == 200, answer.text
            found = answer.json()["items"]
            if found:
                break
            time.sleep(0.1)
        assert [(one["service"], one["verdict"], one["state"]) for one in found] == [
            ("cursor", "observed", "unreviewed")
        ]
        for path in ("catalogue", "policy"):
            assert client.get(f"/v1/{path}/{'0' * 64}", headers=headers).status_code == 404
        process.terminate()
        assert process.wait(30) == 0
    stored = (tmp_path / "c" / "collector.db").read_bytes()
    for clear in (b"laptop-7", b"ann\0", made.password.encode(), made.token.encode()):
        assert clear not in stored


def test_the_api_and_the_agents_routes_keep_their_bounds(tmp_path: Path) -> None:
    founded(tmp_path / "c")
    with served(tmp_path / "c") as (_, port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/api/v1/health").json()["status"] == "ok"
        assert client.get("/").headers["location"] == "/login?next=%2F"
        assert client.post("/v1/ingest", content=b"x").status_code == 401
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n")
            slow.settimeout(15)
            assert b"200 OK" not in slow.recv(1_000)  # hung up on, or told that it took too long
        with socket.create_connection(("127.0.0.1", port)) as other:
            other.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            other.settimeout(15)
            assert not other.recv(1_000).startswith(b"\0")


def test_tls_is_1_3_and_a_client_without_its_certificate_gets_no_answer(tmp_path: Path) -> None:
    founded(tmp_path / "c")
    authority, cert, key = _certificates(tmp_path)
    options = ["--tls-cert", str(cert), "--tls-key", str(key)]
    with served(tmp_path / "c", *options) as (_, port):
        trusting = ssl.create_default_context(cafile=str(authority))
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusting) as client:
            assert client.get("/api/v1/health").status_code == 200
        trusting.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(httpx.ConnectError), httpx.Client(verify=trusting) as client:
            client.get(f"https://localhost:{port}/api/v1/health")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://localhost:{port}/api/v1/health")
    with served(tmp_path / "c", *options, "--client-ca", str(authority)) as (_, port):
        modern = ssl.create_default_context(cafile=str(authority))
        with pytest.raises(httpx.TransportError), httpx.Client(verify=modern) as client:
            client.get(f"https://localhost:{port}/api/v1/health")
        known = ssl.create_default_context(cafile=str(authority))
        known.load_cert_chain(cert, key)
        with httpx.Client(verify=known) as client:
            assert client.get(f"https://localhost:{port}/api/v1/health").status_code == 200


def _usage(*, authority: bool) -> x509.KeyUsage:
    """What Python 3.13 demands of an authority's certificate."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority, and a certificate by it with its key, good for servers and clients."""
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)

    def made(name: str, key: Ed25519PrivateKey, by: str, by_key: Ed25519PrivateKey, *, authority: bool) -> Path:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, by)]
        built = (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False)
            .add_extension(_usage(authority=authority), critical=True)
            .sign(by_key, None)
        )
        path = folder / f"{name}.crt"
        path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        return path

    root, leaf = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    secret = folder / "tls.key"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret.write_bytes(leaf.private_bytes(*form))
    authority = made("authority", root, "authority", root, authority=True)
    return authority, made("localhost", leaf, "authority", root, authority=False), secret


@pytest.mark.parametrize(
    ("listening", "said"),
    [
        (Listening(host="0.0.0.0", port=1), "no TLS"),
        (Listening(host="::", port=1), "no TLS"),
        (Listening(host="127.0.0.1", port=1, cert=Path("x")), "certificate needs its key"),
        (Listening(host="127.0.0.1", port=1, client_ca=Path("x")), "--client-ca"),
        (Listening(host="0.0.0.0", port=1, proxies=("proxy.example",)), "no address of a proxy"),
        (Listening(host="127.0.0.1", port=1, cert=Path("/no"), key=Path("/no")), "is no file"),
    ],
)
def test_nobody_is_spoken_to_in_clear_across_a_network(listening: Listening, said: str) -> None:
    with pytest.raises(ServeError, match=said):
        serving.check(listening)


@pytest.mark.parametrize(
    "listening",
    [
        Listening(host="127.0.0.1", port=1),
        Listening(host="::1", port=1),
        Listening(host="0.0.0.0", port=1, proxies=("10.0.0.5",)),
    ],
)
def test_loopback_and_a_named_proxy_need_no_certificate(listening: Listening) -> None:
    serving.check(listening)


@pytest.mark.parametrize("text", ["", "8443", "host.example:1", "127.0.0.1:99999", "127.0.0.1:x", "1.2.3.4"])
def test_a_place_that_is_none(text: str) -> None:
    with pytest.raises(ServeError):
        serving.parsed(text)


def test_a_place_is_read() -> None:
    assert serving.parsed("[::1]:80") == ("::1", 80)
    assert serving.parsed("localhost:80") == ("127.0.0.1", 80)
    assert serving.parsed(":80") == ("0.0.0.0", 80)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.5", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "203.0.113.9, 10.0.0.5", "203.0.113.9"),
        ("::ffff:10.0.0.5", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "unknown", "10.0.0.5"),
        ("192.0.2.1", "203.0.113.9", None),
    ],
)
def test_a_proxy_says_who_asks_and_nobody_else_does(peer: str, forwarded: str, expected: str | None) -> None:
    seen: list[str] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    scope = {"type": "http", "client": (peer, 1), "headers": headers}

    async def ask() -> None:
        await serving.behind(app, ["10.0.0.5"])(scope, receive, send)

    asyncio.run(ask())
    assert seen == ([] if expected is None else [expected])
    assert [message["status"] for message in sent if "status" in message] == ([403] if expected is None else [])
