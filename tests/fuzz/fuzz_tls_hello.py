"""TLS: any bytes give a hello, a request for more, or nothing; cutting a hello never changes its name.

Run: `python tests/fuzz/fuzz_tls_hello.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import re
import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.protocols import tls_hello
    from aimscope_agent.protocols.ja4 import ja4
    from aimscope_agent.protocols.more import MORE

START = bytes.fromhex("010000f80303") + bytes(32) + bytes.fromhex("0000021301010000ce")
"""A hello up to its extensions, which are the input."""
NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|")
JA4 = re.compile(r"[tqd](1[0-3]|s[23]|d[1-3]|00)[di]\d{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}")


def once(data: bytes) -> None:
    if data and data[0] & 1:
        fields = data[1:]
        body = START[4:-2] + len(fields).to_bytes(2, "big") + fields
        message = b"\x01" + len(body).to_bytes(3, "big") + body
        data = b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message
    hellos = [tls_hello.in_records(data, 0, len(data)), tls_hello.handshake(data, 5, len(data))]
    hellos.append(tls_hello.from_body(data[9:]))
    for hello in hellos:
        if isinstance(hello, tls_hello.ClientHello):
            assert NAME.fullmatch(hello.server_name)
            assert not (hello.server_name and hello.name_flaw)
            assert JA4.fullmatch(ja4(hello))
    whole = hellos[0]
    for end in (len(data) - 1, len(data) // 2):
        cut = tls_hello.in_records(data, 0, end) if end >= 0 else MORE
        if isinstance(cut, tls_hello.ClientHello):
            assert cut == whole  # complete before the cut
        if isinstance(whole, tls_hello.ClientHello):
            assert cut is not None


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
