"""The installed program, run as a person runs it: a process of its own, judged by what it prints and returns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

AIMSCOPE = Path(sys.executable).with_name("aimscope")
_SECONDS = 240


def environment(home: Path, folder: Path) -> dict[str, str]:
    """Variables of a person at home in ``home``: nothing of ours, no keys; state and caches are kept in ``folder``."""
    return {
        "HOME": str(home),
        "USER": "dev",
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "COLUMNS": "200",
        "AIMSCOPE_STATE": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": os.environ.get("AIMSCOPE_E2E_CACHE", str(folder / "cache")),
    }


def aimscope(*arguments: str | Path, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the program on files only, with its state in ``folder``."""
    return subprocess.run(
        [str(AIMSCOPE), *map(str, arguments)],
        cwd=folder,
        env={**environment(folder / "home", folder), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The report of a run with ``--json``."""
    assert done.returncode in {0, 3, 4}, f"{done.args} ended with {done.returncode}: {done.stderr}"
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def services(report: dict[str, Any]) -> set[str]:
    return {row["service"] for row in report["findings"]}


def evidence(report: dict[str, Any], service: str, kind: str = "") -> list[dict[str, Any]]:
    """The evidence of a service, of one kind or of all. What is no finding has none."""
    found = [one for row in report["findings"] if row["service"] == service for one in row.get("evidence", ())]
    return [one for one in found if not kind or one["kind"] == kind]
