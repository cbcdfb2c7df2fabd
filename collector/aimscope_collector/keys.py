"""The door's keys: one that makes pseudonyms, two pairs that seal names of people and of devices, one for codes.

A folder of mode 0700 with files of mode 0600. The two private keys are needed for a reveal only, and may be kept
elsewhere. ``KeysError`` says in its text what is wrong and what to do; no key is ever part of a text.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import SecretBox

from aimscope_collector.door import Door

Whose = Literal["people", "devices"]
_SIZE: Final = 32
_PSEUDONYM: Final = "pseudonym.key"
_CODES: Final = "codes.key"


class KeysError(Exception):
    """The keys cannot be used."""


class Keys(msgspec.Struct, frozen=True):
    """What the door needs. Whoever has these can make pseudonyms, and open nothing."""

    pseudonym: bytes
    people: bytes
    devices: bytes

    def __repr__(self) -> str:
        """Nothing of the keys."""
        return "Keys(…)"

    def door(self) -> Door:
        """The door that these keys make."""
        return Door(self.pseudonym, PublicKey(self.people), PublicKey(self.devices))


def create(folder: Path, randomness: Callable[[int], bytes]) -> Keys:
    """Make all keys in a new folder. Raises ``KeysError`` where one is there already: a lost key opens nothing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        _write(folder / _PSEUDONYM, randomness(_SIZE))
        _write(folder / _CODES, randomness(_SIZE))
        for whose in ("people", "devices"):
            private = PrivateKey(randomness(_SIZE))
            _write(folder / f"{whose}.private", bytes(private))
            _write(folder / f"{whose}.public", bytes(private.public_key))
    except FileExistsError as error:
        raise KeysError(f"{error.filename} is there already: keys are made once, and never replaced") from None
    except OSError as error:
        raise KeysError(f"{folder}: {error.strerror or error}") from None
    _sync(folder)
    return load(folder)


def add_codes(folder: Path, randomness: Callable[[int], bytes]) -> bool:
    """Make the key of codes in a folder of an earlier version, which has none. Raises ``KeysError``.

    Only for where nothing was sealed yet: what a lost key has sealed no other one opens.
    """
    try:
        _write(folder / _CODES, randomness(_SIZE))
    except FileExistsError:
        return False
    except OSError as error:
        raise KeysError(f"{folder / _CODES}: {error.strerror}") from None
    _sync(folder)
    return True


def load(folder: Path) -> Keys:
    """The keys of the door. Raises ``KeysError``."""
    return Keys(*(_read(folder / name) for name in (_PSEUDONYM, "people.public", "devices.public")))


def private(folder: Path, whose: Whose) -> PrivateKey:
    """The key that opens names. Raises ``KeysError`` where it is kept elsewhere."""
    return PrivateKey(_read(folder / f"{whose}.private"))


def codes(folder: Path) -> SecretBox:
    """What seals the secrets of second factors. Raises ``KeysError``."""
    if not (folder / _CODES).exists():
        made = "put it back from where the keys are kept; if there never was one, `aimscope collector migrate` makes it"
        raise KeysError(f"{folder / _CODES} is not there: {made}")
    return SecretBox(_read(folder / _CODES))


def opened(key: PrivateKey, sealed: bytes) -> str:
    """The name that was sealed. Raises ``KeysError`` where it was sealed to another key."""
    try:
        return SealedBox(key).decrypt(sealed).decode("utf-8", "replace")
    except (CryptoError, ValueError, TypeError):
        raise KeysError("the name was sealed to another key than this one") from None


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content.hex().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> bytes:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeysError(f"{path} can be read by others: chmod 600 {path}")
        key = bytes.fromhex(path.read_text("ascii").strip())
    except FileNotFoundError:
        raise KeysError(f"{path} is not there: put it back from where the collector's keys are kept") from None
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise KeysError(f"{path} holds no key") from None
    if len(key) != _SIZE:
        raise KeysError(f"{path} holds no key of {_SIZE} bytes")
    return key
