"""DNS over UDP and TCP: any bytes give a message, a request for more, or nothing.

Run: `python tests/fuzz/fuzz_dns.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.protocols import dns
    from aimscope_agent.protocols.dns_names import host_name


ANSWER = bytes.fromhex("1234818000010004000000010361706907 6578616d706c6500 00010001".replace(" ", ""))
"""Header and question of an answer with four records and an additional one."""


def once(data: bytes) -> None:
    if data and data[0] & 1:
        data = ANSWER + data[1:]
    for found in (dns.message(data, 0, len(data)), dns.message(data, 2, len(data))):
        if found is not None:
            names = {q.name for q in found.questions} | {a.name for a in found.answers} | set(dns.alias_chain(found))
            assert all(name == host_name(name) for name in names)
            assert len(found.answers) <= 256
    at = 0
    while isinstance(read := dns.over_tcp(data, at, len(data)), tuple):
        assert at < read[1] <= len(data)
        at = read[1]


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
