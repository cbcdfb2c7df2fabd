from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from tests.agent.collector_at import Collector, served

from aimscope_agent.uplink.transport import Https, Server, ServerError, Unreachable, _seconds

ROOT = Path(__file__).parents[2]
Key = ec.EllipticCurvePrivateKey


class Authority:
    """Certificates for a test, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate(self.name, self.key, authority=True).public_bytes(Encoding.PEM))

    def issue(self, name: str, address: str = "127.0.0.1", days: int = 30) -> tuple[str, str, str]:
        """Files of certificate and key, and the hash of the public key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, secret = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        made = self._certificate(subject, key, address=address, days=days)
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return str(certificate), str(secret), hashlib.sha256(spki).hexdigest()

    def _certificate(
        self, subject: x509.Name, key: Key, *, authority: bool = False, address: str = "127.0.0.1", days: int = 30
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=60))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if authority:
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def served_by(certificate: str, key: str, clients: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def asked(server: Server) -> int:
    transport = Https(server, monotonic=time.monotonic)
    try:
        return transport.ask("GET", "/v1/policy/0", credential="uid.secret").status
    finally:
        transport.close()


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def test_a_collector_is_known_by_the_organisations_authority(ours: Authority) -> None:
    certificate, key, pin = ours.issue("collector")
    with served(Collector(), served_by(certificate, key)) as collector:
        assert asked(Server(collector.url, ca=str(ours.file))) == 404
        assert asked(Server(collector.url, ca=str(ours.file), pins=("0" * 64, pin.upper()))) == 404


def test_nothing_is_sent_to_anybody_else(ours: Authority, tmp_path: Path) -> None:
    theirs = Authority(tmp_path, "theirs")
    ca = str(ours.file)
    for made, server in (
        (theirs.issue("stranger"), Server("", ca=ca)),
        (ours.issue("unknown"), Server("")),
        (ours.issue("late", days=-1), Server("", ca=ca)),
        (ours.issue("elsewhere", address="10.9.9.9"), Server("", ca=ca)),
        (ours.issue("unpinned"), Server("", ca=ca, pins=("0" * 64,))),
    ):
        with served(Collector(), served_by(*made[:2])) as collector:
            told = Server(collector.url, ca=server.ca, pins=server.pins)
            with pytest.raises(Unreachable) as caught:
                asked(told)
            assert "secret" not in str(caught.value)
            assert collector.asked == []


def test_a_collector_may_ask_for_a_certificate(ours: Authority) -> None:
    certificate, key, _ = ours.issue("collector")
    mine, my_key, _ = ours.issue("agent")
    with served(Collector(), served_by(certificate, key, ours.file)) as collector:
        with pytest.raises(Unreachable):
            asked(Server(collector.url, ca=str(ours.file)))
        assert collector.asked == []
        assert asked(Server(collector.url, ca=str(ours.file), certificate=mine, key=my_key)) == 404


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://collector.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "ftp://127.0.0.1",
            "collector",
            "",
        ),
        *("https://user:word@collector.example", "https://collector.example/?a=b", "https://[::1", "https://a:b"),
    ],
)
def test_an_address_that_must_not_carry_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ServerError):
        Https(Server(url), monotonic=time.monotonic)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1]:1/", "http://localhost:1", "https://c.example/a/"])
def test_other_addresses_are_not(url: str) -> None:
    Https(Server(url), monotonic=time.monotonic)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for server in (Server("https://127.0.0.1:1", ca=str(tmp_path / "ca.pem")), Server("https://127.0.0.1:1", ca="/x")):
        with pytest.raises(ServerError, match="certificates"):
            asked(server)


def test_a_proxy_is_asked_where_one_is_given() -> None:
    with served(Collector()) as proxy, pytest.raises(Unreachable):
        asked(Server("https://collector.example", proxy=proxy.url))  # which knows no CONNECT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": "9" * 50}, 999_999_999),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:18:00 GMT"}, 600),
        ({"retry-after": "Wed, 21 Oct 2026 07:08:00 GMT", "date": "Wed, 21 Oct 2026 07:18:00 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_when_to_come_again_is_said_in_seconds_or_as_a_date(headers: dict[str, str], seconds: int | None) -> None:
    assert _seconds(headers) == seconds


def test_an_agent_at_rest_has_loaded_neither_http_nor_ciphers() -> None:
    code = (
        f"import sys; sys.path[:0] = {[str(ROOT / name) for name in ('agent', 'signatures')]!r}\n"
        "import aimscope_agent.uplink, aimscope_agent.enrol, aimscope_agent.trust, aimscope_agent.ledger\n"
        "print(sorted({'httpx', 'ssl', 'cryptography', 'anyio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
