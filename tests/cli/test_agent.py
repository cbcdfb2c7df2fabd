"""`aimscope agent`: what a person types, and gets back. The service itself: tests/agent/test_service.py."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from aimscope_agent import identity
from aimscope_agent.ledger import Ledger
from aimscope_cli import settings as places
from aimscope_signatures import bundle, signed
from aimscope_signatures.signed import Keepers, Parcel
from tests.agent.at_work import Enrolling
from tests.agent.collector_at import problem, served
from tests.cli.conftest import Run

DAY = 86_400


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AIMSCOPE_")]:
        if name not in {"AIMSCOPE_STATE", "AIMSCOPE_SERVICES"}:
            monkeypatch.delenv(name)
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/config.yaml")
    monkeypatch.setattr("platformdirs.user_config_path", lambda name: tmp_path / "config" / name)


@pytest.fixture
def collector() -> Iterator[Enrolling]:
    one = Enrolling()
    with served(one):
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "agent"


# enrol


def test_a_machine_enrols_and_is_known_the_second_time(aimscope: Run, collector: Enrolling, folder: Path) -> None:
    token = folder.parent.parent / "token"
    token.write_text("let-me-in\n")
    first = aimscope("agent", "enrol", "--collector", collector.url, "--token-file", token)
    assert (first.exit_code, first.stdout.startswith("Enrolled at")) == (0, True), first.stderr
    second = aimscope("agent", "enrol", "--collector", collector.url, "--token", "let-me-in")
    assert second.stdout == first.stdout
    assert "new identity" not in second.stderr
    status = json.loads(aimscope("agent", "status", "--json").stdout)
    assert (status["enrolled"], status["approved"], status["running"]) == (True, True, False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say where to enrol"),
        (("--collector", "https://c.example"), "a token is needed"),
        (("--collector", "https://c.example", "--token", "a", "--token-file", "b"), "one of --token"),
        (("--collector", "https://c.example", "--token-file", "nowhere"), "No such file"),
        (("--collector", "http://c.example", "--token", "a"), "https://"),
        (("--collector", "c.example", "--token", "a"), "https://"),
        (("--collector", "https://127.0.0.1:9", "--token", "a", "--ca", "nowhere"), "certificates"),
        (("--collector", "http://127.0.0.1:9", "--token", "a"), "127.0.0.1:9"),
    ],
)
def test_what_cannot_enrol_is_said(words: tuple[str, ...], says: str, aimscope: Run) -> None:
    done = aimscope("agent", "enrol", *words)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_wrong_token_is_said_and_not_kept(aimscope: Run, collector: Enrolling, folder: Path) -> None:
    done = aimscope("agent", "enrol", "--collector", collector.url, "--token", "wrong-token")
    assert done.exit_code == 2
    assert "not valid" in done.stderr
    assert not json.loads(aimscope("agent", "status", "--json").stdout)["enrolled"]
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"wrong-token" not in kept


def test_another_collector_means_another_identity_and_totals_anew(
    aimscope: Run, collector: Enrolling, folder: Path
) -> None:
    words = ("--token", "let-me-in")
    assert aimscope("agent", "enrol", "--collector", collector.url, *words).exit_code == 0
    first = identity.load(folder / "identity.json")
    other = Enrolling()
    with served(other):
        done = aimscope("agent", "enrol", "--collector", other.url, *words)
    assert "new identity" in done.stderr
    second = identity.load(folder / "identity.json")
    assert first is not None
    assert second is not None
    assert first.uid != second.uid
    assert not (folder / "ledger.db").exists()
    assert list(folder.glob("ledger.db.damaged-*"))


def test_while_the_agent_runs_nobody_enrols(aimscope: Run, collector: Enrolling, folder: Path) -> None:
    ledger = Ledger(folder / "ledger.db", now=0, epoch="e")
    done = aimscope("agent", "enrol", "--collector", collector.url, "--token", "let-me-in")
    ledger.close()
    assert done.exit_code == 2
    assert "stop it first" in done.stderr


# status and show-sent


def test_a_machine_without_an_agent_says_so(aimscope: Run) -> None:
    done = aimscope("agent", "status")
    assert done.exit_code == 0
    assert "Enrolled:      no" in done.stdout
    shown = aimscope("agent", "show-sent")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "Nothing" in shown.stderr


def test_what_was_sent_is_shown_without_the_token(aimscope: Run, collector: Enrolling) -> None:
    aimscope("agent", "enrol", "--collector", collector.url, "--token", "let-me-in")
    shown = aimscope("agent", "show-sent")
    assert "POST /v1/enrol" in shown.stdout
    assert "let-me-in" not in shown.stdout
    (line,) = aimscope("agent", "show-sent", "--json").stdout.splitlines()
    assert json.loads(line)["body"]["token"] == "…"


# doctor


def test_the_doctor_finds_nothing_wrong_on_a_fresh_machine(aimscope: Run) -> None:
    done = aimscope("agent", "doctor")
    assert done.exit_code == 0, done.stdout
    assert "wrong" not in done.stdout


def checks(aimscope: Run, *words: str | Path) -> dict[str, dict[str, str]]:
    found = json.loads(aimscope("agent", "doctor", "--json", *words).stdout)
    return {check["about"]: check for check in found}


@pytest.mark.parametrize(
    ("text", "about", "says"),
    [
        ("endpoint: {every: x}", "configuration", "x"),
        ("collector: {url: 'http://127.0.0.1:9'}", "identity", "not enrolled"),
        ("collector: {url: 'http://127.0.0.1:9'}", "collector", "127.0.0.1:9"),
        ("collector: {url: 'https://no-such-host.invalid'}", "name", "no-such-host"),
        ("collector: {url: 'https://127.0.0.1:9', ca: nowhere.pem}", "collector", "nowhere.pem"),
        ("gateway: {interfaces: [no-such-interface]}", "capture", ""),
        ("logs: {certificate: nowhere.pem}", "syslog", "nowhere.pem"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_what_helps(
    text: str, about: str, says: str, aimscope: Run, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    path.chmod(0o600)
    check = checks(aimscope, "--config", path)[about]
    assert check["verdict"] == "wrong"
    assert says in check["said"]
    assert check["remedy"]
    assert aimscope("agent", "doctor", "--config", path).exit_code == 1


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_the_doctor_sees_what_others_could_change_or_read(aimscope: Run, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("")
    path.chmod(0o666)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    found = checks(aimscope, "--config", path)
    assert found["permissions"]["verdict"] == found["state folder"]["verdict"] == "wrong"


def test_the_doctor_sees_a_variable_that_means_nothing(aimscope: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMSCOPE_LIMITS_MEMRY_MB", "3")
    assert "AIMSCOPE_LIMITS_MEMRY_MB" in checks(aimscope)["environment"]["said"]


def test_the_doctor_sees_that_the_clock_was_set_back(aimscope: Run, folder: Path) -> None:
    from aimscope_agent.trust import Trust

    Trust(folder / "trust").observe(int(time.time()) + 40 * DAY)
    assert "40 days" in checks(aimscope)["clock"]["said"] or "39 days" in checks(aimscope)["clock"]["said"]


def test_the_doctor_tells_the_collector_from_somebody_else(aimscope: Run, tmp_path: Path) -> None:
    certificate, key = certified(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    path = tmp_path / "c.yaml"

    def collector_check(**entries: object) -> dict[str, str]:
        path.write_text(json.dumps({"collector": {"url": one.url, "token_file": str(key), **entries}}))
        return checks(aimscope, "--config", path)["collector"]

    with served(Enrolling(), context) as one:
        one.faults = lambda _path, _body: problem(401, "unauthorised")  # no credential is shown to a stranger
        assert collector_check(ca=str(certificate))["verdict"] == "ok"
        stranger = collector_check()
        assert (stranger["verdict"], "collector.ca" in stranger["remedy"]) == ("wrong", True)
        pinned = collector_check(ca=str(certificate), pins=["0" * 64])
        assert (pinned["verdict"], "collector.pins" in pinned["remedy"]) == ("wrong", True)


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate of loopback that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


# import-catalogue


def parcel(version: int, key: Ed25519PrivateKey, signer: Ed25519PrivateKey | None = None, lasts: int = DAY) -> bytes:
    """A signed catalogue as a file, with the root that leads up to it."""
    now = int(time.time())
    public = signed.public_of(key)
    keepers = Keepers((signed.key_id(public),))
    root = signed.root([public], {"root": keepers, "catalogue": keepers}, version=1, issued=now, expires=now + DAY)
    body = bundle.pack(bundle.shipped())
    statement = signed.vouch("catalogue", body, version=version, issued=now - 2 * DAY, expires=now + lasts)
    envelope = signed.sign(statement, [signer or key])
    return msgspec.json.encode(Parcel("catalogue", envelope, body, (signed.sign(root, [key]),)))


def test_a_signed_catalogue_is_imported_and_an_older_one_refused(aimscope: Run, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    file = tmp_path / "catalogue.aimscope"
    file.write_bytes(parcel(7, key))
    done = aimscope("agent", "import-catalogue", file)
    assert (done.exit_code, done.stdout) == (0, "catalogue version 7 is in force.\n"), done.stderr
    file.write_bytes(parcel(6, key))
    older = aimscope("agent", "import-catalogue", file)
    assert (older.exit_code, "older" in older.stderr) == (2, True)
    assert "catalogue 7" in checks(aimscope)["signed feeds"]["said"]


@pytest.mark.parametrize("flaw", ["other key", "expired", "torn", "nothing", "other root"])
def test_what_is_not_in_order_is_refused(flaw: str, aimscope: Run, tmp_path: Path) -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    data = parcel(1, key, other if flaw == "other key" else None, -1 if flaw == "expired" else DAY)
    file = tmp_path / "catalogue.aimscope"
    file.write_bytes({"torn": data[:-100], "nothing": b""}.get(flaw, data))
    root = ("--root", "0" * 64) if flaw == "other root" else ()
    done = aimscope("agent", "import-catalogue", file, *root)
    assert (done.exit_code, "is refused" in done.stderr) == (2, True), done.stderr
