"""The organisation's signing keys, and the feeds that are signed with them: root, catalogue, policy.

Four keys in a folder of their own (mode 0700): the root's, the catalogue's, the organisation's own and the one that
signs reports, which agents never hear of. Whoever keeps the folder elsewhere loses nothing but that new versions and
reports can be signed here. ``FeedsError`` says what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.audit import Fact
from aimscope_collector.store import audit, feeds
from aimscope_collector.store.tables.sending import FEED
from aimscope_signatures import signed
from aimscope_signatures.signed import Keepers, Role

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_DAY: Final = 86_400
_LASTS: Final[dict[Role, int]] = {
    "root": 3_650 * _DAY,
    "catalogue": 90 * _DAY,
    "overlay": 90 * _DAY,
    "policy": 365 * _DAY,
}
_SIZE: Final = 32
_NAMES: Final = ("root", "catalogue", "organisation")
_REPORTS: Final = "reports"
_SIGNER: Final[dict[Role, str]] = {
    "root": "root",
    "catalogue": "catalogue",
    "overlay": "organisation",
    "policy": "organisation",
}
DEFAULT_POLICY: Final = msgspec.json.encode({"schema": 1})
"""Nothing is widened and nothing is narrowed: every machine's own configuration holds."""


class FeedsError(Exception):
    """The feeds cannot be signed."""


def create(folder: Path, randomness: Callable[[int], bytes]) -> None:
    """Draw the signing keys into a new folder. Raises ``FeedsError`` where they are there already."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (*_NAMES, _REPORTS):
            handle = os.open(folder / f"{name}.key", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(randomness(_SIZE).hex().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
    except FileExistsError as error:
        raise FeedsError(f"{error.filename} is there already: signing keys are made once") from None
    except OSError as error:
        raise FeedsError(f"{folder}: {error.strerror or error}") from None


def add_reports(folder: Path, randomness: Callable[[int], bytes]) -> bool:
    """Make the key of reports in a folder of an earlier version, which has none. Raises ``FeedsError``."""
    if not (folder / "organisation.key").exists():
        return False
    try:
        handle = os.open(folder / f"{_REPORTS}.key", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(randomness(_SIZE).hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    except OSError as error:
        raise FeedsError(f"{folder}: {error.strerror or error}") from None
    return True


def found(connection: sa.Connection, folder: Path, *, catalogue: bytes, actor: str, now: int) -> str:
    """Sign and offer the first root, the catalogue and the default policy. Returns the root's fingerprint."""
    keys = {name: _key(folder, name) for name in _NAMES}
    roles: dict[Role, Keepers] = {
        role: Keepers((signed.key_id(signed.public_of(keys[name])),)) for role, name in _SIGNER.items()
    }
    publics = [signed.public_of(key) for key in keys.values()]
    root = signed.root(publics, roles, version=1, issued=now, expires=now + _LASTS["root"])
    envelope = signed.sign(root, [keys["root"]])
    feeds.publish(
        connection, name="root", version=1, envelope=envelope, body=b"", now=now, expires_at=now + _LASTS["root"]
    )
    publish(connection, folder, role="catalogue", body=catalogue, actor=actor, now=now)
    publish(connection, folder, role="policy", body=DEFAULT_POLICY, actor=actor, now=now)
    return signed.fingerprint_of(envelope)


def publish(
    connection: sa.Connection, folder: Path, *, role: Role, body: bytes, actor: str, now: int, again: bool = False
) -> int:
    """Sign and offer a body as the next version; the one that is offered already stays, unless ``again``.

    ``again`` is for one whose time runs out. Returns the version in force. Raises ``FeedsError``.
    """
    newest = feeds.current(connection).get(role)
    if newest is not None and not again and feeds.body(connection, name=role, sha256=newest.sha256) == body:
        return newest.version
    version = 1 + max(newest.version if newest else 0, feeds.base(connection))
    expires = now + _LASTS[role]
    statement = signed.vouch(role, body, version=version, issued=now, expires=expires)
    envelope = signed.sign(statement, [_key(folder, _SIGNER[role])])
    try:
        offered = feeds.publish(
            connection, name=role, version=version, envelope=envelope, body=body, now=now, expires_at=expires
        )
    except feeds.FeedError as error:
        raise FeedsError(str(error)) from None
    facts: dict[str, Fact] = {"version": version, "sha256": offered.sha256, "expires": expires}
    audit.record(connection, at=now, actor=actor, action=f"feed.{role}", about=role, facts=facts)
    return version


def refresh(connection: sa.Connection, folder: Path, *, catalogue: bytes, now: int) -> tuple[str, ...]:
    """Offer this version's catalogue, and sign anew what has used up two thirds of its time. Names what changed.

    After a restored backup all but the root is signed anew, with versions above all that agents may have.
    Without signing keys here nothing is done: then whoever keeps them publishes. Raises ``FeedsError``.
    """
    if not (folder / "catalogue.key").exists():
        return ()
    before = feeds.current(connection)
    publish(connection, folder, role="catalogue", body=catalogue, actor="collector", now=now)
    base = feeds.base(connection)
    for role, expires in expiries(connection).items():
        newest = feeds.current(connection)[role]
        if role != "root" and (expires - now < _LASTS[role] // 3 or newest.version <= base):
            body = feeds.body(connection, name=role, sha256=newest.sha256) or b""
            publish(connection, folder, role=role, body=body, actor="collector", now=now, again=True)
    return tuple(name for name, feed in feeds.current(connection).items() if before.get(name) != feed)


def expiries(connection: sa.Connection) -> dict[Role, int]:
    """Until when what is offered counts as fresh."""
    newest: dict[Role, int] = {}
    for row in connection.execute(sa.select(FEED.c.name, FEED.c.expires_at).order_by(FEED.c.version)):
        newest[row.name] = row.expires_at
    return newest


def sign_report(folder: Path, body: bytes) -> tuple[bytes, bytes]:
    """An Ed25519 signature (RFC 8032) of a report, and the public key's 32 bytes. Raises ``FeedsError``."""
    key = _key(folder, _REPORTS)
    return key.sign(body), key.public_key().public_bytes_raw()


def report_key(folder: Path) -> bytes:
    """The public key, 32 bytes, that checks reports. Raises ``FeedsError``."""
    return _key(folder, _REPORTS).public_key().public_bytes_raw()


def _key(folder: Path, name: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - heavy, and needed rarely
        Ed25519PrivateKey,
    )

    path = folder / f"{name}.key"
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text("ascii").strip()))
    except FileNotFoundError:
        never = "; if there never was one, `aimscope collector migrate` makes it" if name == _REPORTS else ""
        raise FeedsError(f"{path} is not here: sign where the signing keys are kept{never}") from None
    except (OSError, ValueError):
        raise FeedsError(f"{path} holds no signing key that can be read") from None
