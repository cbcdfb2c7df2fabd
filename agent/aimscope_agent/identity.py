"""Who this agent is to its collector: an id and a secret it drew itself, bound to this machine.

Kept in one file that only its owner can read. A disk that is copied to another machine brings the file along: there the
machine's digest differs, and the copy enrols as an agent of its own.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec

from aimscope_agent import durable

SECRET_BYTES: Final = 32
_LARGEST: Final = 16_384

Uid = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
Secret = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]
Random = Callable[[int], bytes]
"""Gives so many random bytes that nobody can guess: ``secrets.token_bytes``."""


class IdentityError(Exception):
    """The identity cannot be used; the text says why and what to do."""


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent's identity. Not to be shown: it holds the secret."""

    uid: Uid
    secret: Secret
    machine: str
    """Digest of the machine it was drawn on."""
    collector: str
    """Address of the collector it is for."""
    next_secret: Secret | None = None
    """Replaces ``secret`` as soon as the collector has said that it knows it."""
    enrolled_at: int = 0
    """When the collector first answered; 0: it has not yet."""
    approved: bool = False
    anew: bool = False
    """It took the place of another one, whose totals still lie here: to be set aside before anything is reported."""

    def __repr__(self) -> str:
        return f"Identity({self.uid})"

    @property
    def credential(self) -> str:
        """What requests carry."""
        return f"{self.uid}.{self.secret}"


def machine_digest(identifier: str) -> str:
    """Tells machines apart, and says nothing of the identifier (``/etc/machine-id`` or what the platform has)."""
    return hashlib.sha256(b"aimscope machine\0" + identifier.strip().encode("utf-8", "replace")).hexdigest()


def secret_hash(secret: str) -> str:
    """What the collector is told of a secret: SHA-256 of its text."""
    return hashlib.sha256(secret.encode()).hexdigest()


def draw_secret(random: Random) -> str:
    """A new secret, base64url without padding."""
    return base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()


def draw(machine: str, collector: str, random: Random) -> Identity:
    """A new identity for this machine. To be kept before anybody is told of it."""
    return Identity(uid=random(16).hex(), secret=draw_secret(random), machine=machine, collector=collector)


def load(path: Path) -> Identity | None:
    """The identity that is kept; ``None`` where there is none. Raises ``IdentityError``."""
    try:
        data = durable.read(path, _LARGEST)
        if data is None:
            return None
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise IdentityError(f"{path} can be read by others: chmod 600 {path}, and enrol again")
        return msgspec.json.decode(data, type=Identity)
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise IdentityError(f"{path} is damaged: remove it and enrol again") from None


def keep(path: Path, identity: Identity) -> None:
    """Keep the identity, in one step. Raises ``IdentityError``: then the one before is still there."""
    try:
        durable.write(path, msgspec.json.encode(identity))
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror}") from None
