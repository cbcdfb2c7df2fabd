"""Plug-ins of editors that keep one folder or file for each: Vim, Neovim, Emacs, Zed, Sublime Text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_agent.host.facts import Found, Platform
from aimscope_agent.sensor import Look
from aimscope_signatures.model import Observation

_PACK = "{plugged,bundle,pack/*/start,pack/*/opt}/*/"
_NEOVIM = "{lazy,plugged,site/pack/*/start,site/pack/*/opt}/*/"
_EMACS = "{.emacs.d,.config/emacs}/"
_SUBLIME = "Installed Packages/*.sublime-package"

_PLACES: Final[dict[Platform, tuple[tuple[str, str, str], ...]]] = {
    "linux": (
        ("vim", "vim", "~/.vim/" + _PACK),
        ("vim", "neovim", "~/.local/share/nvim/" + _NEOVIM),
        ("vim", "neovim", "~/.config/nvim/pack/*/{start,opt}/*/"),
        ("emacs", "emacs", f"~/{_EMACS}elpa/*/"),
        ("zed", "zed", "~/{.local/share,.var/app/dev.zed.Zed/data}/zed/extensions/installed/*/"),
        ("sublime", "sublime", "~/.config/sublime-text{,-3}/" + _SUBLIME),
    ),
    "macos": (
        ("vim", "vim", "~/.vim/" + _PACK),
        ("vim", "neovim", "~/.local/share/nvim/" + _NEOVIM),
        ("vim", "neovim", "~/.config/nvim/pack/*/{start,opt}/*/"),
        ("emacs", "emacs", f"~/{_EMACS}elpa/*/"),
        ("zed", "zed", "~/Library/Application Support/Zed/extensions/installed/*/"),
        ("sublime", "sublime", "~/Library/Application Support/Sublime Text{, 3}/" + _SUBLIME),
    ),
    "windows": (
        ("vim", "vim", "~/{vimfiles,.vim}/" + _PACK),
        ("vim", "neovim", "~/AppData/Local/nvim-data/" + _NEOVIM),
        ("vim", "neovim", "~/AppData/Local/nvim/pack/*/{start,opt}/*/"),
        ("emacs", "emacs", "~/{.emacs.d,AppData/Roaming/.emacs.d}/elpa/*/"),
        ("zed", "zed", "~/AppData/Local/Zed/extensions/installed/*/"),
        ("sublime", "sublime", "~/AppData/Roaming/Sublime Text{, 3}/" + _SUBLIME),
    ),
}
"""Store of ids, editor and glob."""

WANTS = tuple(dict.fromkeys(glob for places in _PLACES.values() for _, _, glob in places))

_EMACS_PACKAGE = re.compile(r"(?P<name>.+)-(?P<version>\d+(?:\.\d+)*(?:(?:snapshot|alpha|beta|pre|rc)[\d.]*)?)")


def observe(look: Look) -> Iterator[Observation]:
    """One plug-in for each folder or file."""
    for store, editor, glob in _PLACES[look.platform]:
        for found in look.found(glob):
            name = found.host_path.rpartition("/")[2]
            if name.startswith("."):
                continue
            if store == "emacs":
                yield from _emacs(look, found, name)
            else:
                plugin = name.removesuffix(".sublime-package")
                yield look.see("editor_extension", found, id=f"{store}:{plugin}", editor=editor, path=found.path)


def _emacs(look: Look, found: Found, name: str) -> Iterator[Observation]:
    """Packages are named with their version; other folders beside them hold lists and keys."""
    if match := _EMACS_PACKAGE.fullmatch(name):
        yield look.see(
            "editor_extension",
            found,
            id=f"emacs:{match['name']}",
            editor="emacs",
            version=match["version"],
            path=found.path,
        )
