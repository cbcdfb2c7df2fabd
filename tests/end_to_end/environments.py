"""Real tools, installed once from the registries and kept outside the clone.

An environment is a tree like a small machine's root, with one home in it: what is installed there lies where a person's
tools lie, and the same tree serves a live scan (as the home of that scan) and ``--root``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

_SECONDS = 840
_PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
_SHAPE = 1
"""Rises when the same requirements would be laid out differently."""


class Venv(msgspec.Struct, frozen=True):
    """A virtual environment in a folder of the home."""

    folder: str
    requirements: tuple[str, ...]


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """npm packages in a folder of the home: a project's, or (``everywhere``) the prefix of `npm install --global`."""

    folder: str
    packages: tuple[str, ...]
    everywhere: bool = False


class Recipe(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a home holds.

    ``pipx`` names applications, each of which pipx gives an environment of its own; ``wheels`` are downloaded alone,
    without what they depend on, into a folder of that name.
    """

    name: str
    venvs: tuple[Venv, ...] = ()
    node: tuple[Node, ...] = ()
    pipx: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Differs when anything does that decides what is installed."""
        told = msgspec.json.encode((_SHAPE, self, sys.version_info[:2], sys.platform, sys.base_prefix))
        return hashlib.sha256(told).hexdigest()[:16]


class Environment(msgspec.Struct, frozen=True):
    """An installed recipe: ``root`` is the tree to scan, ``home`` the one home in it."""

    root: Path
    home: Path


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aimscope-e2e"


def installed(recipe: Recipe) -> Environment:
    """The environment of a recipe, built if it is not there yet.

    Scripts in a virtual environment name the folder they were made in, so a finished one is not moved: what is renamed
    into place is the link to it. What was interrupted has no link and is never used.
    """
    link = cache() / f"{recipe.name}-{recipe.key}"
    if not link.exists():
        _sweep(link)
        place = link.with_name(f"{link.name}.{secrets.token_hex(4)}")
        home = place / "root" / "home" / "dev"
        home.mkdir(parents=True)
        try:
            _build(recipe, home, place / "build")
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        shutil.rmtree(place / "build", ignore_errors=True)
        fresh = place.with_name(f"{place.name}.link")
        fresh.symlink_to(place.name)
        fresh.replace(link)
    root = link.resolve() / "root"
    return Environment(root, root / "home" / "dev")


def _sweep(link: Path) -> None:
    """Take away what was interrupted: not linked, and older than any build that may still run."""
    for place in link.parent.glob(f"{link.name}.*"):
        if time.time() - place.lstat().st_mtime > 2 * _SECONDS and place != link.resolve():
            shutil.rmtree(place, ignore_errors=True)


def _build(recipe: Recipe, home: Path, scratch: Path) -> None:
    """Two at a time: unpacking takes a processor, downloading does not."""
    with ThreadPoolExecutor(2) as pool:
        parts = [pool.submit(_virtual, home / venv.folder, venv.requirements) for venv in recipe.venvs]
        parts += [pool.submit(_node, home / node.folder, node, scratch / "npm") for node in recipe.node]
        if recipe.pipx:
            parts.append(pool.submit(_pipx, recipe.pipx, home, scratch / "pipx"))
        if recipe.wheels:
            wheels = ["download", "--no-deps", "--dest", "wheels", *recipe.wheels]
            parts.append(pool.submit(run, [*_PIP, *wheels], home))
    for part in parts:
        part.result()


def _virtual(folder: Path, requirements: tuple[str, ...]) -> None:
    uv = shutil.which("uv")
    if uv:
        run([uv, "venv", "--quiet", "--python", sys.executable, folder], folder.parent)
        run([uv, "pip", "install", "--quiet", "--python", folder / "bin/python", *requirements], folder)
    else:
        run([sys.executable, "-m", "venv", "--without-pip", folder], folder.parent)
        run([*_PIP, "--python", folder / "bin/python", "install", "--no-compile", *requirements], folder)


def _pipx(applications: tuple[str, ...], home: Path, scratch: Path) -> None:
    _virtual(scratch, ("pipx",))
    places = {"PIPX_HOME": str(home / ".local/share/pipx"), "PIPX_BIN_DIR": str(home / ".local/bin")}
    for application in applications:
        run([scratch / "bin/pipx", "install", "--python", sys.executable, application], home, **places)


def _node(folder: Path, node: Node, downloads: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--cache", downloads)
    if node.everywhere:
        run(["npm", "install", *quiet, "--global", "--prefix", folder, *node.packages], folder)
    else:
        (folder / "package.json").write_text('{"name": "project", "version": "1.0.0", "private": true}\n')
        run(["npm", "install", *quiet, *node.packages], folder)


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> None:
    """Run what builds; its own words are the error."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} {command[1]} ended with {done.returncode}:\n{done.stdout.decode()[-4000:]}")
