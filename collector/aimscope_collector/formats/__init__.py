"""Forms in which events go out: one module each with a ``FORMAT``, found by walking this folder. Pure: bytes, no wire.

A format renders one event as exactly one record, whatever its texts hold, and says how records make a body and which
carriers can take it: that is the declared table of valid pairs.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from aimscope_collector.events import Event

Carrier = Literal["file", "syslog", "https", "webhook"]
Proof = Literal["server", "parser", "contract"]
"""Against what it is tested: a real receiver, a parser we did not write, or the vendor's documented contract."""


class Unknown(ValueError):
    """There is no such format, version or option; the text says which there are."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One form. ``render`` gives a record without a line end; ``options`` are those it declares, with their defaults.

    ``body`` joins records to what one request or one write carries. ``render`` raises ``Unknown`` for a value of an
    option that it does not know.
    """

    name: str
    title: str
    content_type: str
    carriers: frozenset[Carrier]
    tested: Proof
    render: Callable[[Event, Mapping[str, str]], bytes]
    body: Callable[[Sequence[bytes]], bytes]
    options: Mapping[str, str] = {}
    reference: str = ""
    """Where the vendor documents it."""
    notes: str = ""
    """What a reader of the table must know besides: what was tested how, what differs."""
    largest_body: int = 5_000_000
    """Bytes that one request may have: whoever sends packs no more records into a body."""
    record_bytes: int = 60_000
    """Bytes that one record never exceeds: long texts and lists are cut, with a mark."""
    mapping: tuple[tuple[str, str], ...] = ()
    """The format's field, and where its value comes from: fields of ``_facts.FIELDS`` or words."""


def lines(records: Sequence[bytes]) -> bytes:
    """One record a line."""
    return b"".join(record + b"\n" for record in records)


@functools.cache
def formats() -> Mapping[str, Format]:
    """Every format by its name, in order."""
    found = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        if not module.name.startswith("_"):
            one: Format = importlib.import_module(f"{__name__}.{module.name}").FORMAT
            found[one.name] = one
    return found


def format_named(name: str) -> Format:
    """The format of that name. Raises ``Unknown``."""
    known = formats()
    if name not in known:
        raise Unknown(f"{name} is no format: choose from {', '.join(known)}")
    return known[name]
