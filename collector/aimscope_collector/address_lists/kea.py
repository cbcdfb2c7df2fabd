"""``kea-leases4.csv`` and ``kea-leases6.csv`` of Kea's memfile backend: a journal, of which the last line counts.

``expire`` is when the lease ends, ``valid_lifetime`` how long it is from its beginning; 0 is one that was given back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_collector.address_lists import LATEST, Bad, Entry
from aimscope_collector.address_lists._tables import heading, rows

NAME: Final = "kea"
SOURCE: Final = "dhcp"
_COLUMNS: Final = {
    "address": ("address",),
    "lasts": ("validlifetime",),
    "ends": ("expire",),
    "name": ("hostname",),
    "state": ("state",),
    "type": ("leasetype",),
}
_ESCAPED: Final = re.compile(r"&#x([0-9A-Fa-f]{2})")
"""How a comma in a name is written."""
_ENDLESS: Final = 0xFFFFFFFF
_HELD: Final = frozenset({"", "0", "2"})
"""In use, or taken back after its end."""
_ADDRESS: Final = frozenset({"", "0", "1"})
"""IA_NA and IA_TA; 2 is a delegated prefix."""


def is_mine(text: str) -> bool:
    """Whether it has Kea's columns."""
    return {"address", "validlifetime", "expire", "hostname"} <= set(heading(text))


def read(text: str) -> Iterator[Entry | Bad]:
    """The lease of each address and beginning, as it was written last."""
    kept: dict[tuple[str, int], Entry] = {}
    for line, cells in rows(text, _COLUMNS):
        if "error" in cells:
            yield Bad(line, f"this is not CSV: {cells['error']}")
            return
        try:
            lasts, ends = _number(cells.get("lasts", "")), _number(cells.get("ends", ""))
        except ValueError:
            yield Bad(line, "a number cannot be read")
            continue
        address = cells.get("address", "")
        if not lasts or cells.get("state", "") not in _HELD or cells.get("type", "") not in _ADDRESS:
            continue
        begins = max(0, ends - lasts) if lasts != _ENDLESS else None
        name = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), cells.get("name", ""))
        entry = Entry(line, name, address, begins, ends if lasts != _ENDLESS else LATEST)
        kept[address, begins or 0] = entry
    yield from kept.values()


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise ValueError(text)
    return int(text)
