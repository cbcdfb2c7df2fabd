"""Names read out of captures per processor second, and how many of them are found; peers: tshark, ndpiReader, dpkt.

Targets: at least 1,200 MB per processor second on an office's traffic, 600 on a hostile mix, all names found, at most
150 MB resident.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from measure import machine
from traffic import build

HERE = Path(__file__).parent

Names = Counter[tuple[str, str]]
TARGETS = {"office": 1_200.0, "hostile": 600.0}


@dataclass(frozen=True)
class Peer:
    """A command that prints the names of a capture, and how its output is read."""

    command: Callable[[Path], list[str]]
    read: Callable[[Iterable[str]], Names] | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2042)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "latest.txt")
    chosen = parser.parse_args()
    lines = [f"seed {chosen.seed}, {chosen.runs} runs, {chosen.megabytes} MB of each; {machine()}"]
    with tempfile.TemporaryDirectory(prefix="aimscope-bench-") as folder:
        for mix in TARGETS:
            path = Path(folder) / f"{mix}.pcap"
            made = build(path, chosen.megabytes * 1_000_000, chosen.seed, hostile=mix == "hostile")
            lines += ["", f"{mix}: {made['packets']:,} packets, {made['bytes']:,} bytes, {made['names']:,} names"]
            lines += _compare(mix, path, Path(folder), chosen.runs)
            path.unlink()
    text = "\n".join(lines)
    print(text)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(text + "\n", encoding="utf-8")


def _compare(mix: str, path: Path, folder: Path, runs: int) -> Iterable[str]:
    expected: Names = Counter((kind, name) for kind, name in json.loads(path.with_suffix(".names.json").read_text()))
    megabytes = path.stat().st_size / 1e6
    peers = _peers()
    speeds: dict[str, list[float]] = {name: [] for name in peers}
    peaks: dict[str, float] = dict.fromkeys(peers, 0.0)
    found: dict[str, Names | None] = {}
    raw: list[str] = []
    for _ in range(runs):
        for name, peer in peers.items():
            output = folder / "names.txt"
            cpu, peak, status = _once(peer.command(path), output)
            speeds[name].append(megabytes / cpu)
            peaks[name] = max(peaks[name], peak)
            raw.append(f"    raw {name}: cpu {cpu:.3f} s, {peak:.0f} MB, exit {status}")
            if name not in found:
                with output.open(encoding="utf-8", errors="replace") as text:
                    found[name] = peer.read(text) if peer.read else None
    yield f"{'':12} {'MB/cpu-s (min-max)':>24} {'peak MB':>8} {'ratio':>7}  names found, invented"
    for name, values in speeds.items():
        ratios = [ours / theirs for ours, theirs in zip(speeds["aimscope"], values, strict=True)]
        names = found[name]
        told = "not listed by it"
        if names is not None:
            said = expected.total()
            told = f"{(expected & names).total():,} of {said:,}, {(names - expected).total():,}"
        speed = f"{statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f})"
        yield f"{name:12} {speed:>24} {peaks[name]:>8.0f} {statistics.median(ratios):>7.2f}  {told}"
    yield from raw
    ours = statistics.median(speeds["aimscope"])
    whole = found["aimscope"] == expected
    yield f"target {TARGETS[mix]:.0f} MB/cpu-s: {'met' if ours >= TARGETS[mix] else 'MISSED'}"
    yield f"target all names, none invented: {'met' if whole else 'MISSED'}"
    yield f"target 150 MB resident: {'met' if peaks['aimscope'] <= 150 else 'MISSED'}"


def _once(command: list[str], output: Path) -> tuple[float, float, int]:
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode


def _peers() -> dict[str, Peer]:
    program = str(Path(sys.executable).parent / "aimscope")
    peers = {"aimscope": Peer(lambda path: [program, "scan", "pcap", "--names", "--quiet", str(path)], _ours)}
    if shutil.which("tshark"):
        fields = ("dns.qry.name", "tls.handshake.extensions_server_name", "http.host", "dns.flags.response")
        chosen = [word for field in fields for word in ("-e", field)]
        wanted = "(dns && dns.flags.response == 0) || tls.handshake.type == 1 || http.request"
        peers["tshark"] = Peer(
            lambda path: ["tshark", "-n", "-r", str(path), "-Y", wanted, "-T", "fields", *chosen], _tshark
        )
    if shutil.which("ndpiReader"):
        peers["ndpiReader"] = Peer(lambda path: ["ndpiReader", "-q", "-t", "-i", str(path)], None)
    peers["dpkt"] = Peer(lambda path: [sys.executable, str(HERE / "peer_dpkt.py"), str(path)], _words)
    return peers


def _ours(lines: Iterable[str]) -> Names:
    said = (json.loads(line) for line in lines if line.startswith("{"))
    return Counter((name["kind"], name["name"]) for name in said if not name["kind"].endswith("cname"))


def _tshark(lines: Iterable[str]) -> Names:
    """tshark does not say which transport a hello came over: both kinds of hello count as what was expected."""
    names: Names = Counter()
    for line in lines:
        asked, server_name, host, _ = (line.rstrip("\n") + "\t\t\t").split("\t")[:4]
        names.update(("dns_qname", name) for name in asked.split(",") if name)
        names.update(("tls_sni", name) for name in server_name.split(",") if name)
        names.update(("http_host", name) for name in host.split(",") if name)
    return names


def _words(lines: Iterable[str]) -> Names:
    return Counter((words[0], words[1]) for line in lines if len(words := line.split()) == 2)


if __name__ == "__main__":
    main()
