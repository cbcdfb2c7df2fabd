"""Heads of HTTP/1 requests, one after the other.

Run: `python tests/fuzz/fuzz_http1.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.protocols import http1
    from aimscope_agent.protocols.dns_names import host


BEFORE = (
    b"",
    b"GET ",
    b"CONNECT ",
    b"POST http://",
    b"PUT / HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\nHost: ",
    b"GET / HTTP/1.1\r\nUser-Agent: ",
    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: ",
)
AFTER = (b"", b"\r\n\r\n", b" HTTP/1.1\r\n\r\n", b" HTTP/1.1\r\nHost: example.com\r\n\r\n")


def once(data: bytes) -> None:
    if data:
        data = BEFORE[data[0] % len(BEFORE)] + data[1:] + AFTER[data[0] // len(BEFORE) % len(AFTER)]
    at = 0
    while isinstance(found := http1.request(data, at, len(data)), http1.Request):
        assert at < found.end <= len(data)
        assert len(found.path) <= 2_048
        assert len(found.user_agent) <= 512
        assert found.host == host(found.host.encode())
        at = found.end


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
