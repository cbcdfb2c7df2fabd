"""``dnsmasq.leases``: ``expiry hardware address name client``, a line each (dnsmasq's lease file).

It does not say when a lease began: it holds from the import on, until it ends. 0 is a lease without end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_collector.address_lists import LATEST, Bad, Entry
from aimscope_collector.address_lists._moments import moment

NAME: Final = "dnsmasq"
SOURCE: Final = "dhcp"
_LINE: Final = re.compile(r"(?m)^\d{1,12} \S+ [0-9A-Fa-f.:]+ \S+ \S+\s*$")


def is_mine(text: str) -> bool:
    """Whether its first line that says something is one of a lease."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("duid ")), "")
    return _LINE.match(first) is not None


def read(text: str) -> Iterator[Entry | Bad]:
    """Leases in force."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0] == "duid":
            continue
        if len(words) < 4:
            yield Bad(number, "a lease has at least four words")
            continue
        try:
            ends = LATEST if words[0] == "0" else moment(words[0])
        except (ValueError, OverflowError):
            yield Bad(number, f"{words[0][:50]!r} is no moment")
            continue
        yield Entry(number, words[3], words[2], None, ends)
