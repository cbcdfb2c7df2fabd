"""Names and flows → observations: the words of the kinds, and what is left out of them."""

from __future__ import annotations

from aimscope_agent.traffic.seen import Asked, Request, Seen
from aimscope_signatures.model import Observation, Value


def observation(
    seen: Seen, source: str = "", bytes_out: int | None = None, bytes_in: int | None = None
) -> Observation | None:
    """What a name says was used; ``None`` for names asked of neighbours (mDNS, LLMNR). ``source`` is the capture.

    Volumes that are not known are left out.
    """
    fields: dict[str, Value]
    match seen.kind:
        case "dns_qname" | "dns_cname":
            kind = "dns.query"
            fields = {"name": seen.name, "asked": seen.asked, "type": seen.type}
        case "tls_sni" | "quic_sni":
            kind = "tls.client_hello"
            transport = "quic" if seen.kind == "quic_sni" else "tcp"
            fields = {"server_name": seen.name, "ja4": seen.ja4, "transport": transport, "server": seen.server}
        case "http_host" | "http2_authority" | "http_connect":
            kind = "http.request"
            fields = {"host": seen.name, "method": seen.method, "server": seen.server}
            if isinstance(seen, Request):
                fields |= {"path": seen.path, "user_agent": seen.user_agent}
        case "socks_host" | "proxy_authority":
            kind = "connection"
            fields = {"host": seen.name}
            if isinstance(seen, Asked) and seen.port:
                fields["port"] = seen.port
        case _:
            return None
    return _made(kind, fields, seen.client, source, seen.ts, bytes_out, bytes_in)


def connection(
    host: str,
    client: str,
    server: str,
    port: int,
    at: float,
    source: str = "",
    bytes_out: int | None = None,
    bytes_in: int | None = None,
) -> Observation:
    """A connection that names nobody, to an address that the client's own DNS answer gave for ``host``."""
    fields: dict[str, Value] = {"host": host, "ip": server, "port": port}
    return _made("connection", fields, client, source, at, bytes_out, bytes_in)


def _made(
    kind: str,
    fields: dict[str, Value],
    client: str,
    source: str,
    at: float,
    bytes_out: int | None,
    bytes_in: int | None,
) -> Observation:
    kept = {name: value for name, value in fields.items() if value != ""}
    if client:
        kept["client"] = client
    if bytes_out is not None:
        kept["bytes_out"] = bytes_out
    if bytes_in is not None:
        kept["bytes_in"] = bytes_in
    return Observation(kind, kept, source=source, at=int(at), asset=client)
