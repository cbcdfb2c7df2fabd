"""A small host of one user, planted below a temporary folder, and one sensor's view of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options, Sensor
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Status, Value

HOMES = {"linux": "/home/ann", "macos": "/Users/ann", "windows": "C:/Users/ann"}


class Host:
    """Files are named below the home of ``ann``, or from the root where they start with ``/``."""

    def __init__(self, folder: Path, platform: str = "linux") -> None:
        self.folder = folder
        self.platform = platform
        self.root = folder / "root"
        self.home = self.root / HOMES[platform].removeprefix("C:").strip("/")
        self.home.mkdir(parents=True)

    def path(self, name: str) -> Path:
        path = self.root / name[1:] if name.startswith("/") else self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def plant(self, files: Mapping[str, object]) -> Host:
        """Text, bytes, or what becomes JSON; a name that ends in ``/`` is a folder."""
        for name, content in files.items():
            if name.endswith("/"):
                self.path(name + "x").parent.mkdir(parents=True, exist_ok=True)
            elif isinstance(content, bytes):
                self.path(name).write_bytes(content)
            else:
                self.path(name).write_text(content if isinstance(content, str) else json.dumps(content))
        return self

    def look(self, sensor: Sensor, interests: Interests | None = None, **machine: object) -> ScanResult:
        about = self.folder / "machine.json"
        users = [{"name": "ann", "home": HOMES[self.platform]}]
        about.write_text(json.dumps({"platform": self.platform, "users": users, **machine}))
        options = Options(opt_in=frozenset({sensor.name}))
        return scan(OfflineHost(self.root, about), [sensor], interests or Interests(), options, now=1_790_000_000)


def fields(result: ScanResult) -> list[dict[str, Value]]:
    return [observation.fields for observations in result.observations.values() for observation in observations]


def ids(result: ScanResult) -> list[str]:
    return sorted(str(found["id"]) for found in fields(result))


def gaps(result: ScanResult) -> set[tuple[Status, str]]:
    return {(gap.status, gap.source) for coverage in result.coverage for gap in coverage.gaps}
