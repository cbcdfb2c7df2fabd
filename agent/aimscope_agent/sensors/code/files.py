"""Which files of a project are read, how much of each, and what is looked for in them."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from aimscope_agent.sensor import MEGABYTE
from aimscope_agent.sensors.code import manifests
from aimscope_agent.sensors.code.imports import IMPORTERS
from aimscope_agent.sensors.code.locks import LOCKS

Role = Literal["lock", "manifest", "notebook", "source", "settings"]
"""``settings`` are files in which values need no quotes; ``manifest`` only those that are read for nothing else."""

_LOCK = 32 * MEGABYTE
_NOTEBOOK = 32 * MEGABYTE
_MANIFEST = 4 * MEGABYTE
_SOURCE = MEGABYTE


class Plan(msgspec.Struct, frozen=True):
    """How a file is read. Whether being larger than ``limit`` is ``told``: data and bundles may be."""

    role: Role
    limit: int
    told: bool


def _suffixes(text: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in text.split())


_SOURCES = _suffixes(
    """
    java kt kts scala groovy clj cs fs vb rb php swift m mm dart lua r jl ex exs erl hs ml c h cc cpp cxx hpp zig nim
    pl pm sql html htm erb ejs jinja j2 tpl ps1 psm1 bat cmd cue nix bicep
    """
)
_SETTINGS = _suffixes("yaml yml ini cfg conf env properties sh bash zsh fish tf tfvars hcl service toml mk")
_DATA = _suffixes("json jsonc json5 xml plist")
_BUNDLED = _suffixes("js mjs cjs html htm sql")
_NAMES = re.compile(
    r"(?:.*[-_.])?(?:dockerfile|containerfile)(?:[-_.].*)?|\.env(?:\..*)?|\.envrc|(?:gnu)?makefile|procfile|justfile|"
    r"jenkinsfile|caddyfile|tiltfile|vagrantfile|brewfile|rakefile"
)
_MINIFIED = re.compile(r".*[.-]min\.(?:js|mjs|cjs|css)")
_WITH_COMMANDS = _suffixes("yaml yml sh bash zsh fish mk ps1 bat cmd")


def plan(path: str) -> Plan | None:
    """How the file at a path, relative to its project, is read; ``None`` if it is not."""
    name = path.rpartition("/")[2].lower()
    suffix = name[name.rfind(".") :] if "." in name else ""
    if name in LOCKS:
        return Plan("lock", _LOCK, True)
    if suffix == ".ipynb":
        return Plan("notebook", _NOTEBOOK, True)
    if _MINIFIED.fullmatch(name):
        return None
    if suffix in _SETTINGS or _NAMES.fullmatch(name):
        return Plan("settings", _MANIFEST if manifests.reader(path) else _SOURCE, suffix not in {".yaml", ".yml"})
    if suffix in IMPORTERS or suffix in _SOURCES:
        return Plan("source", _SOURCE, suffix not in _BUNDLED)
    if manifests.reader(path):
        return Plan("source" if suffix in _DATA else "manifest", _MANIFEST, True)
    return Plan("source", _SOURCE, False) if suffix in _DATA else None


def has_commands(path: str) -> bool:
    """Whether a file holds commands that install or run packages."""
    name = path.rpartition("/")[2].lower()
    suffix = name[name.rfind(".") :] if "." in name else ""
    return suffix in _WITH_COMMANDS or name == "package.json" or bool(_NAMES.fullmatch(name))
