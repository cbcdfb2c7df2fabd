"""Run commands in turn, A B A B …, and report time and memory as the operating system accounts for them."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One finished process: wall and processor seconds, peak resident MB, exit status."""

    wall: float
    cpu: float
    rss: float
    status: int


def once(command: Sequence[str], env: Mapping[str, str]) -> Run:
    """Run a command once, its output thrown away."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    scale = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale, process.returncode)


def paired(commands: Mapping[str, Sequence[str]], runs: int, env: Mapping[str, str]) -> dict[str, list[Run]]:
    """One warm-up each, then ``runs`` rounds in which every command runs once."""
    for command in commands.values():
        once(command, env)
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(once(command, env))
    return found


def table(found: Mapping[str, list[Run]], subject: str) -> str:
    """Medians with minimum and maximum, and the ratio of wall time pair by pair."""
    lines = [f"{'command':28} {'wall s (min-max)':>24} {'cpu s':>8} {'peak MB':>8}  ratio to {subject}"]
    for name, runs in found.items():
        walls = [run.wall for run in runs]
        ratios = [run.wall / other.wall for run, other in zip(runs, found[subject], strict=True)]
        lines.append(
            f"{name:28} {statistics.median(walls):8.2f} ({min(walls):.2f}-{max(walls):.2f})".ljust(54)
            + f"{statistics.median(run.cpu for run in runs):8.2f} {max(run.rss for run in runs):8.1f}"
            + f"  {statistics.median(ratios):6.2f}"
        )
        lines += [f"    raw wall={run.wall:.3f} cpu={run.cpu:.3f} rss={run.rss:.1f} exit={run.status}" for run in runs]
    return "\n".join(lines)


def machine() -> str:
    """What the figures were measured on."""
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")),
            model,
        )
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {model}, Python {platform.python_version()}"
    )


def own_peak() -> float:
    """Peak resident MB of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
