"""What a client says on a TCP connection, one thing after the other: proxies, tunnels, requests, hellos.

Told by content, on any port. Whatever wraps a connection (PROXY protocol, SOCKS, CONNECT) is followed by a beginning of
its own, and so is each request on a connection that is kept open.
"""

from __future__ import annotations

import re
from typing import Final

from aimscope_agent.protocols import dns, http1, proxy_protocol, socks, tls_hello
from aimscope_agent.protocols.more import MORE, More
from aimscope_agent.protocols.tcp import Stream
from aimscope_agent.traffic.flow import Flow, Listener
from aimscope_agent.traffic.seen import NameKind

_DNS: Final = 53
_LETTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TLS: Final = frozenset({20, 21, 22})
BEGINNINGS: Final = frozenset({4, 5, 13, 10}) | _TLS | _LETTERS
"""First bytes of anything that is understood: what else a segment begins with is left alone at once."""
_HTTP2: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins HTTP/2 with. Its reader is loaded where this is met: that takes long, and is rare."""
LARGEST_BODY: Final = 1 << 30
"""A body longer than this is the last thing on its connection: numbers would be ambiguous."""
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_LINE: Final = 4_096


def begin(flow: Flow, data: bytes, start: int, end: int, listener: Listener) -> int | More | None:
    """Anything a client may begin with."""
    first = data[start]
    if first in _TLS:
        return _hello(flow, data, start, end, listener)
    if first in _LETTERS or first in {10, 13}:
        found = proxy_protocol.header(data, start, end) if first in {80, 13} else None
        if isinstance(found, proxy_protocol.Header):
            flow.client = found.client or flow.client
            if found.authority:
                listener.name(flow, "proxy_authority", found.authority, port=found.server_port)
            return found.end
        if data.startswith(_HTTP2[: end - start], start, end):
            if end - start < len(_HTTP2):
                return MORE
            flow.layer = _http2
            return _http2(flow, data, start, end, listener)
        asked = _request(flow, data, start, end, listener)
        return found if asked is None else asked
    if first in {4, 5}:
        return _socks(flow, data, start, end, listener)
    return None


def dns_messages(flow: Flow, data: bytes, start: int, end: int, listener: Listener) -> int | More | None:
    """Messages of either side, one after the other."""
    found = dns.over_tcp(data, start, end)
    if not isinstance(found, tuple):
        return found
    message, stop = found
    listener.message(flow, message)
    return stop


def due(flow: Flow, ready: bytearray) -> bool:
    """Whether reading again can give more than the last time: bytes that come one by one cost no more than others."""
    size = len(ready)
    if flow.tries > 64 and size < flow.tried + flow.tried // 8:
        return False
    if flow.layer is begin and size > 4:
        if ready[0] == 22:
            return size >= 5 + (ready[3] << 8 | ready[4])
        if ready[0] in _LETTERS:
            return ready.find(b"\n", flow.tried) >= 0 or size > http1.LONGEST_HEAD
    return True


def began(data: bytes, start: int, end: int) -> bool:
    """Whether these bytes surely are the beginning, and no more, of a TLS hello or a request."""
    if data[start : start + 2] == b"\x16\x03":
        return data[start + 5 : start + 6] in {b"", b"\x01"} and tls_hello.in_records(data, start, end) is MORE
    # a method and a space: fewer letters may be anything
    return data.find(b" ", start, end) > start and http1.request(data, start, end) is MORE


def lacking(flow: Flow, stream: Stream) -> bool:
    """Whether a name is likely to be in what was never captured of a connection's first words."""
    if flow.http2 is not None:
        return not flow.named
    if flow.layer is dns_messages:
        return flow.whole and flow.port == _DNS and bool(stream.ready)
    if flow.named or flow.layer is not begin:
        return False
    if stream.ready:
        ready = bytes(stream.ready)
        return began(ready, 0, len(ready))
    # Its opening was seen, its first bytes were not. What servers send is not captured, so who opened it must be known.
    return flow.whole and flow.due == flow.base and flow.key[-4:-2] > flow.key[-2:]


def _hello(flow: Flow, data: bytes, start: int, end: int, listener: Listener) -> int | More | None:
    hello = tls_hello.in_records(data, start, end)
    if not isinstance(hello, tls_hello.ClientHello):
        if hello is None and end - start >= tls_hello.LIMIT and began(data, start, start + tls_hello.LIMIT - 1):
            listener.unfinished(flow)
        return hello
    flow.layer = None
    listener.hello(flow, hello)
    return end


def _request(flow: Flow, data: bytes, start: int, end: int, listener: Listener) -> int | More | None:
    request = http1.request(data, start, end)
    if not isinstance(request, http1.Request):
        if request is None and end - start >= http1.LONGEST_HEAD and began(data, start, start + http1.LONGEST_HEAD - 1):
            listener.unfinished(flow)
        return request
    if request.is_connect:
        listener.name(flow, "http_connect", request.host, "CONNECT", "", request.user_agent)
        return request.end
    listener.name(flow, "http_host", request.host, request.method, request.path, request.user_agent)
    if request.chunked:
        flow.layer = _chunk
        return request.end
    if request.content_length is None or request.content_length > LARGEST_BODY:
        flow.layer = None
        return request.end
    return request.end + request.content_length


def _chunk(flow: Flow, data: bytes, start: int, end: int, listener: Listener) -> int | More | None:
    """The line before a chunk of a body."""
    del listener
    found = _CHUNK.match(data, start, end)
    if found is None:
        return MORE if end - start < _LONGEST_LINE and b"\n" not in data[start:end] else None
    size = int(found[1], 16)
    if size > LARGEST_BODY:
        return None
    if not size:
        flow.layer = _trailer
        return found.end()
    return found.end() + size + 2


def _trailer(flow: Flow, data: bytes, start: int, end: int, listener: Listener) -> int | More | None:
    """Lines after the last chunk, up to an empty one."""
    del listener
    stop = data.find(b"\n", start, end)
    if stop < 0:
        return MORE if end - start < _LONGEST_LINE else None
    if stop - start <= 1:
        flow.layer = begin
    return stop + 1


def _http2(flow: Flow, data: bytes, start: int, end: int, listener: Listener) -> int | More | None:
    state = flow.http2
    if state is None:
        state = flow.http2 = listener.http2(flow)
        if state is None:
            flow.layer = None
            return end
    for request in state.feed(data[start:end]):
        kind: NameKind = "http_connect" if request.is_connect else "http2_authority"
        listener.name(flow, kind, request.host, request.method, request.path, request.user_agent)
    if state.broken and not flow.named:
        listener.unfinished(flow)
    return None if state.broken else end


def _socks(flow: Flow, data: bytes, start: int, end: int, listener: Listener) -> int | More | None:
    request = socks.opening(data, start, end)
    if not isinstance(request, socks.Request):
        return request
    if not (":" in request.host or request.host.replace(".", "").isdigit()):  # an address is no name
        listener.name(flow, "socks_host", request.host, request.command, port=request.port)
    return request.end
