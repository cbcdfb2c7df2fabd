"""QUIC: any datagrams, and any frames in properly sealed packets, in bounded memory and without an exception.

Run: `python tests/fuzz/fuzz_quic_initial.py -max_total_time=600 [CORPUS]`, needs atheris and cryptography.
"""

from __future__ import annotations

import re
import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.protocols import quic_crypto, quic_initial, tls_hello

NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|")
ORIGIN = bytes(range(8))
VERSIONS = sorted(quic_crypto.SALTS)


def sealed(payload: bytes, version: int) -> bytes:
    """A client's Initial packet."""
    keys = quic_crypto.client_keys(version, ORIGIN)
    assert keys is not None
    form = 0xD1 if version == quic_crypto.V2 else 0xC1
    payload = payload.ljust(4, b"\0")
    size = (len(payload) + 18) | 0x4000
    header = bytes([form]) + version.to_bytes(4, "big") + b"\x08" + ORIGIN + b"\0\0" + size.to_bytes(2, "big")
    body = keys.seal.encrypt((keys.iv ^ 7).to_bytes(12, "big"), payload, header + b"\0\x07")
    mask = keys.header.update(body[2:18])
    return bytes([form ^ mask[0] & 15]) + header[1:] + bytes([mask[1], 7 ^ mask[2]]) + body


def once(data: bytes) -> None:
    crypto = quic_initial.Crypto()
    version = VERSIONS[data[0] % len(VERSIONS)] if data else 1
    for part in data[1:].split(b"\xfe\xff", 8):
        for datagram in (part, sealed(part[:8_000], version)):
            quic_initial.version(datagram, 0, len(datagram))
            found = quic_initial.initials(datagram, 0, len(datagram), crypto.origin)
            assert found is None or sum(len(piece) for one in found for _, piece in one.pieces) <= len(datagram)
            hello = crypto.add(datagram, 0, len(datagram))
            assert crypto.held <= tls_hello.LIMIT
            if isinstance(hello, tls_hello.ClientHello):
                assert NAME.fullmatch(hello.server_name)


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
