"""All sensors over a home of many files: seconds and memory, paired with peers in the same run.

Targets: at most 2 s warm, at most 60 MB resident.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from home import build
from measure import machine, paired, table

PEERS = {
    "nexusshadowscan endpoint": ("nexusshadowscan==0.1.4", "shadowscan", ("endpoint", "--home", "{home}")),
    "agent-bom scan": ("agent-bom==0.110.0", "agent-bom", ("scan", "--offline", "--no-scan", "{home}")),
}
"""Published scanners: requirement, program, arguments. Each looks for a part of what all our sensors look for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=240_000)
    parser.add_argument("--seed", type=int, default=2042)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "latest.txt")
    chosen = parser.parse_args()
    aimscope = str(Path(sys.executable).parent / "aimscope")
    with tempfile.TemporaryDirectory(prefix="aimscope-bench-") as scratch:
        root, elsewhere = Path(scratch) / "root", Path(scratch) / "state"
        files = build(root, chosen.files, chosen.seed)
        env = {**os.environ, "AIMSCOPE_STATE": str(elsewhere), "HOME": str(elsewhere)}
        elsewhere.mkdir()
        commands = {
            "aimscope scan (all sensors)": [aimscope, "scan", "--root", str(root), "--json", "--quiet"],
            "find (names only)": ["find", str(root), "-name", "*.gguf"],
            **_peers(Path(scratch) / "peers", root),
        }
        found = paired(commands, chosen.runs, env)
        first = found["aimscope scan (all sensors)"]
        wall, peak = sorted(run.wall for run in first)[len(first) // 2], max(run.rss for run in first)
        text = "\n".join(
            (
                f"{files} files, seed {chosen.seed}, {chosen.runs} runs after a warm-up; {machine()}",
                table(found, "find (names only)"),
                f"target 2 s: {'met' if wall <= 2 else 'MISSED'} ({wall:.2f} s median)",
                f"target 60 MB: {'met' if peak <= 60 else 'MISSED'} ({peak:.1f} MB peak)",
            )
        )
    print(text)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(text + "\n", encoding="utf-8")


def _peers(folder: Path, root: Path) -> dict[str, list[str]]:
    """Published scanners that can be installed here, each in an environment of its own."""
    found: dict[str, list[str]] = {}
    for name, (requirement, program, arguments) in PEERS.items():
        place = folder / requirement.partition("=")[0]
        if not place.exists():
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            subprocess.run([str(place / "bin/pip"), "install", "-q", requirement], check=False, capture_output=True)
        path = shutil.which(program, path=str(place / "bin"))
        if path:
            # a peer that is far slower than all our sensors together is not waited for: exit status 124
            found[name] = [
                "timeout",
                "30",
                path,
                *(argument.format(home=root / "home" / "ann") for argument in arguments),
            ]
    return found


if __name__ == "__main__":
    main()
