"""How long until a word is said: `aimscope --version`, and loading a compiled catalogue of 1,000 services.

Targets: 0.25 s for the version, 0.1 s for the catalogue.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from measure import machine, paired, table

from aimscope_signatures import bundle, catalogue
from aimscope_signatures.matcher import Matcher

SERVICES = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "latest.txt")
    chosen = parser.parse_args()
    aimscope = str(Path(sys.executable).parent / "aimscope")
    found = paired(
        {"aimscope --version": [aimscope, "--version"], "python -c pass": [sys.executable, "-c", "pass"]},
        chosen.runs,
        dict(os.environ),
    )
    version = statistics.median(run.wall for run in found["aimscope --version"])
    loads, indexed = _loading(chosen.runs)
    load = statistics.median(loads)
    lines = [
        machine(),
        table(found, "python -c pass"),
        f"loading {SERVICES} services: {load:.3f} s median; raw {', '.join(f'{one:.3f}' for one in loads)}",
        f"loading and indexing them for matching: {statistics.median(indexed):.3f} s median",
        f"target 0.25 s for the version: {'met' if version <= 0.25 else 'MISSED'} ({version:.3f} s)",
        f"target 0.1 s for the catalogue: {'met' if load <= 0.1 else 'MISSED'} ({load:.3f} s)",
    ]
    print("\n".join(lines))
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _loading(runs: int) -> tuple[list[float], list[float]]:
    """Seconds to load, and to load and index, a catalogue of the shipped services repeated under new ids."""
    shipped = list(catalogue.load())
    entries = [
        msgspec.structs.replace(shipped[n % len(shipped)], id=f"{shipped[n % len(shipped)].id}-{n}")
        for n in range(SERVICES)
    ]
    data = bundle.pack(catalogue.Catalogue(entries, "benchmark"))
    loads, indexed = [], []
    for _ in range(runs):
        started = time.perf_counter()
        found = bundle.unpack(data)
        loads.append(time.perf_counter() - started)
        Matcher(found)
        indexed.append(time.perf_counter() - started)
    return loads, indexed


if __name__ == "__main__":
    main()
