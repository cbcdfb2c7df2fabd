"""The client side of SOCKS 4 and 5.

Run: `python tests/fuzz/fuzz_socks.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.protocols import socks
    from aimscope_agent.protocols.dns_names import host


def once(data: bytes) -> None:
    socks.greeting(data, 0, len(data))
    for found in (socks.opening(data, 0, len(data)), socks.request(data, 0, len(data))):
        if isinstance(found, socks.Request):
            assert found.end <= len(data)
            assert found.host == host(found.host.encode())


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
