"""A name read off the wire: what ``--names`` prints, and what observations are made of."""

from __future__ import annotations

from typing import Literal

import msgspec

NameKind = Literal[
    "dns_qname",  # asked of a resolver, over UDP or TCP
    "dns_cname",  # an alias in the answer to a client's question led to it
    "mdns_qname",
    "llmnr_qname",
    "tls_sni",
    "quic_sni",
    "http_host",
    "http2_authority",
    "http_connect",
    "socks_host",
    "proxy_authority",  # a balancer passes on which name the client asked it for
]


class Seen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One name, complete as it was sent (lower case, no trailing dot). ``ts`` is seconds since 1970 UTC.

    ``client`` and ``server`` are addresses as text, without ports: the one who asked, and the one who was asked.
    """

    kind: NameKind
    name: str
    client: str
    server: str
    ts: float
    ja4: str = ""
    asked: str = ""
    """For ``dns_cname``: the name the client asked for."""
    type: str = ""
    """For DNS: type of record."""
    method: str = ""


class Request(Seen, frozen=True, gc=False):
    """A request whose path and client software are known: for matching only, never printed."""

    path: str = ""
    user_agent: str = ""


class Asked(Seen, frozen=True, gc=False):
    """What a proxy was asked to connect to."""

    port: int = 0


def printable(seen: Seen) -> Seen:
    """What may be shown of it."""
    if type(seen) is Seen:
        return seen
    return Seen(seen.kind, seen.name, seen.client, seen.server, seen.ts, seen.ja4, seen.asked, seen.type, seen.method)
