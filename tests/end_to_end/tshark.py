"""tshark, the oracle: the names in a capture as it sees them, in our words; and ours, to compare."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.end_to_end.client_servers import H2C

_OPTIONS = (
    *("-o", "tcp.reassemble_out_of_order:TRUE", "-o", "tcp.desegment_tcp_streams:TRUE"),
    *("-d", f"tcp.port=={H2C},http2"),  # it needs to be told; ours reads the preface
)
_ENDS = ("ip.src", "ipv6.src", "ip.dst", "ipv6.dst")
_FIELDS = (
    *("frame.protocols", *_ENDS, "tcp.stream", "udp.stream"),
    *("dns.flags.response", "dns.qry.name", "dns.cname"),
    *("tls.handshake.type", "tls.handshake.extensions_server_name"),
    *("http.host", "http.request.method", "http2.headers.authority"),
    *("socks.remote_name", "socks.v4a_dns_name"),
)
_HELLO = (
    *("tls.handshake.extensions_server_name", "tls.handshake.version", "tls.handshake.ciphersuite"),
    *("tls.handshake.extension.type", "tls.handshake.sig_hash_alg", "tls.handshake.extensions_alpn_str"),
    *("tls.handshake.extensions.supported_version", "frame.protocols"),
)


class Name(NamedTuple):
    """A name, who asked for it, and whom."""

    kind: str
    name: str
    client: str
    server: str


def rows(path: Path, fields: Iterable[str], wanted: str = "") -> Iterator[dict[str, list[str]]]:
    """The values of fields, packet by packet, up to where a file is cut."""
    fields = tuple(fields)
    line = ["tshark", "-n", "-2", "-r", str(path), *_OPTIONS, "-T", "fields", "-E", "aggregator=|"]
    line += [word for field in fields for word in ("-e", field)] + (["-Y", wanted] if wanted else [])
    done = subprocess.run(line, capture_output=True, check=False, timeout=300)
    assert done.returncode in {0, 2}, done.stderr.decode()
    for row in done.stdout.decode("utf-8", "replace").splitlines():
        values = (row + "\t" * len(fields)).split("\t")
        yield {field: [one for one in value.split("|") if one] for field, value in zip(fields, values, strict=False)}


def names(path: Path) -> Counter[Name]:
    """Every name once for each time it was asked for.

    What tshark says again is left out: the second hello after a server's retry, what a proxy was asked, which it
    repeats with every packet, and what a message of ICMP sends back.
    """
    found: Counter[Name] = Counter()
    told: set[tuple[str, ...]] = set()
    for row in rows(path, _FIELDS):
        protocols = set(row["frame.protocols"][0].split(":")) if row["frame.protocols"] else set()
        source = (row["ip.src"] + row["ipv6.src"])[-1:]
        target = (row["ip.dst"] + row["ipv6.dst"])[-1:]
        if not source or not target or protocols & {"icmp", "icmpv6"}:
            continue
        stream = ":".join((*(row["tcp.stream"] or ("udp", *row["udp.stream"])), *source))
        for kind, name in _of(row, protocols):
            once = (stream, kind, name)
            if kind in {"tls_sni", "quic_sni", "socks_host"}:
                if once in told:
                    continue
                told.add(once)
            back = kind == "dns_cname"
            found[Name(kind, name, *(target + source if back else source + target))] += 1
    return found


def _of(row: dict[str, list[str]], protocols: set[str]) -> Iterator[tuple[str, str]]:
    if "0" in row["dns.flags.response"]:
        local = next((one for one in ("mdns", "llmnr") if one in protocols), "dns")
        yield from ((f"{local}_qname", _host(one)) for one in row["dns.qry.name"] if one != "<Root>")
    yield from (("dns_cname", _host(one)) for one in row["dns.cname"])
    if "1" in row["tls.handshake.type"]:
        kind = "quic_sni" if "quic" in protocols else "tls_sni"
        yield from ((kind, _host(one)) for one in row["tls.handshake.extensions_server_name"])
    methods = row["http.request.method"] + ["GET"] * len(row["http.host"])
    for one, method in zip(row["http.host"], methods, strict=False):
        yield ("http_connect" if method == "CONNECT" else "http_host"), _host(one)
    yield from (("http2_authority", _host(one)) for one in row["http2.headers.authority"])
    yield from (("socks_host", _host(one)) for one in row["socks.remote_name"] + row["socks.v4a_dns_name"])


def _host(text: str) -> str:
    """Without port, brackets and final dot."""
    host, colon, port = text.lower().rpartition(":")
    return (host if colon and port.isdigit() else text.lower()).strip("[]").rstrip(".")


def fingerprints(path: Path) -> set[tuple[str, str]]:
    """Names and JA4, computed here from the fields that tshark reads."""
    return {
        (_host(row[_HELLO[0]][0]), _ja4(row))
        for row in rows(path, _HELLO, "tls.handshake.type == 1 && tls.handshake.extensions_server_name")
    }


def _ja4(row: dict[str, list[str]]) -> str:
    def words(field: str) -> list[str]:
        numbers = (int(one, 0) for one in row[field])
        return [f"{one:04x}" for one in numbers if not (one & 0x0F0F == 0x0A0A and one >> 8 == one & 0xFF)]

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    ciphers, extensions = words("tls.handshake.ciphersuite"), words("tls.handshake.extension.type")
    versions = words("tls.handshake.extensions.supported_version") or words("tls.handshake.version")
    version = {"0304": "13", "0303": "12", "0302": "11", "0301": "10"}[max(versions)]
    protocol = (row["tls.handshake.extensions_alpn_str"] or ["00"])[0].split(",")[0]
    transport = "q" if "quic" in row["frame.protocols"][0].split(":") else "t"
    first = f"{transport}{version}d{len(ciphers):02}{len(extensions):02}{protocol[0]}{protocol[-1]}"
    kept = ",".join(sorted(one for one in extensions if one not in {"0000", "0010"}))
    algorithms = ",".join(words("tls.handshake.sig_hash_alg"))
    return f"{first}_{digest(','.join(sorted(ciphers)))}_{digest(f'{kept}_{algorithms}')}"


def sent(path: Path, client: str) -> int:
    """Bytes that a client sent over TCP in all, each once."""
    bytes_of: dict[tuple[str, str], int] = {}
    for row in rows(path, ("tcp.stream", "tcp.seq_raw", "tcp.len"), f"ip.src == {client} && tcp.len > 0"):
        key = (row["tcp.stream"][0], row["tcp.seq_raw"][0])
        bytes_of[key] = max(bytes_of.get(key, 0), int(row["tcp.len"][0]))
    return sum(bytes_of.values())


def told(text: str) -> Counter[Name]:
    """What ``--names`` printed; lines of other things, findings and reports, are left out."""
    found: Counter[Name] = Counter()
    for line in text.splitlines():
        one = json.loads(line)
        if "ts" in one:
            found[Name(one["kind"], one["name"], one["client"], one["server"])] += 1
    return found


def printed(text: str) -> set[tuple[str, str]]:
    """Names and JA4 as printed."""
    return {(one["name"], one["ja4"]) for one in map(json.loads, text.splitlines()) if "ja4" in one}
