"""Whether an agent is at work is seen by its lock, which goes with it however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aimscope_agent.service import presence
from aimscope_agent.service.presence import Presence, is_held

HOLDER = """
import sys
from pathlib import Path
from aimscope_agent.service.presence import Presence
held = Presence(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_held_for_as_long_as_somebody_is_at_work(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert is_held(lock) is False
    assert not lock.exists(), "looking leaves nothing"
    held = Presence(lock)
    assert is_held(lock) is True
    assert is_held(lock) is True, "looking takes nothing"
    held.end()
    held.end()
    assert is_held(lock) is False


def test_it_is_gone_with_whoever_is_killed_and_a_number_used_again_means_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    paths = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": paths}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        assert is_held(lock) is True
        process.send_signal(signal.SIGTERM if os.name != "posix" else signal.SIGKILL)
        process.wait(30)
    assert lock.exists()
    assert is_held(lock) is False


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
def test_what_cannot_be_seen_is_not_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"")
    (tmp_path / "lock").symlink_to(target)
    assert is_held(tmp_path / "lock") is None
    Presence(tmp_path / "lock").end()
    monkeypatch.setattr(presence, "_take", _unable)
    assert is_held(target) is None


def _unable(_handle: int) -> None:
    raise OSError(95, "Operation not supported")
