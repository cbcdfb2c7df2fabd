"""Zone files, lists of names, and targets of a network scan: read, or refused with a reason.

Run: `python tests/fuzz/fuzz_zone.py -max_total_time=600 [CORPUS]`, needs atheris and dnspython.
"""

from __future__ import annotations

import ipaddress
import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.servers import names, targets
    from aimscope_signatures.normalise import hostname

BEFORE = (
    "",
    "$ORIGIN corp.example.\n$TTL 1h\n",
    "@ IN SOA ns1 hostmaster 1 3600 600 86400 300\n",
    "a CNAME b\nb CNAME c.example.\n",
    "chat IN CNAME ",
    "web HTTPS ",
    "notes TXT ",
)


def once(data: bytes) -> None:
    if not data:
        return
    text = BEFORE[data[0] % len(BEFORE)] + data[1:].decode("utf-8", "replace")
    names.is_zone(text)
    for origin in ("", "corp.example"):
        try:
            zone = names.zone(text, origin)
        except names.ZoneError:
            continue
        for name in zone.names:
            assert name == hostname(name)
            chain = zone.chain(name)
            assert len(chain.targets) <= names.MOST_HOPS
            assert all(target == hostname(target) for target in chain.targets)
    of_lists(names.listed(text))
    of_targets(targets.words_of(text))


def of_lists(words: tuple[str, ...]) -> None:
    hosts, addresses, neither = names.sorted_out(words)
    assert len(hosts) + len(addresses) + len(neither) <= len(words)
    assert all(host == hostname(host) for host in hosts)
    assert all(ipaddress.ip_address(address) for address in addresses)


def of_targets(words: tuple[str, ...]) -> None:
    try:
        wanted = targets.read(words)
    except targets.TargetError:
        return
    assert all(name == hostname(name) for name in wanted.names)
    assert targets.merged(wanted.spans) == wanted.spans
    try:
        asked = targets.permitted(wanted.spans)
    except targets.TargetError:
        return
    assert 0 < len(asked) <= targets.MOST_ADDRESSES
    for number in (0, len(asked) - 1):
        assert not ipaddress.ip_address(asked[number]).is_multicast
    assert not targets.without(asked.spans, targets.PRIVATE)
    assert asked.described()


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
