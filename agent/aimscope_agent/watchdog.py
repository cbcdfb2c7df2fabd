"""What a child of the agent may use of the machine: it is slowed down, and stopped where it takes too much.

The child lowers its own priority and bounds its own memory; whoever started it looks on from outside.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Final

import msgspec
import psutil

_TICK: Final = 0.25
_TICK_AT_REST: Final = 5.0
_FAMILY: Final = 5.0
"""Seconds between looks at what a child has started: that means looking at every process."""
_AHEAD: Final = 0.3
"""Seconds of a processor a child may be ahead of its share."""
_MEGABYTE: Final = 1_048_576


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one child. ``seconds`` is for one step of its work, not counted while it is held; 0: no bound."""

    memory_mb: int
    cpu_percent: int = 100
    seconds: int = 0


def lower_priority() -> None:
    """Let everybody else go first, as far as the system can."""
    process = psutil.Process()
    with contextlib.suppress(psutil.Error, OSError, AttributeError, ValueError):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(max(10, process.nice()))
    with contextlib.suppress(psutil.Error, OSError, AttributeError, ValueError):
        idle = getattr(psutil, "IOPRIO_VERYLOW" if sys.platform == "win32" else "IOPRIO_CLASS_IDLE", None)
        if idle is not None:
            process.ionice(idle)


def bound_memory(megabytes: int) -> None:
    """Where the system can: asking for half as much again fails at once, and costs one sensor its result."""
    with contextlib.suppress(ImportError, OSError, ValueError, AttributeError):
        import resource  # noqa: PLC0415 - not on every system

        most = megabytes * _MEGABYTE * 3 // 2
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def give_back_memory() -> None:
    """What is no longer needed goes back to the system, where it takes it."""
    gc.collect()
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - 1 MB, for those that need it

        with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)


class Guard:
    """Looks after one child from a thread of its own, until it ends."""

    def __init__(
        self, child: subprocess.Popen[bytes], limits: Limits, *, monotonic: Callable[[], float], endless: bool = False
    ) -> None:
        """``endless``: the child looks at something all the time, and is not slowed down."""
        self.stopped = ""
        """Why the child was stopped; empty where it was not."""
        self.step = ""
        self._child = child
        self._limits = limits
        self._monotonic = monotonic
        self._endless = endless
        self._worked = 0.0
        """Seconds of the present step."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def begins(self, step: str) -> None:
        """The child begins another step of its work."""
        self.step = step
        self._worked = 0.0

    def over(self) -> None:
        """The child has ended, or is to be left alone."""
        self._over.set()

    def kill(self) -> None:
        """End the child and what it has started."""
        kill(self._child)

    def _watch(self) -> None:
        try:
            process = psutil.Process(self._child.pid)
            self._look_on(process)
        except (psutil.Error, OSError):
            return  # it has ended

    def _look_on(self, process: psutil.Process) -> None:
        began = last = looked = self._monotonic()
        family: list[psutil.Process] = []
        held = False
        while not self._over.wait(_TICK_AT_REST if self._endless else _TICK):
            now = self._monotonic()
            if not held:
                self._worked += min(now - last, 10 * _TICK)  # a machine that slept did not work
            last = now
            if now - looked >= _FAMILY:
                family, looked = process.children(recursive=True), now
            memory, seconds = _used(process, family)
            verdict = self._verdict(memory)
            if verdict:
                self.stopped = verdict
                self.kill()
                return
            ahead = seconds - (now - began) * self._limits.cpu_percent / 100
            if not self._endless and not held and ahead > _AHEAD:
                process.suspend()
                held = True
            elif held and ahead <= 0:
                process.resume()
                held = False

    def _verdict(self, memory: int) -> str:
        limits = self._limits
        if memory > limits.memory_mb * _MEGABYTE:
            return f"it took more than {limits.memory_mb:,} MB of memory, and was stopped"
        if limits.seconds and self._worked > limits.seconds * (4 if self.step == "walk" else 1):
            return f"it took more than {limits.seconds:,} s, and was stopped"
        return ""


def kill(child: subprocess.Popen[bytes]) -> None:
    """End a child that has a process group of its own, and what it has started."""
    with contextlib.suppress(OSError, psutil.Error):
        if sys.platform == "win32":
            for process in psutil.Process(child.pid).children(recursive=True):
                process.kill()
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)


def on_battery() -> bool:
    """Whether the machine runs on its battery, as far as it says."""
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, RuntimeError):
        return False
    return battery is not None and battery.power_plugged is False


def _used(process: psutil.Process, family: list[psutil.Process]) -> tuple[int, float]:
    """Bytes of memory and seconds of a processor, of a process and what it has started."""
    memory = process.memory_info().rss
    times = process.cpu_times()
    seconds = times.user + times.system + times.children_user + times.children_system
    for each in family:
        with contextlib.suppress(psutil.Error):
            memory += each.memory_info().rss
            other = each.cpu_times()
            seconds += other.user + other.system
    return memory, seconds
