"""Keys in names: a last look at every text before it leaves a scan.

Sensors never pass a value on. But people put keys where names belong: folders, servers, models, units. What has the
form of a key, or stands in an address where credentials do, becomes ``…``; a password of no form cannot be told.
"""

from __future__ import annotations

import functools
import re

from aimscope_agent.redact import HIDDEN
from aimscope_signatures.interests import KeyPattern

_OTHERS = (
    ("sk-", r"sk-[A-Za-z0-9]{32,}"),
    ("sk-ant-", r"sk-ant-[\w-]{20,}"),
    ("gh", r"gh[oprsu]_[A-Za-z0-9]{36,}"),
    ("github_pat_", r"github_pat_\w{22,}"),
    ("glpat-", r"glpat-[\w-]{20,}"),
    ("xox", r"xox[abeoprs]-[\w-]{20,}"),
    ("AKIA", r"AKIA[0-9A-Z]{16}"),
    ("eyJ", r"eyJ[\w-]{10,500}\.[\w-]{10,2000}\.[\w-]+"),
)
"""Literal and form of keys that belong to no signature, and of those of the catalogue that were cut short."""
_SHORTEST = 16
_RUN = re.compile(r"[\w+=-]{16,}", re.ASCII)
"""Most names have no stretch like that, and no key is without."""
_USERINFO = re.compile(r"(?<=://)[^/?#\s]{0,1000}@")
_PARAMETERS = re.compile(r"(://[^?#\s]{0,1000}[?#])\S+")


class Mask:
    """Hides keys of the forms of ``keys`` and those of services that everybody uses."""

    def __init__(self, keys: tuple[KeyPattern, ...]) -> None:
        forms = [(key.literal, key.regex) for key in keys]
        self._forms = [
            # Joined to a name by a hyphen or underscore, too: but not within a word.
            (literal, re.compile(rf"(?<![A-Za-z0-9])(?:{form})", re.ASCII))
            for literal, form in (*forms, *_OTHERS)
        ]

    def __call__(self, text: str) -> str:
        """The text, keys left out."""
        if len(text) < _SHORTEST:
            return text
        if "://" in text:
            text = _PARAMETERS.sub(rf"\1{HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", text))
        if _RUN.search(text):
            for literal, form in self._forms:
                if literal in text:
                    text = form.sub(HIDDEN, text)
        return text


@functools.lru_cache(maxsize=4)
def mask_of(keys: tuple[KeyPattern, ...]) -> Mask:
    """The mask of a catalogue's keys."""
    return Mask(keys)
