"""SOCKS 4, 4a and 5: where a client asks a proxy to connect. Reads the client's bytes; never keeps a user or password.

A version 5 client sends a greeting, then (if the server wants it) user and password, then the request. ``opening``
reads all of that from the beginning of the stream; ``greeting`` and ``request`` are its parts.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from aimscope_agent.protocols.dns_names import address, host
from aimscope_agent.protocols.more import MORE, More

Command = Literal["connect", "bind", "udp"]
_COMMANDS: Final[dict[int, Command]] = {1: "connect", 2: "bind", 3: "udp"}
_PASSWORD: Final = 2
_WIDTHS: Final = {1: 4, 4: 16}
_NAMED: Final = 3
_LONGEST_USER: Final = 255


class Greeting(msgspec.Struct, frozen=True):
    """A version 5 client offers ways to authenticate."""

    methods: frozenset[int]
    end: int


class Request(msgspec.Struct, frozen=True):
    """Where to. ``host`` is a name or an address; empty if it is neither."""

    version: Literal[4, 5]
    command: Command
    host: str
    port: int
    end: int
    """Where the bytes meant for the server begin."""


def opening(data: bytes, start: int, end: int) -> Request | More | None:
    """The request of a client's stream, from the stream's first byte."""
    if start < end and data[start] == 4:
        return request(data, start, end)
    hello = greeting(data, start, end)
    if not isinstance(hello, Greeting):
        return hello
    if hello.end < end and data[hello.end] == 1 and _PASSWORD not in hello.methods:
        return None
    return request(data, hello.end, end)


def greeting(data: bytes, start: int, end: int) -> Greeting | More | None:
    """What a version 5 client sends first: 5, a count, that many different methods."""
    if end - start < 2:
        return MORE if end <= start or data[start] == 5 else None
    count = data[start + 1]
    if data[start] != 5 or not count:
        return None
    stop = start + 2 + count
    methods = data[start + 2 : min(stop, end)]
    if 0xFF in methods or len(set(methods)) != len(methods):
        return None
    return Greeting(frozenset(methods), stop) if stop <= end else MORE


def request(data: bytes, start: int, end: int) -> Request | More | None:
    """A version 4 request, or what a version 5 client sends after its greeting: user and password are skipped."""
    if start >= end:
        return MORE
    if data[start] == 4:
        return _version_4(data, start, end)
    if data[start] == 1:
        after = _after_password(data, start, end)
        if not isinstance(after, int):
            return after
        start = after
    return _version_5(data, start, end)


def _after_password(data: bytes, start: int, end: int) -> int | More | None:
    """1, user, password, each with its length."""
    at = start + 1
    for least in (1, 0):
        if at >= end:
            return MORE
        if data[at] < least:
            return None
        at += 1 + data[at]
    return at if at <= end else MORE


def _version_5(data: bytes, start: int, end: int) -> Request | More | None:
    """5, command, 0, kind of address, address, port."""
    head = data[start : min(start + 5, end)]
    if (head[:1] not in {b"", b"\5"}) or head[2:3] not in {b"", b"\0"}:
        return None
    if len(head) > 1 and head[1] not in _COMMANDS:
        return None
    if len(head) > 3 and head[3] != _NAMED and head[3] not in _WIDTHS:
        return None
    if len(head) < 5:
        return MORE
    named = head[3] == _NAMED
    at = start + 5 if named else start + 4
    stop = at + (head[4] if named else _WIDTHS[head[3]])
    if stop == at:
        return None
    if stop + 2 > end:
        return MORE
    where = host(data[at:stop]) if named else address(data[at:stop])
    return Request(5, _COMMANDS[head[1]], where, data[stop] << 8 | data[stop + 1], stop + 2)


def _version_4(data: bytes, start: int, end: int) -> Request | More | None:
    """4, command, port, IPv4 address, user, 0; version 4a: the address is 0.0.0.x and a name follows, 0."""
    if end - start > 1 and data[start + 1] not in {1, 2}:
        return None
    if end - start < 8:
        return MORE
    port, raw = data[start + 2] << 8 | data[start + 3], data[start + 4 : start + 8]
    named = raw[:3] == b"\0\0\0" and raw[3] != 0
    if (port == 0 and data[start + 1] == 1) or (raw[0] == 0 and not named) or raw[0] >= 0xF0:
        return None
    stop = _after_text(data, start + 8, end)
    if not isinstance(stop, int):
        return stop
    where = address(raw)
    if named:
        at, stop = stop, _after_text(data, stop, end)
        if not isinstance(stop, int):
            return stop
        if stop - at < 2:
            return None
        where = host(data[at : stop - 1])
    return Request(4, _COMMANDS[data[start + 1]], where, port, stop)


def _after_text(data: bytes, at: int, end: int) -> int | More | None:
    """Where a text that ends with 0 ends, if it is text of an acceptable length."""
    stop = data.find(0, at, min(end, at + _LONGEST_USER + 1))
    text = data[at : stop if stop >= 0 else min(end, at + _LONGEST_USER + 1)]
    if any(byte < 0x20 or byte == 0x7F for byte in text) or len(text) > _LONGEST_USER:
        return None
    return stop + 1 if stop >= 0 else MORE
