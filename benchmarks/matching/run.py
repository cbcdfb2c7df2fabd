"""Names matched per processor second, with and without repetition, at 1,000 and 5,000 signatures; peer: pyahocorasick.

Targets: at least 4 million/s with repetition, 1.4 million/s without, flat from 1,000 to 5,000 signatures.
"""

from __future__ import annotations

import argparse
import importlib
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from measure import machine

from aimscope_signatures.hosts import HostIndex
from aimscope_signatures.patterns import Hit
from aimscope_signatures.signature import Clause

UNIQUE, REPEATED, VOCABULARY = 900_000, 2_000_000, 20_000
CLAUSE = Clause("domains", "high", ())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2042)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "latest.txt")
    chosen = parser.parse_args()
    lines = [f"seed {chosen.seed}, {chosen.runs} runs; million names per processor second; {machine()}"]
    lines.append(f"{'signatures':>10} {'unique':>16} {'repeated':>16} {'ahocorasick unique':>20} {'ratio':>7}")
    slowest = {"unique": 1e9, "repeated": 1e9}
    for signatures in (1_000, 5_000):
        index, domains, unique, repeated = _material(signatures, random.Random(chosen.seed))
        peer = _peer(domains)
        ours, again, theirs = [], [], []
        for _ in range(chosen.runs):
            ours.append(_rate(lambda: _fresh(index).services(unique), UNIQUE))
            again.append(_rate(lambda: index.services(repeated), REPEATED))
            theirs.append(_rate(lambda: [peer(name) for name in unique], UNIQUE) if peer else float("nan"))
        row = [statistics.median(column) for column in (ours, again, theirs)]
        slowest = {"unique": min(slowest["unique"], row[0]), "repeated": min(slowest["repeated"], row[1])}
        lines.append(f"{signatures:>10} {row[0]:>16.2f} {row[1]:>16.2f} {row[2]:>20.2f} {row[0] / row[2]:>7.2f}")
        lines.append(f"    raw unique {_raw(ours)}; repeated {_raw(again)}; ahocorasick {_raw(theirs)}")
    lines.append(f"target 1.4 without repetition: {'met' if slowest['unique'] >= 1.4 else 'MISSED'}")
    lines.append(f"target 4 with repetition: {'met' if slowest['repeated'] >= 4 else 'MISSED'}")
    print("\n".join(lines))
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _material(signatures: int, chooser: random.Random) -> tuple[HostIndex, list[str], list[str], list[str]]:
    domains = [f"dom{n}.{chooser.choice(['com', 'ai', 'io', 'co.uk'])}" for n in range(signatures)]
    unique = [
        f"api{n}.{domains[n % signatures]}"
        if n % 20 == 0
        else f"{chooser.choice(['www', 'api', 'cdn', 'a.b'])}.host{n}.{chooser.choice(['com', 'net', 'ai', 'org'])}"
        for n in range(UNIQUE)
    ]
    repeated = [unique[chooser.randrange(VOCABULARY)] for _ in range(REPEATED)]
    return _index(domains), domains, unique, repeated


def _index(domains: list[str]) -> HostIndex:
    index = HostIndex()
    for domain in domains:
        index.add(Hit(domain, CLAUSE, domain), suffix=True)
    return index


def _fresh(index: HostIndex) -> HostIndex:
    """The same index with nothing remembered."""
    index._asked.clear()
    index._known.clear()
    return index


def _peer(domains: list[str]) -> Callable[[str], str | None] | None:
    """An automaton over the domains, with the check that makes a substring a suffix by label."""
    try:
        ahocorasick = importlib.import_module("ahocorasick")
    except ImportError:
        return None
    automaton = ahocorasick.Automaton()
    for domain in domains:
        automaton.add_word(domain, domain)
    automaton.make_automaton()

    def ask(name: str) -> str | None:
        for end, domain in automaton.iter(name):
            if end == len(name) - 1 and (len(name) == len(domain) or name[-len(domain) - 1] == "."):
                return str(domain)
        return None

    return ask


def _rate(work: Callable[[], object], names: int) -> float:
    started = time.process_time()
    work()
    return names / (time.process_time() - started) / 1e6


def _raw(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    main()
