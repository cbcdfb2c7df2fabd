"""A pack proves itself: with aimscope, without it, and not after a byte of it was changed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_collector.reports import Signature
from aimscope_collector.reports.manifest import Pack, fingerprint_of, pem_of
from aimscope_collector.reports.verify import NotAPackError, verify
from tests.collector.fleet.planted import NOW
from tests.collector.reports.evidence_planted import KEY, pack, plant

PUBLIC = KEY.public_key().public_bytes_raw()
FILES = {"index.html": b"<p>page</p>" * 50, "tables/T01-one.csv": b"a,b\r\n1,2\r\n" * 40, "pack.json": b"{}"}


def sign(body: bytes) -> Signature:
    return Signature(KEY.sign(body), PUBLIC)


def small(path: Path) -> Path:
    with Pack(path, now=NOW) as target:
        for name, content in FILES.items():
            target.add(name, content)
        target.seal(sign)
    return path


def rewritten(source: Path, target: Path, changes: Mapping[str, bytes | None]) -> Path:
    """The pack with other contents, or without some files, as somebody who knows zip would do it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = changes.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name in changes.keys() - set(old.namelist()):
            new.writestr(name, changes[name] or b"")
    return target


def test_a_pack_is_whole_and_says_whose_key_it_is(tmp_path: Path) -> None:
    found = verify(small(tmp_path / "p.zip"))
    assert (found.whole, found.files, found.compared) == (True, len(FILES) + 2, False)
    assert found.fingerprint == fingerprint_of(PUBLIC)
    colons = ":".join(found.fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
    assert verify(tmp_path / "p.zip", fingerprint=f"SHA256:{colons}").whole
    other = verify(tmp_path / "p.zip", fingerprint="0" * 64)
    assert (other.compared, len(other.problems), "not the one you were told" in other.problems[0]) == (True, 1, True)


@pytest.mark.parametrize("name", [*FILES, "VERIFY.txt"])
def test_one_byte_of_a_file_is_enough_and_the_file_is_named(tmp_path: Path, name: str) -> None:
    source = small(tmp_path / "p.zip")
    with zipfile.ZipFile(source) as file:
        content = bytearray(file.read(name))
    content[len(content) // 2] ^= 1
    found = verify(rewritten(source, tmp_path / "t.zip", {name: bytes(content)}))
    assert found.problems == (f"{name}: it was altered: its SHA-256 is another one",)


def test_files_that_go_or_come_are_named_and_a_new_list_needs_the_key(tmp_path: Path) -> None:
    source = small(tmp_path / "p.zip")
    gone = verify(rewritten(source, tmp_path / "gone.zip", {"pack.json": None}))
    assert gone.problems == ("pack.json: it is missing",)
    more = verify(rewritten(source, tmp_path / "more.zip", {"tables/T99-more.csv": b"x"}))
    assert more.problems == ("'tables/T99-more.csv': it is not on the signed list",)
    with zipfile.ZipFile(source) as file:
        sums = file.read("SHA256SUMS").decode()
    forged = b"forged"
    line = next(line for line in sums.splitlines() if line.endswith("pack.json"))
    listed = sums.replace(line, f"{hashlib.sha256(forged).hexdigest()}  pack.json").encode()
    found = verify(rewritten(source, tmp_path / "f.zip", {"pack.json": forged, "SHA256SUMS": listed}))
    assert [problem.partition(":")[0] for problem in found.problems] == ["SHA256SUMS"]
    without = rewritten(source, tmp_path / "w.zip", {"SHA256SUMS.sig": None})
    with pytest.raises(NotAPackError, match=r"SHA256SUMS\.sig is missing"):
        verify(without)


def test_a_pack_signed_anew_by_somebody_else_is_told_by_its_fingerprint(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    theirs = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
    public = theirs.public_key().public_bytes_raw()
    with Pack(tmp_path / "p.zip", now=NOW) as target:
        target.add("pack.json", b"{}")
        target.seal(lambda body: Signature(theirs.sign(body), public))
    assert verify(tmp_path / "p.zip").whole
    assert not verify(tmp_path / "p.zip", fingerprint=fingerprint_of(PUBLIC)).whole


@pytest.mark.parametrize(
    "pem", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", pem_of(b"\1" * 32)]
)
def test_another_key_in_the_pack_is_no_signature(tmp_path: Path, pem: bytes) -> None:
    found = verify(rewritten(small(tmp_path / "p.zip"), tmp_path / "t.zip", {"public-key.pem": pem}))
    assert len(found.problems) == 2
    assert any(problem.startswith("public-key.pem: it was altered") for problem in found.problems)


def test_names_that_lead_elsewhere_or_come_twice_are_never_written(tmp_path: Path) -> None:
    with Pack(tmp_path / "p.zip", now=NOW) as target:
        target.add("a.txt", b"")
        for name in ("a.txt", "../a.txt", "/etc/passwd", "a/../b", "a b", "", "a\n", "C:\\a", ".hidden"):
            with pytest.raises(ValueError, match="cannot be a file of a pack"):
                target.add(name, b"")


@settings(max_examples=300, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_that_flips_is_refused_or_changes_nothing_that_is_read(
    tmp_path_factory: pytest.TempPathFactory, at: float, bit: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    source = folder / "flip-source.zip"
    if not source.exists():
        small(source)
    content = bytearray(source.read_bytes())
    content[int(at * len(content))] ^= 1 << bit
    path = folder / "flipped.zip"
    path.write_bytes(content)
    try:
        found = verify(path)
    except NotAPackError:
        return
    if found.whole:
        with zipfile.ZipFile(path) as file:
            assert {name: file.read(name) for name in FILES} == FILES


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + b"\0" * 18, b"not a zip", b"PK\x03\x04" + b"\xff" * 60])
def test_what_is_no_pack_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(content)
    with pytest.raises(NotAPackError):
        verify(path)
    with pytest.raises(NotAPackError, match="is not there"):
        verify(tmp_path / "none.zip")


def test_more_than_any_pack_holds_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(10_001):
            file.writestr(str(number), b"")
    with pytest.raises(NotAPackError, match="more in it than in any pack"):
        verify(path)


def test_tools_that_are_not_ours_come_to_the_same_result(database: sa.Engine, tmp_path: Path) -> None:
    if shutil.which("sha256sum") is None or shutil.which("openssl") is None:
        pytest.skip("sha256sum or openssl is not installed")
    plant(database)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(pack(database, tmp_path / "p.zip")) as file:
        file.extractall(folder)
    key = ["-inkey", "public-key.pem", "-in", "SHA256SUMS", "-sigfile", "SHA256SUMS.sig"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)

    assert run("sha256sum", "--strict", "-c", "SHA256SUMS").returncode == 0
    signed = run("openssl", "pkeyutl", "-verify", "-rawin", "-pubin", *key)
    assert signed.returncode == 0, signed.stderr
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "public-key.pem", "-outform", "DER"],
        cwd=folder,
        capture_output=True,
        check=True,
    ).stdout
    assert hashlib.sha256(der).hexdigest() == verify(tmp_path / "p.zip").fingerprint
    listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there - listed == {"SHA256SUMS", "SHA256SUMS.sig"}
    versions = sorted((folder / "inventory").iterdir())
    digests = (folder / next(name for name in listed if "inventory-versions.csv" in name)).read_text()
    assert len(versions) == 2
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() in digests for path in versions)

    (folder / "pack.json").write_bytes((folder / "pack.json").read_bytes() + b" ")
    failed = run("sha256sum", "-c", "SHA256SUMS")
    assert (failed.returncode, "pack.json: FAILED" in failed.stdout) == (1, True)
    with (folder / "SHA256SUMS").open("ab") as sums:
        sums.write(b"\n")
    assert run("openssl", "pkeyutl", "-verify", "-rawin", "-pubin", *key).returncode != 0


def test_verifying_needs_no_part_of_a_collector(tmp_path: Path) -> None:
    small(tmp_path / "p.zip")
    program = (
        "import sys; gone = ('sqlalchemy', 'nacl', 'argon2', 'litestar', 'weasyprint', 'granian')\n"
        "for name in gone: sys.modules[name] = None\n"
        "from aimscope_cli.main import app\n"
        "app(['report', 'verify', sys.argv[1], '--json'])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "p.zip")]
    paths = ":".join(path for path in sys.path if path)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": paths, "PATH": ""})
    assert done.returncode == 0, done.stderr
    assert '"whole":true' in done.stdout
