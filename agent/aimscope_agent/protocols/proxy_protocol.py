"""PROXY protocol, versions 1 and 2: whose connection a load balancer passes on."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from aimscope_agent.protocols.dns_names import address, host_name, literal
from aimscope_agent.protocols.more import MORE, More

_LINE: Final = b"PROXY "
_LONGEST_LINE: Final = 107
_TEXT = re.compile(
    rb"PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?|"
    rb"(TCP[46]) ([0-9A-Fa-f.:]{2,45}) ([0-9A-Fa-f.:]{2,45}) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))"
)
_MAGIC: Final = b"\r\n\r\n\0\r\nQUIT\n"
_LARGEST: Final = 4_096
"""Addresses and additions (a name, a certificate's subject) of version 2 fit in far less."""
_SIZES: Final = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}
"""Family and transport → size of an address."""
_OTHER_FAMILIES: Final = {0x00: 0, 0x31: 216, 0x32: 216}
"""Unspecified and local sockets → size of what they say, which is no address."""
_AUTHORITY: Final = 0x02


class Header(msgspec.Struct, frozen=True):
    """The ends of the connection as the balancer saw it: empty where it speaks for itself or does not say."""

    client: str
    client_port: int
    server: str
    server_port: int
    end: int
    """Where the connection's own bytes begin."""
    authority: str = ""
    """Name the client asked for (version 2, where the balancer says)."""


def header(data: bytes, start: int, end: int) -> Header | More | None:
    """The header a connection begins with."""
    if data.startswith(_LINE[: end - start], start, end):
        return _line(data, start, end)
    if data.startswith(_MAGIC[: end - start], start, end):
        return _binary(data, start, end)
    return None


def _line(data: bytes, start: int, end: int) -> Header | More | None:
    stop = data.find(b"\r\n", start, min(end, start + _LONGEST_LINE))
    if stop < 0:
        return MORE if end - start < _LONGEST_LINE else None
    found = _TEXT.fullmatch(data, start, stop)
    if found is None:
        return None
    family, *fields = found.groups()
    if family is None:
        return Header("", 0, "", 0, stop + 2)
    client, server = literal(fields[0]), literal(fields[1])
    ports = int(fields[2]), int(fields[3])
    six = family == b"TCP6"
    if not client or not server or max(ports) > 65_535 or any((b":" in text) != six for text in fields[:2]):
        return None
    return Header(client, ports[0], server, ports[1], stop + 2)


def _binary(data: bytes, start: int, end: int) -> Header | More | None:
    if end - start < 16:
        return MORE if end - start <= 12 or data[start + 12] in {0x20, 0x21} else None
    command, family = data[start + 12], data[start + 13]
    size = data[start + 14] << 8 | data[start + 15]
    width = _SIZES.get(family, 0)
    least = width * 2 + 4 if width else _OTHER_FAMILIES.get(family, -1)
    if command not in {0x20, 0x21} or least < 0 or size > _LARGEST:
        return None
    body, stop = start + 16, start + 16 + size
    if command == 0x20:  # the balancer itself, asking whether we live
        return Header("", 0, "", 0, stop) if stop <= end else MORE
    if size < least:
        return None
    if stop > end:
        return MORE
    name = _authority(data, body + least, stop)
    if name is None:
        return None
    if not width:
        return Header("", 0, "", 0, stop, name)
    ports = body + width * 2
    return Header(
        address(data[body : body + width]),
        data[ports] << 8 | data[ports + 1],
        address(data[body + width : ports]),
        data[ports + 2] << 8 | data[ports + 3],
        stop,
        name,
    )


def _authority(data: bytes, at: int, stop: int) -> str | None:
    """The name among the additions (type, length, value); none if they are malformed."""
    name = ""
    while at < stop:
        if at + 3 > stop:
            return None
        kind, after = data[at], at + 3 + (data[at + 1] << 8 | data[at + 2])
        if after > stop:
            return None
        if kind == _AUTHORITY and not name:
            name = host_name(data[at + 3 : after])
        at = after
    return name
