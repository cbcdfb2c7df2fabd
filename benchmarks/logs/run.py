"""Logs read per processor second, exactly; peers: ripgrep, grep and DuckDB over the same file and the same domains.

The catalogue has 5,000 domains: the shipped ones and made ones. Peers look for domains as text anywhere in a line
(DuckDB: in the column of the host, by suffix), which is not the same answer: what each finds is told.

Targets: JSON at least 500 MB per processor second with one process and 900 MB per second with two; Squid at least 350;
every line counted, at most 150 MB resident.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lines import build, domains, services
from measure import machine

HERE = Path(__file__).parent
CATALOGUE = 5_000
TARGETS = {"zeek": 500.0, "squid": 350.0}
TWO_PROCESSES = 900.0


@dataclass(frozen=True)
class Peer:
    """A command over the log, and how many lines of a service its output says there are."""

    command: list[str]
    read: Callable[[str], int]


@dataclass(frozen=True)
class Run:
    """One finished command."""

    cpu: float
    wall: float
    peak: float
    found: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2042)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "latest.txt")
    chosen = parser.parse_args()
    lines = [f"seed {chosen.seed}, {chosen.runs} runs, {chosen.megabytes} MB of each, {CATALOGUE} domains; {machine()}"]
    with tempfile.TemporaryDirectory(prefix="aimscope-bench-") as name:
        folder = Path(name)
        shipped = _shipped()
        own = domains(CATALOGUE - len(shipped), random.Random(chosen.seed))
        services(folder / "services", own)
        (folder / "domains.txt").write_text("\n".join([*shipped, *own]) + "\n")
        for kind in TARGETS:
            path = folder / f"{kind}.log"
            made = build(path, kind, chosen.megabytes * 1_000_000, own, chosen.seed)
            lines += ["", f"{kind}: {made['lines']:,} lines, {made['bytes']:,} bytes, {made['hits']:,} of a service"]
            lines += _compare(kind, path, folder, made, chosen.runs)
            path.unlink()
    text = "\n".join(lines)
    print(text)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(text + "\n", encoding="utf-8")


def _shipped() -> list[str]:
    from aimscope_signatures import bundle

    return sorted(host for host in bundle.shipped().interests.hosts if "*" not in host)


def _compare(kind: str, path: Path, folder: Path, made: dict[str, int], runs: int) -> Iterator[str]:
    peers = _peers(kind, path, folder)
    megabytes = made["bytes"] / 1e6
    found: dict[str, list[Run]] = {name: [] for name in peers}
    for number in range(runs + 1):
        for name, peer in peers.items():
            run = _once(peer, folder)
            if number:  # the first round warms the disk's cache
                found[name].append(run)
    yield f"{'':22} {'MB/cpu-s (min-max)':>22} {'MB/s':>6} {'peak MB':>8} {'ratio':>6}  lines of a service"
    subject = found["aimscope"]
    for name, done in found.items():
        speeds = [megabytes / run.cpu for run in done]
        ratios = [other.cpu / ours.cpu for ours, other in zip(subject, done, strict=True)]
        speed = f"{statistics.median(speeds):.0f} ({min(speeds):.0f}-{max(speeds):.0f})"
        wall = megabytes / statistics.median(run.wall for run in done)
        peak = max(run.peak for run in done)
        counts = f"{done[0].found:,} of {made['hits']:,}"
        yield f"{name:22} {speed:>22} {wall:>6.0f} {peak:>8.0f} {statistics.median(ratios):>6.2f}  {counts}"
        yield from (f"    raw cpu={r.cpu:.3f} wall={r.wall:.3f} rss={r.peak:.0f} found={r.found}" for r in done)
    ours = megabytes / statistics.median(run.cpu for run in subject)
    yield f"target {TARGETS[kind]:.0f} MB/cpu-s: {'met' if ours >= TARGETS[kind] else 'MISSED'}"
    if kind == "zeek":
        both = megabytes / statistics.median(run.wall for run in found["aimscope, 2 processes"])
        yield f"target {TWO_PROCESSES:.0f} MB/s with two processes: {'met' if both >= TWO_PROCESSES else 'MISSED'}"
    whole = all(run.found == made["hits"] for run in subject)
    yield f"target every line of a service counted, no other: {'met' if whole else 'MISSED'}"
    yield f"target 150 MB resident: {'met' if max(run.peak for run in subject) <= 150 else 'MISSED'}"


def _once(peer: Peer, folder: Path) -> Run:
    output = folder / "output.txt"
    env = {**os.environ, "AIMSCOPE_SERVICES": str(folder / "services"), "AIMSCOPE_STATE": str(folder / "state")}
    started = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen(peer.command, stdout=file, stderr=subprocess.DEVNULL, env=env)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    found = peer.read(output.read_text(encoding="utf-8", errors="replace")) if output.stat().st_size else 0
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, found)


def _peers(kind: str, path: Path, folder: Path) -> dict[str, Peer]:
    program = str(Path(sys.executable).parent / "aimscope")
    ours = [program, "scan", "logs", "--json", "--quiet", str(path)]
    peers = {
        "aimscope": Peer([*ours, "--jobs", "1"], _counted),
        "aimscope, 2 processes": Peer([*ours, "--jobs", "2"], _counted),
    }
    if shutil.which("rg"):
        peers["rg -F -f"] = Peer(["rg", "-c", "-j", "1", "-F", "-f", str(folder / "domains.txt"), str(path)], int)
    if shutil.which("grep"):
        peers["grep -F -f"] = Peer(["grep", "-c", "-F", "-f", str(folder / "domains.txt"), str(path)], int)
    if kind == "zeek" and importlib.util.find_spec("duckdb"):
        peers["DuckDB"] = Peer([sys.executable, str(HERE / "peer_duckdb.py"), str(path), str(folder)], int)
    return peers


def _counted(text: str) -> int:
    return sum(
        evidence.get("count", 1)
        for finding in json.loads(text)["findings"]
        for evidence in finding.get("evidence", ())
        if finding["service"]
    )


if __name__ == "__main__":
    main()
