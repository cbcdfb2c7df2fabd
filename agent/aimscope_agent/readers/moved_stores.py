"""Folders that people have moved the stores of models to, as start-up files and systemd units say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_agent.host.facts import Found
from aimscope_agent.readers import services_systemd as systemd
from aimscope_agent.sensor import Look

_FILES: Final = (
    "~/{.bashrc,.bash_profile,.profile,.zshrc,.zshenv,.zprofile}",
    "~/.config/environment.d/*.conf",
    "~/.config/fish/config.fish",
    "/etc/{environment,profile,bash.bashrc,bashrc}",
    "/etc/profile.d/*.sh",
    "/etc/default/*",
)
WANTS: Final = (*_FILES, *systemd.globs(".service"), *systemd.DROP_INS)
_MOST_STORES = 20
_NAMES: Final = "OLLAMA_MODELS|HF_HOME|HF_HUB_CACHE|HUGGINGFACE_HUB_CACHE"
_ASSIGNED = re.compile(
    rf"""^(?![ \t]*\#).*?\b({_NAMES})(?:=|[ \t]+)["']?([~$/][^\s"';:]{{0,500}})""",
    re.MULTILINE,
)


def stores(look: Look) -> dict[str, str]:
    """Folders below which Ollama's manifests and Hugging Face's models lie, each with the name of its variable."""
    result: dict[str, str] = {}
    for name, folder in _assigned(look):
        if folder.startswith("/") and not re.search(r"[$%*]|/\.\.(?:/|\Z)", folder) and len(result) < _MOST_STORES:
            result.setdefault(folder.rstrip("/") + ("/hub" if name == "HF_HOME" else ""), name)
    return result


def _assigned(look: Look) -> Iterator[tuple[str, str]]:
    for glob in _FILES:
        for file in look.found(glob):
            for name, value in _ASSIGNED.findall(look.text(file) or ""):
                yield name, _in_home(look, file, value)
    for file, pairs in systemd.environment(look):
        for name, value in pairs:
            if re.fullmatch(_NAMES, name):
                yield name, _in_home(look, file, value)


def _in_home(look: Look, file: Found, folder: str) -> str:
    home = next((user.home for user in look.users if user.name == file.user), "")
    return re.sub(r"\A(?:~|\$HOME|\$\{HOME\}|%h)(?=/)", lambda _: home, folder) if home else folder
