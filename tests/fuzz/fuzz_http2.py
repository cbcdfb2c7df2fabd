"""HTTP/2 with the preface in front, whole and in pieces: the same requests.

Run: `python tests/fuzz/fuzz_http2.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.protocols import http2


def once(data: bytes) -> None:
    data = http2.PREFACE + b"\0\0\0\4\0\0\0\0\0" + data
    whole, pieces = http2.Stream(), http2.Stream()
    found = whole.feed(data)
    step = data[-1] % 40 + 1
    assert found == [request for at in range(0, len(data), step) for request in pieces.feed(data[at : at + step])]
    assert whole.broken == pieces.broken
    http2.authority(data, 0, len(data))


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
