from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from aimscope_agent.watchdog import Guard, Limits, kill

PATIENCE = 30.0
WAITS = "import time; time.sleep(600)"
SPINS = "while True: pass"
GROWS = "import time\nheld = []\nwhile True: held.append(bytearray(b'x') * 20_000_000); time.sleep(0.05)"
BEARS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAITS!r}])"


@contextmanager
def child(program: str) -> Iterator[subprocess.Popen[bytes]]:
    group = None if sys.platform == "win32" else 0
    process = subprocess.Popen([sys.executable, "-c", program], process_group=group)
    try:
        yield process
    finally:
        kill(process)
        process.wait()


def guarded(process: subprocess.Popen[bytes], limits: Limits) -> Guard:
    guard = Guard(process, limits, monotonic=time.monotonic)
    guard.begins("sensor")
    guard.start()
    return guard


def test_what_takes_too_much_memory_is_stopped() -> None:
    with child(GROWS) as process:
        guard = guarded(process, Limits(memory_mb=200))
        process.wait(PATIENCE)
        assert "200 MB" in guard.stopped
        assert guard.step == "sensor"


def test_what_takes_too_long_is_stopped() -> None:
    with child(SPINS) as process:
        guard = guarded(process, Limits(memory_mb=500, seconds=1))
        process.wait(PATIENCE)
        assert "1 s" in guard.stopped


def test_what_keeps_within_its_bounds_is_left_alone() -> None:
    with child("pass") as process:
        guard = guarded(process, Limits(memory_mb=500, seconds=30))
        assert process.wait(PATIENCE) == 0
        guard.over()
        assert guard.stopped == ""


def test_another_step_has_time_of_its_own() -> None:
    with child(SPINS) as process:
        guard = guarded(process, Limits(memory_mb=500, seconds=2))
        for step in ("a", "b", "c"):
            time.sleep(1)
            guard.begins(step)
        assert process.poll() is None
        process.wait(PATIENCE)
        assert guard.step == "c"


def test_what_takes_more_than_its_share_is_slowed_down() -> None:
    with child(SPINS) as process:
        guarded(process, Limits(memory_mb=500, cpu_percent=10))
        watched = psutil.Process(process.pid)
        end = time.monotonic() + PATIENCE
        held = False
        while not held and time.monotonic() < end:
            time.sleep(0.02)
            held = watched.status() == psutil.STATUS_STOPPED
        assert held
        while watched.status() == psutil.STATUS_STOPPED and time.monotonic() < end:
            time.sleep(0.02)
        assert watched.status() != psutil.STATUS_STOPPED


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_what_a_child_has_started_ends_with_it() -> None:
    with child(BEARS) as process:
        watched = psutil.Process(process.pid)
        end = time.monotonic() + PATIENCE
        while not watched.children() and time.monotonic() < end:
            time.sleep(0.02)
        (grandchild,) = watched.children()
        kill(process)
        process.wait(PATIENCE)
        grandchild.wait(PATIENCE)
