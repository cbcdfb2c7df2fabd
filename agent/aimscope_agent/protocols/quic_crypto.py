"""Keys that protect QUIC Initial packets: everybody can derive them from a number the client sends in clear.

``cryptography`` is loaded when the first packet is opened. Where it is not installed, ``AVAILABLE`` is false and no
packet opens: names in QUIC are then unread, which the caller has to report.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AVAILABLE: Final = find_spec("cryptography") is not None

V1: Final = 0x00000001
V2: Final = 0x6B3343CF
_DRAFT: Final = 0xFF000000

_SALT_23: Final = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
_SALT_29: Final = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
_SALT_V1: Final = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_SALT_V2: Final = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")
SALTS: Final = {
    **{_DRAFT + draft: _SALT_23 for draft in range(23, 29)},
    **{_DRAFT + draft: _SALT_29 for draft in range(29, 33)},
    **{_DRAFT + draft: _SALT_V1 for draft in range(33, 35)},
    V1: _SALT_V1,
    V2: _SALT_V2,
}
"""Of every version whose Initial packets can be opened."""

_SAMPLE: Final = 16


def _label(text: str, size: int) -> bytes:
    """The one block of HKDF-Expand-Label that ``size`` ≤ 32 bytes take."""
    full = b"tls13 " + text.encode()
    return struct.pack(">HB", size, len(full)) + full + b"\0\x01"


_CLIENT_IN: Final = _label("client in", 32)
_LABELS: Final = tuple(_label(f"quic {use}", size) for use, size in (("key", 16), ("iv", 12), ("hp", 16)))
_LABELS_V2: Final = tuple(_label(f"quicv2 {use}", size) for use, size in (("key", 16), ("iv", 12), ("hp", 16)))


class Keys(NamedTuple):
    """Of the packets that one client sends first."""

    seal: AESGCM
    iv: int
    header: CipherContext
    refusal: type[Exception]
    """What ``seal`` raises at anything else."""


@lru_cache(maxsize=1024)
def client_keys(version: int, origin: bytes) -> Keys | None:
    """Keys of a client whose first packet of ``version`` (one of ``SALTS``) went to connection id ``origin``.

    ``None`` without ``cryptography``.
    """
    primitives = _primitives()
    if primitives is None:
        return None
    secret = hmac.digest(hmac.digest(SALTS[version], origin, "sha256"), _CLIENT_IN, "sha256")
    key, iv, header = (hmac.digest(secret, label, "sha256") for label in (_LABELS_V2 if version == V2 else _LABELS))
    return Keys(
        primitives.aead(key[:16]), int.from_bytes(iv[:12], "big"), primitives.ecb(header[:16]), primitives.refusal
    )


def opened(keys: Keys, data: bytes, start: int, number_at: int, end: int) -> bytes | None:
    """What the packet ``data[start:end]`` with its protected number at ``number_at`` carries.

    ``None`` if it is not sealed with these keys, or not as it was sent.
    """
    if end - number_at < 4 + _SAMPLE:
        return None
    mask = keys.header.update(data[number_at + 4 : number_at + 4 + _SAMPLE])
    first = data[start] ^ mask[0] & 0x0F
    size = (first & 3) + 1
    number = int.from_bytes(data[number_at : number_at + size], "big") ^ int.from_bytes(mask[1 : 1 + size], "big")
    header = b"%c%b%b" % (first, data[start + 1 : number_at], number.to_bytes(size, "big"))
    nonce = (keys.iv ^ number).to_bytes(12, "big")
    try:
        return keys.seal.decrypt(nonce, data[number_at + size : end], header)
    except keys.refusal:
        return None


class _Primitives(NamedTuple):
    aead: type[AESGCM]
    ecb: Callable[[bytes], CipherContext]
    refusal: type[Exception]


@cache
def _primitives() -> _Primitives | None:
    try:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - heavy, and not everywhere
        from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.modes import ECB  # noqa: PLC0415
    except ImportError:
        return None
    # QUIC masks headers with single blocks
    return _Primitives(AESGCM, lambda key: Cipher(AES(key), ECB()).encryptor(), InvalidTag)  # noqa: S305
