"""Small trees on disk, made for one test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from aimscope_agent.host.look import HostLook
from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.host.walk import Walk
from aimscope_agent.sensor import Options
from aimscope_signatures.interests import Interests

Plant = Callable[[Mapping[str, bytes | str]], Path]
LookOver = Callable[..., HostLook]

NOW = 1_790_000_000


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Write files below a new root; a name that ends in ``/`` is a folder."""

    def write(files: Mapping[str, bytes | str]) -> Path:
        root = tmp_path / "root"
        for name, content in files.items():
            path = root / name
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return write


@pytest.fixture
def look_over(tmp_path: Path) -> LookOver:
    """A look over a planted root, with the globs it wants and what machine.json would say."""

    def make(root: Path, *wanted: str, options: Options | None = None, **machine: object) -> HostLook:
        path = tmp_path / "machine.json"
        path.write_text(json.dumps({"platform": "linux", **machine}))
        host = OfflineHost(root, path)
        walk = Walk(host.tree, host.mounts)
        return HostLook(
            host,
            wanted=wanted,
            walk=walk,
            walked=walk.everywhere(wanted),
            interests=Interests(),
            options=options or Options(),
            now=NOW,
            digest_key=b"k" * 32,
        )

    return make
