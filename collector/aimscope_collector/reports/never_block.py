"""Names that are never blocked, whatever is prohibited: much besides AI depends on them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Final

import msgspec

_NAME: Final = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names that are spared for one reason: ``apex`` themselves and those above, ``whole`` also those below."""

    why: str
    apex: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    groups: tuple[Group, ...]


class Guards:
    """The names, by what blocking would hit."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._hit: dict[str, tuple[str, str]] = {}
        self._whole: dict[str, str] = {}
        for group in groups:
            for name in (*group.apex, *group.whole):
                for wide in above(name):
                    self._hit.setdefault(wide, (name, group.why))
            self._whole.update(dict.fromkeys(group.whole, group.why))

    def why_not(self, domain: str) -> str:
        """Why a domain with all below it is not to be blocked; empty if nothing speaks against it."""
        if hit := self._hit.get(domain):
            name, why = hit
            return why if name == domain else f"{name} lies below it: {why}"
        return next((self._whole[wide] for wide in above(domain) if wide in self._whole), "")


def above(name: str) -> Iterator[str]:
    """A name and those it lies below, without the last label: of ``a.b.com`` itself and ``b.com``."""
    while "." in name:
        yield name
        name = name.partition(".")[2]


def domain_name(text: str) -> str | None:
    """A domain as it is written in lists: ASCII, lower case, two labels at least; ``None`` for what is none."""
    folded = text.strip().rstrip(".").casefold()
    if not folded.isascii():
        try:
            folded = folded.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return folded if _NAME.fullmatch(folded) else None


@functools.cache
def built_in() -> Guards:
    """Those that are shipped."""
    text = resources.files(__package__).joinpath("never_block.yaml").read_bytes()
    return Guards(msgspec.yaml.decode(text, type=_File).groups)
