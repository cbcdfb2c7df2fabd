"""A developer's home of many files, made of this machine's own toolchain folders by hard links, with AI planted in it.

Hard links cost no space and give the walk real folder shapes: packages, caches, documentation, sources.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCES = (
    Path(sys.base_prefix) / "lib",
    Path("/usr/lib/node_modules"),
    Path("/usr/local/lib/node_modules"),
    Path("/usr/lib/python3"),
    Path("/usr/share"),
    Path("/usr/include"),
)
"""Folders to link from, those that are there; public toolchains, nothing of a person."""

PLACES = (
    "code/{n}/.venv/lib",
    "code/{n}/node_modules/tool",
    "code/{n}/src",
    ".cache/tool{n}",
    "Documents/{n}",
    "go/pkg/{n}",
)


def build(root: Path, files: int, seed: int) -> int:
    """Fill ``root`` (a Linux tree with one home) with ``files`` files; returns how many were made."""
    chooser = random.Random(seed)
    home = root / "home" / "ann"
    home.mkdir(parents=True)
    made = plant(root, home)
    number = 0
    while made < files:
        source = chooser.choice([path for path in SOURCES if path.is_dir()])
        target = home / chooser.choice(PLACES).format(n=number)
        number += 1
        made += _link(source, target, files - made, chooser)
    return made


def _link(source: Path, target: Path, most: int, chooser: random.Random) -> int:
    made = 0
    for folder, names in _walk(source):
        place = target / folder.relative_to(source)
        if chooser.random() < 0.3:  # not every folder of a toolchain in every project
            continue
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            if made >= most:
                return made
            if _one(folder / name, place / name):
                made += 1
    return made


def _one(source: Path, target: Path) -> bool:
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError:  # another file system: a copy of what is small
        if source.is_symlink() or source.stat().st_size > 65_536:
            return False
        shutil.copyfile(source, target)
    return True


def _walk(source: Path) -> Iterator[tuple[Path, list[str]]]:
    for folder, folders, names in os.walk(source):
        folders.sort()
        yield Path(folder), sorted(names)


def plant(root: Path, home: Path) -> int:
    """AI of every kind, so that the sensors have something to read. Returns the number of files."""
    fake = "EXAMPLE" * 20
    texts = {
        home / ".cursor/mcp.json": json.dumps({"mcpServers": {"fs": {"command": "npx", "args": ["-y", "@x/fs"]}}}),
        home / ".claude.json": json.dumps({"mcpServers": {}, "oauthAccount": {"emailAddress": "ann@example.org"}}),
        home / ".codex/config.toml": '[mcp_servers.x]\ncommand = "uvx"\nargs = ["mcp-server-fetch"]\n',
        home / ".bashrc": f"export OPENAI_API_KEY=sk-proj-{fake[:74]}T3BlbkFJ{fake[:74]}\n",
        home / "code/app/.env": f"ANTHROPIC_API_KEY=sk-ant-api03-{fake[:93]}AA\n",
        home / "code/app/CLAUDE.md": "Be careful.\n",
        home / ".vscode/extensions/extensions.json": json.dumps(
            [{"identifier": {"id": "github.copilot"}, "version": "1.0.0", "relativeLocation": "github.copilot-1.0.0"}]
        ),
        home / ".ollama/models/manifests/registry.ollama.ai/library/llama3/latest": json.dumps(
            {"layers": [{"mediaType": "application/vnd.ollama.image.model", "size": 4_000_000_000}]}
        ),
        root / "var/lib/dpkg/status": "".join(
            f"Package: tool{n}\nStatus: install ok installed\nVersion: {n}\nMaintainer: X <x@example.org>\n\n"
            for n in range(3_000)
        ),
    }
    for name in ("openai", "anthropic", "langchain", "numpy", "flask"):
        texts[home / f"code/app/.venv/lib/python3.12/site-packages/{name}-1.0.dist-info/METADATA"] = f"Name: {name}\n"
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return len(texts)
