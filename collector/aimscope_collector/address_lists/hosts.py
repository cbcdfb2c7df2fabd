"""Names of addresses as ``/etc/hosts`` writes them (hosts(5)): ``address name other-name``, from the import on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aimscope_collector.address_lists import Bad, Entry

NAME: Final = "hosts"
SOURCE: Final = "reverse"
_LINE: Final = re.compile(r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*(?:%\w+)?[ \t]+[A-Za-z0-9_]\S*(?:[ \t].*)?$")
_MOST: Final = 16


def is_mine(text: str) -> bool:
    """Whether its first line that says something begins with an address, and is no table."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    first = next((line for line in lines if line), "")
    return _LINE.match(first) is not None and "," not in first


def read(text: str) -> Iterator[Entry | Bad]:
    """One entry for a line: its first name is the device's."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split(maxsplit=_MOST)
        if not words:
            continue
        if len(words) < 2:
            yield Bad(number, "an address without a name")
        elif words[1].casefold() not in ("localhost", "broadcasthost") and not words[1].startswith("ip6-"):
            yield Entry(number, words[1], words[0])
