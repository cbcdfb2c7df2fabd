"""Where names of people and devices end: behind the door there are pseudonyms, and names sealed to a key kept apart.

A pseudonym is the same for the same name under the same key, and tells nothing without it. Sealing is another box each
time and costs fifty times as much, so it is done when a name is seen for the first time, not for each row.
"""

from __future__ import annotations

import base64
import functools
import hmac
from ipaddress import ip_address
from typing import Final

import msgspec
from nacl.public import PublicKey, SealedBox

_MOST: Final = 65_536
"""Names whose pseudonym is remembered."""
_BYTES: Final = 10
_WHAT: Final = {"p": b"person\0", "d": b"device\0", "a": b"address\0"}


class Veiled(msgspec.Struct, frozen=True):
    """A name as it is kept: its pseudonym, and the name itself for whoever holds the private key."""

    pseudonym: str
    sealed: bytes


class Door:
    """Veils names. Holds no private key. Safe to use from several threads."""

    def __init__(self, key: bytes, people: PublicKey, devices: PublicKey, *, most: int = _MOST) -> None:
        self._key = key
        self._people = SealedBox(people)
        self._devices = SealedBox(devices)
        remembered = functools.lru_cache(most)
        self.person_pseudonym = remembered(self._person_pseudonym)
        """The pseudonym of an account."""
        self.asset_pseudonym = remembered(self._asset_pseudonym)
        """The pseudonym of a device by whatever an agent calls it: an address, or else a name."""

    def person(self, name: str) -> Veiled:
        """An account's name."""
        return Veiled(self.person_pseudonym(name), _sealed(self._people, name))

    def device(self, name: str) -> Veiled:
        """A device's name."""
        return Veiled(self._pseudonym("d", name), _sealed(self._devices, name))

    def address(self, text: str) -> Veiled:
        """A device's address; two ways to write one address are one."""
        return Veiled(self._pseudonym("a", _address(text) or text), _sealed(self._devices, text))

    def asset(self, text: str) -> Veiled:
        """A device by whatever an agent calls it: an address, or else a name."""
        return self.address(text) if _address(text) else self.device(text)

    def _person_pseudonym(self, name: str) -> str:
        return self._pseudonym("p", name)

    def _asset_pseudonym(self, text: str) -> str:
        address = _address(text)
        return self._pseudonym("a", address) if address else self._pseudonym("d", text)

    def _pseudonym(self, what: str, name: str) -> str:
        folded = name.casefold().encode("utf-8", "replace")
        digest = hmac.digest(self._key, _WHAT[what] + folded, "sha256")[:_BYTES]
        return f"{what}-{base64.b32encode(digest).decode().lower()}"


def _sealed(box: SealedBox[PublicKey], name: str) -> bytes:
    return bytes(box.encrypt(name.encode("utf-8", "replace")))


def _address(text: str) -> str:
    if not text or (text[-1].isalpha() and ":" not in text):
        return ""
    try:
        address = ip_address(text.strip().strip("[]").split("%", 1)[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)
