"""RELIABILITY 3: the collector's disk is full: it says so, answers signs of life, and is well when there is room."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.chaos.collector import Place, running
from tests.chaos.crowd import Crowd, say

_ROOM = 700
"""KiB that are free at first."""
pytestmark = pytest.mark.e2e
_MOUNT = 'mount -t tmpfs -o size=$3k tmpfs "$1" && cp "$2"/collector.db* "$1" && shift 3 && exec "$@"'


def _namespaces() -> bool:
    if shutil.which("nsenter") is None or shutil.which("unshare") is None:
        return False
    trial = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(trial, check=False, capture_output=True).returncode == 0


def test_a_full_disk_is_told_and_left_behind(tmp_path: Path) -> None:
    if not _namespaces():
        pytest.skip("no mount namespace can be made here: a disk cannot be made small")
    small, full = tmp_path / "small", tmp_path / "full"
    small.mkdir()
    full.mkdir()
    place = Place(str(full / "collector.db"), tmp_path / "place")
    crowd = Crowd(place.where, place.keys, 12, 7)
    size = (full / "collector.db").stat().st_size // 1024 + _ROOM
    place.where = str(small / "collector.db")
    before = ("unshare", "--mount", "sh", "-c", _MOUNT, "sh", str(small), str(full), str(size))
    with running(place, before=before) as collector:
        end = time.monotonic() + 40

        def filling() -> bool:
            return crowd.statuses[503] < 100 and time.monotonic() < end

        asyncio.run(crowd.report(collector.url, filling))
        taken, refused = crowd.statuses[200], crowd.statuses[503]
        assert refused >= 100, f"it never was full: {crowd.statuses}"
        assert set(crowd.statuses) == {200, 503}
        assert not crowd.hasty, "503 without Retry-After"
        assert [crowd.check_in(collector.url) for _ in range(20)] == [200] * 20
        grow = ["nsenter", "-t", str(collector.process.pid), "-m", "mount", "-o", "remount,size=65536k", str(small)]
        subprocess.run(grow, check=True)
        asyncio.run(crowd.drain([collector.url]))
        after = crowd.statuses[503] - refused
        inside = Path(f"/proc/{collector.process.pid}/root{small}")
        collector.process.send_signal(signal.SIGSTOP)
        for file in inside.glob("collector.db*"):
            shutil.copy(file, full / file.name)
    assert after == 0, "refused although there was room"
    crowd.where = str(full / "collector.db")
    assert not crowd.faults()
    assert not crowd.differences()
    say(f"{taken} taken, {refused} × 503 while full, 20 of 20 check-ins; all {crowd.told()} there after room was made")
