"""Names and addresses of hosts as protocols carry them: the one place that says what a host name is.

Whatever is no host name becomes the empty string: never a part of a name, never a repaired one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

LONGEST: Final = 253
_NAME = re.compile(rb"(?:[a-z0-9_-]{1,63}+\.)*+[a-z0-9_-]{1,63}+")
_AUTHORITY = re.compile(rb"(?:\[([0-9A-Fa-f:.]{2,45})(?:%[^\]]{1,32})?\]|([^\s:\[\]@/?#]{0,254}))(?::([0-9]{0,5}))?")


def host_name(name: bytes | str) -> str:
    """The name in lower case without its final dot; empty if a label or the whole is too long or of other characters.

    Underscores are allowed, and hyphens anywhere: names that break the older rule (``r--1``, ``-x``) are in use.
    """
    if isinstance(name, str):
        if not name.isascii():
            return ""
        name = name.encode("ascii")
    name = name.lower().removesuffix(b".")
    return name.decode("ascii") if len(name) <= LONGEST and _NAME.fullmatch(name) else ""


@lru_cache(maxsize=16_384)
def address(raw: bytes) -> str:
    """Text of an address of 4 or 16 bytes, compressed; IPv4 within IPv6 is written as IPv4. Empty if of other size."""
    if len(raw) == 4:
        return f"{raw[0]}.{raw[1]}.{raw[2]}.{raw[3]}"  # the class of the library takes five times as long
    if len(raw) != 16:
        return ""
    whole = IPv6Address(raw)
    return str(whole.ipv4_mapped or whole)


def literal(text: bytes) -> str:
    """An address written as text, in the form of ``address``; empty if it is none."""
    try:
        written = text.decode("ascii")
        return address((IPv6Address(written) if ":" in written else IPv4Address(written)).packed)
    except ValueError:
        return ""


def host(text: bytes) -> str:
    """A name, or an address (IPv6 without brackets); else empty."""
    return literal(text) if b":" in text else host_name(text)


def authority(text: bytes) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port`` or ``[v6]:port``; 0 where no port is given, host empty if malformed."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return "", 0
    inside, name, digits = found.groups()
    port = int(digits or b"0")
    if port > 65_535:
        return "", 0
    return (host(inside) if inside is not None else host_name(name)), port
