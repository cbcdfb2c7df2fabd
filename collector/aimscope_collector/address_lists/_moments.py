"""Moments as lists of addresses write them."""

from __future__ import annotations

import datetime
from typing import Final

_LEAST: Final = 100_000_000
"""Fewer seconds than this are no moment since 1970: in 1973 nobody leased addresses."""


def moment(text: str) -> int | None:
    """Seconds since 1970, or ISO 8601 (UTC where no zone is written). Raises ``ValueError`` for anything else."""
    text = text.strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 16:
        number = int(text)
        if number < _LEAST:
            raise ValueError(text)
        return number
    found = datetime.datetime.fromisoformat(text.replace("/", "-"))
    return int((found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp())
