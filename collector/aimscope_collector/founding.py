"""A collector's folder: how it is founded, once, and what it says of itself.

``collector.json`` says where the database is; ``keys/`` and ``signing/`` hold the keys; ``collector.db`` is the
database where that is SQLite. ``FolderError`` says what is wrong and what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector import accounts, feeds, keys
from aimscope_collector.backup import SQLITE
from aimscope_collector.store import accounts as known_accounts
from aimscope_collector.store import agents, audit, migrate
from aimscope_collector.store.database import connect, url_of, writing
from aimscope_collector.store.tables.people import ACCOUNT

CONFIG: Final = "collector.json"
KEYS: Final = "keys"
SIGNING: Final = "signing"
ADMIN: Final = "admin"
_DAY: Final = 86_400
_SIGNED: Final = "evidence-pack"
"""The report that is signed."""


class FolderError(Exception):
    """The folder cannot be used."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the folder says of itself. ``database`` is empty for SQLite in the folder; never holds a password."""

    database: str = ""


class Founded(msgspec.Struct, frozen=True, kw_only=True):
    """What is said once, and kept nowhere."""

    folder: str
    database: str
    schema: str
    admin: str
    password: str
    token: str
    token_expires: int
    root_fingerprint: str


def found(
    folder: Path,
    *,
    database: str,
    secret: str = "",
    catalogue: bytes,
    admin: str = ADMIN,
    now: int,
    randomness: Callable[[int], bytes],
    draw_token: Callable[[], str],
) -> Founded:
    """Make everything for a first run. ``secret`` is the database's password, which is not kept.

    Raises ``FolderError`` where there is a collector already, ``DatabaseError``, ``KeysError``, ``FeedsError``.
    """
    if (folder / CONFIG).exists():
        raise FolderError(f"{folder} holds a collector already: `aimscope collector status --folder {folder}` shows it")
    for name in (KEYS, SIGNING, SQLITE):
        if (folder / name).exists():
            raise FolderError(f"{folder / name} is left of an earlier start: remove it if no collector ever used it")
    config = Config(_without_password(database))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise FolderError(f"{folder} cannot be made: {error.strerror}") from None
    engine = connect(where(folder, config, secret))
    try:
        if migrate.current(engine):
            raise FolderError("the database holds a collector already: name an empty one, or restore its folder")
        keys.create(folder / KEYS, randomness)
        feeds.create(folder / SIGNING, randomness)
        _, schema = migrate.upgrade(engine)
        password = accounts.first_password(randomness)
        hashed = accounts.hash_password(password)
        with writing(engine) as connection:
            audit.record(connection, at=now, actor="init", action="collector.founded", about="collector", facts={})
            fingerprint = feeds.found(connection, folder / SIGNING, catalogue=catalogue, actor="init", now=now)
            roles = ("admin",)
            known_accounts.create(connection, name=admin, roles=roles, hashed=hashed, by="init", at=now)
            _, token = agents.create_token(connection, draw=draw_token, by="init", now=now, note="made by init")
        write_config(folder, config)
    finally:
        engine.dispose()
    if not config.database and os.name == "posix":
        (folder / SQLITE).chmod(0o600)
    return Founded(
        folder=str(folder),
        database=config.database or str(folder / SQLITE),
        schema=schema,
        admin=admin,
        password=password,
        token=token,
        token_expires=now + _DAY,
        root_fingerprint=fingerprint,
    )


def complete(
    engine: sa.Engine, folder: Path, *, randomness: Callable[[int], bytes], actor: str, now: int
) -> tuple[str, ...]:
    """Make the keys that a folder of an earlier version lacks, unless something was made with them: then they are lost.

    Returns their names. Raises ``KeysError``, ``FeedsError``.
    """
    made: list[str] = []
    with writing(engine) as connection:
        sealed = sa.select(ACCOUNT.c.id).where(ACCOUNT.c.totp.is_not(None)).limit(1)
        signed = audit.entries(connection, actions=("report.made",), about=_SIGNED, limit=1)
        if connection.execute(sealed).first() is None and keys.add_codes(folder / KEYS, randomness):
            made.append("codes")
        if not signed and feeds.add_reports(folder / SIGNING, randomness):
            made.append("reports")
        for name in made:
            audit.record(connection, at=now, actor=actor, action="collector.key", about=name, facts={})
    return tuple(made)


def write_config(folder: Path, config: Config) -> None:
    """Keep it, whole or not at all. Raises ``FolderError``."""
    draft = folder / f"{CONFIG}.draft"
    try:
        with draft.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / CONFIG)
    except OSError as error:
        raise FolderError(f"{folder / CONFIG} cannot be written: {error.strerror}") from None


def read_config(folder: Path) -> Config:
    """What the folder says. Raises ``FolderError``."""
    try:
        return msgspec.json.decode((folder / CONFIG).read_bytes(), type=Config)
    except FileNotFoundError:
        raise FolderError(
            f"{folder} holds no collector: `aimscope collector init --folder {folder}` makes one"
        ) from None
    except OSError as error:
        raise FolderError(f"{folder / CONFIG}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise FolderError(f"{folder / CONFIG}: {error}") from None


def where(folder: Path, config: Config, secret: str = "") -> str:
    """What ``connect`` takes; ``secret`` is the database's password."""
    if not config.database:
        return str(folder / SQLITE)
    url = url_of(config.database)
    if secret and url.get_backend_name() == "postgresql":
        url = url.set(password=secret)
    return _rendered(url)


def _without_password(database: str) -> str:
    if not database:
        return ""
    url = url_of(database)
    if url.password is not None:
        raise FolderError(
            "the password does not belong into the name of the database: put it into a file, and name "
            "the file in AIMSCOPE_DATABASE_PASSWORD_FILE"
        )
    return _rendered(url)


def _rendered(url: sa.URL) -> str:
    plain = url.set(drivername=url.get_backend_name())
    return plain.render_as_string(hide_password=False)
