"""JA4, the fingerprint of a TLS client, after FoxIO's published description (JA4 itself; none of the JA4+ family)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from aimscope_agent.protocols.tls_hello import SERVER_NAME, ClientHello, grease

_ALPN: Final = 16
_VERSIONS: Final = {
    0x0304: "13",
    0x0303: "12",
    0x0302: "11",
    0x0301: "10",
    0x0300: "s3",
    0x0002: "s2",
}
_NOTHING: Final = "000000000000"


def ja4(hello: ClientHello, *, quic: bool = False) -> str:
    """Fingerprint of ``hello``, which came over QUIC or else TLS over TCP."""
    transport = "q" if quic else "t"
    number, ciphers = _ciphers(hello.ciphers)
    # Browsers shuffle their extensions: sorted, they are few again.
    name, count, last = _extensions(tuple(sorted(hello.extensions)), hello.signature_algorithms)
    return f"{transport}{_VERSIONS.get(hello.version, '00')}{name}{number}{count}{_ends(hello.alpn)}_{ciphers}_{last}"


@lru_cache(maxsize=1_024)
def _ciphers(offered: tuple[int, ...]) -> tuple[str, str]:
    """How many, and the digest of the sorted list."""
    ciphers = _meant(offered)
    return _count(ciphers), _digest(_hex(sorted(ciphers)))


@lru_cache(maxsize=4_096)
def _extensions(kinds: tuple[int, ...], signature_algorithms: tuple[int, ...]) -> tuple[str, str, str]:
    """Whether a name is among them, how many, and the digest of the sorted list and the algorithms."""
    extensions = _meant(kinds)
    told_apart = _hex(sorted(value for value in extensions if value not in {SERVER_NAME, _ALPN}))
    algorithms = _hex(_meant(signature_algorithms))
    last = f"{told_apart}_{algorithms}" if told_apart and algorithms else told_apart
    return "d" if SERVER_NAME in extensions else "i", _count(extensions), _digest(last)


def _count(values: list[int]) -> str:
    return f"{min(len(values), 99):02}"


def _meant(values: Iterable[int]) -> list[int]:
    return [value for value in values if not grease(value)]


def _hex(values: Iterable[int]) -> str:
    return ",".join(f"{value:04x}" for value in values)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else _NOTHING


@lru_cache(maxsize=1_024)
def _ends(protocols: tuple[str, ...]) -> str:
    """First and last character of the first protocol; of its hexadecimal form, unless both are letters or digits."""
    first = protocols[0] if protocols else ""
    if not first:
        return "00"
    ends = first[0] + first[-1]
    if ends.isascii() and ends.isalnum():
        return ends
    digits = first.encode("latin-1").hex()
    return digits[0] + digits[-1]
