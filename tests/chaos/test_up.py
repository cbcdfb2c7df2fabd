"""`aimscope up` in a machine of its own: no network but loopback, no processes but its own, an empty home."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.collector import ROOT, surroundings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
_LOOPBACK = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x1))"
)  # fmt: skip
_APART = ("unshare", "--net", "--pid", "--fork", "--mount-proc", "--mount")
_SERVER = '{"mcpServers": {"tickets": {"command": "npx", "args": ["-y", "@corp/mcp-tickets"]}}}'


def _run(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    own = {"HOME": str(home), "AIMSCOPE_STATE": str(home / "state"), "XDG_CONFIG_HOME": str(home / ".config")}
    begun = f'{sys.executable} -c "{_LOOPBACK}"; {script.replace("aimscope ", f"{sys.executable} -m aimscope_cli ")}'
    command = [*_APART, "bash", "-c", begun]
    surrounding = {**surroundings(), **own}
    return subprocess.run(command, cwd=ROOT, env=surrounding, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which an editor knows one MCP server."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*_APART, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no namespaces can be made here: this machine itself is not scanned by a test")
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor" / "mcp.json").write_text(_SERVER, encoding="utf-8")
    return tmp_path


def test_once_shows_what_there_is_and_again_the_same(home: Path) -> None:
    first = _run(home, "aimscope up --once")
    assert first.returncode == 0, first.stderr
    assert "MCP server tickets" in first.stdout
    assert "first password" in first.stderr
    again = _run(home, "aimscope up --once")
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert "first password" not in again.stderr


def test_ctrl_c_stops_both(home: Path) -> None:
    waits = 'for i in $(seq 200); do grep -q "Open http" "$HOME/told" && break; sleep 0.2; done'
    script = f'aimscope up >"$HOME/told" & p=$!; {waits}; kill -INT $p; wait $p; ls /proc | grep -c "^[0-9]"'
    ended = _run(home, script)
    assert "Open http" in (home / "told").read_text(), ended.stderr
    assert "Stopped." in ended.stderr
    assert int(ended.stdout.split()[-1]) <= 6, "something runs on"


def test_a_machine_that_reports_elsewhere_is_left_alone(home: Path) -> None:
    ended = _run(home, "AIMSCOPE_COLLECTOR_URL=https://collector.example aimscope up --once")
    assert ended.returncode == 2
    assert "collector.example" in ended.stderr
    assert not (home / "state" / "collector").exists()
