"""How the program ends: closed and full outputs, odd encodings, interruptions. Never with a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aimscope_cli.state import KEY_BYTES, digest_key
from tests.cli.conftest import HOSTS, Run

HOST = HOSTS / "linux-ai-workstation"
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells and names")


def shell(line: str, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    program = f"'{sys.executable}' -m aimscope_cli"
    environment = {**os.environ, "AIMSCOPE_STATE": str(tmp_path / "state"), **environ}
    command = ["bash", "-o", "pipefail", "-c", line.replace("aimscope", program)]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)


@posix
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("aimscope --version | true", 141),
        ("aimscope signatures list --json | true", 141),
        (f"aimscope scan --root '{HOST}' --json | true", 141),
        (f"aimscope scan --root '{HOST}' --explain | true", 141),
        ("aimscope --version >&-", 0),
        ("aimscope signatures list --json >&-", 0),
        (f"aimscope scan --root '{HOST}' <&- >&- 2>&-", 0),
        ("aimscope signatures match domain <&-", 2),
        ("aimscope foo 2>&-", 2),
        pytest.param(
            "aimscope --version >/dev/full", 2, marks=pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
        ),
        pytest.param(
            f"aimscope scan --root '{HOST}' --csv >/dev/full",
            2,
            marks=pytest.mark.skipif(sys.platform != "linux", reason="/dev/full"),
        ),
    ],
)
def test_an_output_that_takes_nothing(line: str, status: int, tmp_path: Path) -> None:
    done = shell(line, tmp_path)
    assert done.returncode == status
    assert b"Traceback" not in done.stderr
    assert b"defect" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@posix
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_output_that_cannot_write_every_letter(encoding: str, tmp_path: Path) -> None:
    done = shell(f"aimscope scan --root '{HOST}' --explain", tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, b"AI services found" in done.stdout) == (0, True)
    document = shell(f"aimscope scan --root '{HOST}' --json", tmp_path, PYTHONIOENCODING=encoding).stdout
    assert json.loads(document.decode("utf-8"))["aimscope_scan"] == 1


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names of files need not be text on Linux only")
@pytest.mark.parametrize("form", ["", "--json", "--csv", "--sarif"])
def test_a_root_whose_name_is_no_text(form: str, tmp_path: Path) -> None:
    root = os.fsencode(tmp_path) + b"/bad\xff\x1b[31m\nname"
    Path(os.fsdecode(root), "home/ann/.cursor").mkdir(parents=True)
    done = shell(f"aimscope scan --root '{os.fsdecode(root)}' {form} --html '{tmp_path}/page.html'", tmp_path)
    assert (done.returncode, done.stderr.count(b"defect")) == (0, 0)
    assert b"\x1b" not in done.stdout + (tmp_path / "page.html").read_bytes()
    done.stdout.decode("utf-8")


@posix
def test_an_interrupted_scan_says_so_and_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    many = tmp_path / "home/ann/many"
    for number in range(2_000):
        (many / str(number)).mkdir(parents=True)
        (many / str(number) / ".env").write_text("OPENAI_API_KEY=\n" * 200)
    environment = {**os.environ, "AIMSCOPE_STATE": str(tmp_path / "state"), "HOME": str(tmp_path / "home/ann")}
    line = [sys.executable, "-m", "aimscope_cli", "scan", "--root", str(tmp_path), "--json"]
    for patience in (0.7, 2.0, 6.0, 15.0):  # on a busy machine it takes that long until the program listens
        running = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(patience)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        if running.returncode != -signal.SIGINT:
            break
    if running.returncode == 0:
        pytest.skip("the scan was faster than the interruption")
    assert (running.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_a_report_that_cannot_be_put_in_its_place_leaves_nothing_behind(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    answer = aimscope("scan", "--root", HOST, "--html", tmp_path / "taken")
    assert (answer.exit_code, "cannot be written" in answer.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] in (["taken"], ["state", "taken"], ["taken", "state"])


@posix
@pytest.mark.parametrize(
    ("reason", "status"), [(b"caf\xe9\n- x: &a [", 0), (b"\x1b[0m", 2), (b" ", 2), (b"x" * 90_000, 2)]
)
def test_an_ignore_never_makes_its_file_unreadable(reason: bytes, status: int, tmp_path: Path) -> None:
    text = reason.decode("utf-8", "surrogateescape")
    added = shell(f"aimscope ignore ollama --until 2999-01-01 --reason '{text}'", tmp_path)
    listed = shell("aimscope ignore", tmp_path)
    assert (added.returncode, listed.returncode) == (status, 0)
    assert listed.stdout.count(b"\n") == (status == 0)


def test_a_name_cannot_add_lines_to_the_report(aimscope: Run, tmp_path: Path) -> None:
    servers = {"x\nNot registered (0)\u202e": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-github"]}}
    path = tmp_path / "root/home/ann/.cursor/mcp.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"mcpServers": servers}))
    answer = aimscope("scan", "--root", tmp_path / "root", "--explain", "--html", tmp_path / "page.html")
    assert not [line for line in answer.stdout.splitlines() if line.startswith("Not registered")]
    assert "\u202e" not in answer.stdout + (tmp_path / "page.html").read_text("utf-8")


def test_what_is_named_must_exist(aimscope: Run) -> None:
    for words in (("signatures", "lint", "nope"), ("signatures", "verify", "nope")):
        answer = aimscope(*words)
        assert (answer.exit_code, "no service 'nope'" in answer.stderr) == (2, True)
    answer = aimscope("ignore", "ollama", "--kind", "nope", "--reason", "x", "--until", "2999-01-01")
    assert (answer.exit_code, "no kind of evidence" in answer.stderr) == (2, True)


@pytest.mark.parametrize(
    "line", ["scan pcap", "scan logs", "import auto", "logs try", "scan net 127.0.0.1 --inventory"]
)
def test_what_the_system_will_not_even_look_at_is_no_defect(aimscope: Run, line: str) -> None:
    answer = aimscope(*line.split(), "x" * 300)
    assert answer.exit_code == 2
    assert "cannot be read: file name too long" in answer.stderr.lower()


@posix
@pytest.mark.parametrize("made", ["pipe", "link"])
def test_the_key_of_digests_is_read_from_and_written_to_a_file_only(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMSCOPE_STATE", str(tmp_path))
    (tmp_path / "precious").write_text("precious")
    if made == "pipe":
        os.mkfifo(tmp_path / "digest.key")
    else:
        (tmp_path / "digest.key").symlink_to(tmp_path / "precious")
    assert len(digest_key()) == KEY_BYTES
    assert (tmp_path / "precious").read_text() == "precious"


@posix
def test_a_scan_that_is_not_kept_needs_no_state_folder(aimscope: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMSCOPE_STATE", "/dev/null/state")
    assert aimscope("scan", "--root", HOST, "--no-store").exit_code == 0
