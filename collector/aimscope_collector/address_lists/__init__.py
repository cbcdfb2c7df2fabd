"""Who had which address when: leases of DHCP servers, and names of addresses. One module per kind of file.

A module has ``NAME``, ``SOURCE`` (``dhcp`` or ``reverse``), ``is_mine(text)`` for the beginning of a file, and
``read(text)``, which gives leases and the lines that say nothing. Nothing here raises on a hostile file. Names and
addresses are clear here, and end at the door (``store.leases``).
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Final, Literal, Protocol, cast

import msgspec

from aimscope_collector.assets import parsed_address, tells_apart
from aimscope_collector.inventory.text import decode

MAX_BYTES: Final = 50_000_000
MAX_LEASES: Final = 1_000_000
MOST_PROBLEMS: Final = 100
LATEST: Final = 253_402_300_799
"""The end of the year 9999."""
_LONGEST_NAME: Final = 253
_SNIFFED: Final = 65_536
_SECONDS: Final = (0, LATEST)
Source = Literal["dhcp", "reverse"]


class Lease(msgspec.Struct, frozen=True):
    """A device of that name has, or had, an address. Seconds since 1970 UTC; ``None``: the file does not say."""

    name: str
    address: str
    begins: int | None
    ends: int | None


class Found(msgspec.Struct, frozen=True):
    """What a file says. ``nameless`` are leases to a device that gave no name, which is then nobody's."""

    form: str
    source: Source
    leases: tuple[Lease, ...]
    nameless: int
    problems: tuple[str, ...]


class Unread(ValueError):
    """The file cannot be used; the text says why."""


class Bad(msgspec.Struct, frozen=True):
    """A line that was to say something and does not."""

    line: int
    text: str


class Entry(msgspec.Struct, frozen=True):
    """One lease as a file has it: not checked yet."""

    line: int
    name: str
    address: str
    begins: int | None = None
    ends: int | None = None


class Form(Protocol):
    """One kind of file."""

    NAME: str
    SOURCE: Source
    is_mine: Callable[[str], bool]
    read: Callable[[str], Iterator[Entry | Bad]]


@functools.cache
def forms() -> tuple[Form, ...]:
    """Every kind, by name; those that are easily told first."""
    found = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    ]
    return tuple(sorted((cast("Form", module) for module in found), key=lambda form: form.NAME))


def read(data: bytes, form: str = "auto") -> Found:
    """The leases of a file. Raises ``Unread``."""
    if len(data) > MAX_BYTES:
        raise Unread(f"the file is larger than {MAX_BYTES // 1_000_000} MB: split it")
    text = decode(data)
    chosen = _chosen(text, form)
    leases: list[Lease] = []
    problems: list[str] = []
    nameless = 0
    for said in chosen.read(text):
        if isinstance(said, Bad):
            problem = said.text
        else:
            lease, problem = _checked(said)
            if lease is not None:
                leases.append(lease)
            elif not problem:
                nameless += 1
        if problem and len(problems) < MOST_PROBLEMS:
            problems.append(f"line {said.line}: {problem}")
        if len(leases) > MAX_LEASES:
            raise Unread(f"there are more than {MAX_LEASES:,} leases: split the file")
    return Found(chosen.NAME, chosen.SOURCE, tuple(leases), nameless, tuple(problems))


def _chosen(text: str, form: str) -> Form:
    if form != "auto":
        named = next((each for each in forms() if form == each.NAME), None)
        if named is None:
            raise Unread(f"{form!r} is no form: there are auto, {', '.join(each.NAME for each in forms())}")
        return named
    fitting = [each for each in forms() if each.is_mine(text[:_SNIFFED])]
    if len(fitting) != 1:
        known = ", ".join(each.NAME for each in forms())
        raise Unread(f"what kind of file this is cannot be told: say which of {known}")
    return fitting[0]


def _checked(said: Entry) -> tuple[Lease | None, str]:
    """The lease; else why it is none, empty where nobody gave a name."""
    address = parsed_address(said.address) if len(said.address) < 64 else None
    if address is None:
        return None, f"{said.address[:50]!r} is no address"
    name = said.name.strip().rstrip(".")
    if name in ("", "*", "-") or parsed_address(name) is not None:
        return None, ""
    if len(name) > _LONGEST_NAME or not name.isprintable() or any(mark in name for mark in " /\\"):
        return None, "the name is none of a device"
    if not tells_apart(address):
        return None, f"{address} is no address of one device"
    low, high = _SECONDS
    if any(moment is not None and not low <= moment <= high for moment in (said.begins, said.ends)):
        return None, "a moment is out of bounds"
    if said.begins is not None and said.ends is not None and said.ends < said.begins:
        return None, "it ends before it begins"
    return Lease(name, address, said.begins, said.ends), ""
