"""The head of an HTTP/1 request: host, path and software of the client. Reads no body, no query, no other header."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from aimscope_agent.protocols.dns_names import authority
from aimscope_agent.protocols.more import MORE, More

LONGEST_HEAD: Final = 32_768
LONGEST_PATH: Final = 2_048
LONGEST_AGENT: Final = 512
_METHODS: Final = (
    b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PURGE QUERY "
    b"PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH REPORT ACL BIND UNBIND REBIND LABEL MERGE UPDATE "
    b"CHECKIN CHECKOUT UNCHECKOUT VERSION-CONTROL BASELINE-CONTROL MKACTIVITY MKCALENDAR MKWORKSPACE "
    b"MKREDIRECTREF UPDATEREDIRECTREF ORDERPATCH LINK UNLINK"
).split()
_STARTS: Final = frozenset(method + b" " for method in _METHODS)
_PARTS_OF_STARTS: Final = frozenset(method[:size] for method in _METHODS for size in range(1, len(method) + 1))
_LONGEST_START: Final = max(map(len, _STARTS))
_BLANK = re.compile(rb"(?:\r?\n){0,2}")
"""Some clients send an empty line after a body, which belongs to nothing."""
_TARGET = rb"(/[!-~\x80-\xff]*+|\*|[A-Za-z0-9_\[][!-~\x80-\xff]*+)"
_LINE = re.compile(_TARGET + rb" HTTP/1\.[01]\r?\n")
_PART_OF_LINE = re.compile(rb"(?:" + _TARGET + rb"(?: [HTP/1.0]{0,8}\r?)?)?")
_END = re.compile(rb"\n\r?\n")
_HEADERS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\r\n\0]*+\r?\n)*+\r?\n")
_READ = re.compile(
    rb"^(host|user-agent|upgrade|content-length|transfer-encoding):([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)([^?#]*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_DIGITS: Final = 18


class Request(msgspec.Struct, frozen=True):
    """A request's head. Its body is ``content_length`` bytes after ``end``, or in chunks."""

    method: str
    host: str
    """Whom the client wants, be it the server or a proxy's target: name or address, lower case. Empty if malformed,
    missing, or given twice and differently."""
    port: int
    """0 where the client names none."""
    path: str
    """Without query, cut to 2,048 characters; ``*`` for the server as a whole, empty for CONNECT."""
    user_agent: str
    is_connect: bool
    upgrade: Literal["", "h2c", "websocket"]
    end: int
    content_length: int | None
    """None where it is in chunks, or where servers would disagree."""
    chunked: bool


def request(data: bytes, start: int, end: int) -> Request | More | None:
    """The request at ``start``; none for anything else, responses too."""
    at = _BLANK.match(data, start, end).end()  # type: ignore[union-attr]
    space = data.find(b" ", at, min(end, at + _LONGEST_START))
    if space < 0:
        begins = at == end or data[at:end] in _PARTS_OF_STARTS or data[at:end] == b"\r" != data[start:at]
        return MORE if begins else None
    if data[at : space + 1] not in _STARTS:
        return None
    limit = min(end, start + LONGEST_HEAD)
    line = _LINE.match(data, space + 1, limit)
    if line is None:
        return MORE if limit == end and _PART_OF_LINE.fullmatch(data, space + 1, end) else None
    last = _END.search(data, line.end() - 1, limit)
    if last is None:
        return MORE if end < start + LONGEST_HEAD else None
    if not _HEADERS.fullmatch(data, line.end(), last.end()):
        return None
    return _request(data[at:space], line[1], _READ.findall(data, line.end(), last.end()), last.end())


def path_of(target: bytes) -> str:
    """A path without query and fragment, cut to what matching needs; empty if it is no path."""
    if target[:1] not in {b"/", b"*"}:
        return ""
    text = target[: LONGEST_PATH * 4].split(b"?", 1)[0].split(b"#", 1)[0]
    return text.decode("utf-8", "replace")[:LONGEST_PATH]


def user_agent_of(text: bytes) -> str:
    """A client's name for itself, cut to what matching needs; empty if it carries control characters."""
    agent = text[: LONGEST_AGENT * 4].decode("utf-8", "replace")[:LONGEST_AGENT]
    return "" if _CONTROL.search(agent) else agent


def _request(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], end: int) -> Request | None:
    values: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).append(value.strip(b" \t"))
    hosts = {authority(value) for value in values.get(b"host", ())}
    host, port = hosts.pop() if len(hosts) == 1 else ("", 0)
    is_connect, path = method == b"CONNECT", b""
    if is_connect:
        if target[:1] in {b"/", b"*"}:
            return None
        host, port = ("", 0) if hosts else authority(target)
    elif target[:1] in {b"/", b"*"}:
        path = target
    else:
        absolute = _ABSOLUTE.fullmatch(target.split(b"?", 1)[0].split(b"#", 1)[0])
        if absolute is None:
            return None
        path = absolute[2] or b"/"
        host, port = ("", 0) if hosts else _without_user(absolute[1])
    length, chunked = _body(values)
    return Request(
        method.decode("ascii"),
        host,
        port,
        path_of(path),
        user_agent_of(values.get(b"user-agent", [b""])[0]),
        is_connect,
        _upgrade(values.get(b"upgrade", [])),
        end,
        length,
        chunked,
    )


def _without_user(text: bytes) -> tuple[str, int]:
    """Authority of an address without user and password, which are never kept."""
    user, _, where = text.rpartition(b"@")
    return ("", 0) if b"@" in user or b"\\" in user else authority(where)


def _upgrade(values: list[bytes]) -> Literal["", "h2c", "websocket"]:
    offers = {offer.strip(b" \t") for value in values for offer in value.lower().split(b",")}
    return "h2c" if b"h2c" in offers else "websocket" if b"websocket" in offers else ""


def _body(values: dict[bytes, list[bytes]]) -> tuple[int | None, bool]:
    """Length of the body where everybody agrees on it, and whether it comes in chunks."""
    lengths, codings = set(values.get(b"content-length", ())), values.get(b"transfer-encoding")
    if codings is not None:
        return None, codings[-1].lower().split(b",")[-1].strip(b" \t") == b"chunked"
    if not lengths:
        return 0, False
    text = lengths.pop()
    return (int(text) if text.isdigit() and not lengths and len(text) <= _MOST_DIGITS else None), False
