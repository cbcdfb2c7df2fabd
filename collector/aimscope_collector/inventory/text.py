"""Bytes to text, whatever wrote them."""

from __future__ import annotations

import codecs
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(data: bytes) -> str:
    """By byte order mark, else UTF-16 if every second byte of the beginning is NUL, else UTF-8, else Windows-1252.

    Never raises: what fits nothing becomes U+FFFD.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    beginning = data[:64]
    if len(beginning) >= 4:
        if not any(beginning[1::2]) and all(beginning[0::2]):
            return data.decode("utf-16-le", "replace")
        if not any(beginning[0::2]) and all(beginning[1::2]):
            return data.decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
