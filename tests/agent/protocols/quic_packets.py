"""Initial packets of QUIC, built as RFC 9001 describes them, with other code than the one that opens them."""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from aimscope_agent.protocols.more import More
from aimscope_agent.protocols.quic_initial import Crypto
from aimscope_agent.protocols.tls_hello import ClientHello

V1, V2, DRAFT_28, DRAFT_29, DRAFT_34 = 1, 0x6B3343CF, 0xFF00001C, 0xFF00001D, 0xFF000022
ORIGIN = bytes.fromhex("8394c8f03e515708")
SERVER = bytes.fromhex("f067a5502a4262b5")
SALTS: Final = {
    V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    DRAFT_28: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
    DRAFT_29: "afbfec289993d24c9e9786f19c6111e04390a899",
    DRAFT_34: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
}


def protect(header: bytes, number_at: int, payload: bytes, key: bytes, iv: bytes, mask_key: bytes) -> bytes:
    """The packet of a plain ``header``, whose packet number begins at ``number_at``, and a plain ``payload``."""
    number = header[number_at:]
    nonce = (int.from_bytes(iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    sealed = AESGCM(key).encrypt(nonce, payload, header)
    sample = sealed[4 - len(number) :][:16]
    mask = Cipher(AES(mask_key), ECB()).encryptor().update(sample)
    hidden = bytes(byte ^ bit for byte, bit in zip(number, mask[1:], strict=False))
    return bytes([header[0] ^ mask[0] & 15]) + header[1:number_at] + hidden + sealed


def client_keys(quic: int, origin: bytes, side: str = "client in") -> tuple[bytes, bytes, bytes]:
    def label(secret: bytes, text: str, size: int) -> bytes:
        full = b"tls13 " + text.encode()
        info = pack(">HB", size, len(full)) + full + b"\0"
        return HKDFExpand(SHA256(), size, info).derive(secret)

    secret = label(HKDF.extract(SHA256(), bytes.fromhex(SALTS[quic]), origin), side, 32)
    word = "quicv2" if quic == V2 else "quic"
    return label(secret, f"{word} key", 16), label(secret, f"{word} iv", 12), label(secret, f"{word} hp", 16)


def varint(value: int) -> bytes:
    return value.to_bytes(1, "big") if value < 64 else (value | 0x8000_0000).to_bytes(4, "big")


def packet(
    payload: bytes,
    *,
    quic: int = V1,
    dcid: bytes = ORIGIN,
    origin: bytes = b"",
    number: bytes = b"\0\2",
    token: bytes = b"",
    kind: int = 0,
    side: str = "client in",
) -> bytes:
    payload = payload.ljust(4, b"\0")
    form = (kind + 1) & 3 if quic == V2 else kind
    header = bytes([0xC0 | form << 4 | len(number) - 1]) + pack(">I", quic) + bytes([len(dcid)]) + dcid + b"\0"
    header += (b"" if kind else varint(len(token)) + token) + varint(len(number) + len(payload) + 16)
    keys = client_keys(quic, origin or dcid, side)
    return protect(header + number, len(header), payload, *keys)


def crypto(offset: int, piece: bytes) -> bytes:
    return b"\x06" + varint(offset) + varint(len(piece)) + piece


def message(name: str = "chat.example.com", filling: int = 0) -> bytes:
    entry = b"\0" + pack(">H", len(name)) + name.encode()
    fields = pack(">HHH", 0, len(entry) + 2, len(entry)) + entry + pack(">HH", 51, filling) + bytes(filling)
    body = b"\x03\x03" + bytes(33) + b"\0\2\x13\x01\x01\0" + pack(">H", len(fields)) + fields
    return b"\x01" + len(body).to_bytes(3, "big") + body


LONG = message(filling=1800)


HELLO = message()


def feed(datagrams: Iterable[bytes], into: Crypto | None = None) -> ClientHello | More | None:
    """The last answer."""
    into = into or Crypto()
    answer: ClientHello | More | None = None
    for datagram in datagrams:
        answer = into.add(datagram, 0, len(datagram))
    return answer


def named(answer: ClientHello | More | None) -> str:
    assert isinstance(answer, ClientHello)
    return answer.server_name
