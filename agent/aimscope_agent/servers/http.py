"""HTTP/1.1 as a probe speaks it: requests to send, and when enough of an answer has arrived. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from aimscope_agent.host.facts import Answer
from aimscope_signatures.version import __version__

USER_AGENT: Final = f"aimscope/{__version__} (network scan)"
MOST_BODY: Final = 65_536
MOST_HEADER: Final = 32_768
TLS_FIRST: Final = frozenset({443, 4443, 8443, 9443, 10443})
"""Ports where a TLS handshake is tried before a plain request."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
_STREAM = re.compile(rb"\r\ncontent-type:[ \t]*text/event-stream", re.IGNORECASE)
_NO_BODY = re.compile(rb"HTTP/1\.[01] (?:204|304)")
_EVENT_ENDS = re.compile(rb"\r?\n\r?\n")
_SAFE_PATH = re.compile(r"/[!-~]{0,1023}")
_WANTS_TLS = (
    "plain http request was sent to https",
    "http request to an https server",
    "speaking plain http to an ssl",
)
_ALERT = 0x15
_HANDSHAKE = 0x16


def request(
    method: str,
    path: str,
    host: str,
    *,
    accept: str = "*/*",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    """One request. ``ValueError`` for anything that would not stay within its line."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        f"Accept: {accept}",
        "Accept-Encoding: identity",
        f"User-Agent: {USER_AGENT}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
        *((f"Content-Length: {len(body)}",) if body else ()),
        "Connection: close",
    ]
    if not _SAFE_PATH.fullmatch(path) or not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError(f"no request of this can be made: {path!r}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def host_header(host: str, port: int, *, tls: bool) -> str:
    """``Host`` for a name or an address."""
    name = f"[{host}]" if ":" in host else host
    return name if port == (443 if tls else 80) else f"{name}:{port}"


class Incoming:
    """What arrives of one answer: collects until it is whole, foreign or too much."""

    def __init__(self, most: int = MOST_BODY) -> None:
        self.data = bytearray()
        self._most = most
        self._head = -1
        self._need: int | None = None
        self._chunked = False
        self.stream = False
        """An event stream, which has no end of its own."""

    def feed(self, piece: bytes) -> bool:
        """Take what came; whether nothing more is needed."""
        self.data += piece
        if self._head < 0:
            if not b"HTTP/1.".startswith(self.data[:7]):
                return True
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return len(self.data) > MOST_HEADER
            self._begin(end + 4)
        body = len(self.data) - self._head
        if body >= (self._most if self._need is None else min(self._need, self._most)):
            return True
        if self._chunked and self.data.endswith(b"0\r\n\r\n"):
            return True
        return self.stream and _EVENT_ENDS.search(self.data, self._head) is not None

    def _begin(self, head: int) -> None:
        self._head = head
        header = bytes(self.data[:head])
        self._chunked = _CHUNKED.search(header) is not None
        self.stream = _STREAM.search(header) is not None
        length = _LENGTH.search(header)
        if _NO_BODY.match(header):
            self._need = 0
        elif length and not self._chunked:
            self._need = int(length[1])


def speaks_tls(received: bytes) -> bool:
    """Whether the first bytes of a reply to a plain request are TLS: an alert, or the start of a handshake."""
    return len(received) >= 3 and received[0] in {_ALERT, _HANDSHAKE} and received[1] == 3 and received[2] <= 4


def wants_tls(answer: Answer) -> bool:
    """Whether a server says in plain text that it would rather be asked over TLS."""
    if answer.status not in {400, 426, 497}:
        return False
    body = answer.body[:4_096].lower()
    return any(words in body for words in _WANTS_TLS)


def wants_credentials(answer: Answer) -> bool:
    """Whether the server would tell more to somebody it knows."""
    return answer.status in {401, 407} or (answer.status == 403 and "www-authenticate" in answer.headers)


def redirected(answer: Answer, hosts: frozenset[str], port: int, *, tls: bool) -> str:
    """The path on the same server that an answer sends its reader to; empty if it is none or leads elsewhere."""
    if answer.status not in {301, 302, 303, 307, 308}:
        return ""
    location = answer.headers.get("location", "").strip()
    try:
        parts = urlsplit(location)
        same = not parts.netloc or (
            (parts.hostname or "") in hosts
            and (parts.scheme or ("https" if tls else "http")) == ("https" if tls else "http")
            and (parts.port or (443 if tls else 80)) == port
        )
    except ValueError:
        return ""
    path = parts.path if parts.path.startswith("/") else "/" + parts.path.removeprefix("./")
    return path if location and same and _SAFE_PATH.fullmatch(path) and not path.startswith("//") else ""
