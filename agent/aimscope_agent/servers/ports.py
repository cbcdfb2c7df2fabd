"""Which ports a network scan tries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from aimscope_signatures.catalogue import Catalogue

WELL_KNOWN: Final = (
    *(80, 443, 3000, 5000, 7860, 8000, 8080, 8443, 8888),  # where people put web servers of any sort
    *(1234, 4000, 5001, 8001, 8081, 8501, 9000, 11434, 30000),
)
"""Ports of AI servers, and of what stands before them, whatever the catalogue says."""
MOST_PORTS: Final = 65_535
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def usual(catalogue: Catalogue) -> tuple[int, ...]:
    """The default ports of every service that has some, and the well-known ones."""
    return tuple(sorted({*WELL_KNOWN, *(port for entry in catalogue for port in entry.ports)}))


def read(words: Iterable[str]) -> tuple[int, ...]:
    """Ports as people write them: ``8000``, ``8000-8010``, ``80,443``. Raises ``ValueError`` for anything else."""
    found: set[int] = set()
    for word in (part for each in words for part in each.split(",")):
        matched = _RANGE.fullmatch(word.strip())
        first = int(matched[1]) if matched else 0
        last = int(matched[2] or first) if matched else 0
        if not 1 <= first <= last <= MOST_PORTS:
            raise ValueError(f"{word.strip()!r} is no port and no range of ports")
        found.update(range(first, last + 1))
    return tuple(sorted(found))
