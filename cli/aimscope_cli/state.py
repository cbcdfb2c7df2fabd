"""Where this machine keeps what it remembers: the last scans, local ignores, the key for digests."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from aimscope_cli.output import Failure

KEY_BYTES = 32


def state_path() -> Path:
    """Where the state folder is, or would be: `AIMSCOPE_STATE`, else the platform's place."""
    import platformdirs

    stated = os.environ.get("AIMSCOPE_STATE")
    return Path(stated) if stated else platformdirs.user_state_path("aimscope")


def state_folder() -> Path:
    """The state folder, made if it is not there, for this user alone."""
    folder = state_path()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Failure(
            f"{folder} cannot be made: {error.strerror}; set AIMSCOPE_STATE, or scan with --no-store"
        ) from None
    return folder


def digest_key() -> bytes:
    """The key of this machine's digests, drawn at first use. Never leaves the machine."""
    path = state_folder() / "digest.key"
    try:
        key = _read_regular(path)
        if len(key) == KEY_BYTES:
            return key
    except FileNotFoundError:
        pass
    except OSError:
        return os.urandom(KEY_BYTES)  # unreadable, or a link: digests then hold for this scan only
    key = os.urandom(KEY_BYTES)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key)
    except OSError:
        pass
    return key


def _read_regular(path: Path) -> bytes:
    """The beginning of a regular file. ``OSError`` for a link, and for a pipe, which would keep the scan waiting."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("not a regular file")
        return file.read(KEY_BYTES + 1)


def inventory_file(stated: Path | None) -> Path | None:
    """The inventory to reconcile with: as stated, else `inventory.yaml` here, in the user's or the system's place."""
    import platformdirs

    if stated is not None:
        try:
            if stated.is_file():
                return stated
        except OSError as error:
            raise Failure(f"{stated} cannot be read: {error.strerror}") from None
        raise Failure(f"{stated} is no file; `aimscope inventory init {stated}` makes one")
    places = (Path("inventory.yaml"), platformdirs.user_config_path("aimscope") / "inventory.yaml", SYSTEM_INVENTORY)
    return next((place for place in places if place.is_file()), None)


SYSTEM_INVENTORY = Path("/etc/aimscope/inventory.yaml")
