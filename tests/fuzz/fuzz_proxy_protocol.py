"""PROXY protocol, both versions.

Run: `python tests/fuzz/fuzz_proxy_protocol.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.protocols import proxy_protocol
    from aimscope_agent.protocols.dns_names import host_name, literal


def once(data: bytes) -> None:
    for start in (0, 1):
        for bytes_ in (data, b"PROXY TCP" + data, b"\r\n\r\n\0\r\nQUIT\n" + data):
            found = proxy_protocol.header(bytes_, start, len(bytes_))
            if isinstance(found, proxy_protocol.Header):
                assert found.end <= len(bytes_)
                assert found.authority == host_name(found.authority)
                assert found.client == literal(found.client.encode())
                assert found.server == literal(found.server.encode())


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
