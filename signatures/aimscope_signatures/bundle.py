"""The compiled catalogue: msgpack, so that starting up parses no YAML.

A wheel carries it; a checkout keeps it in the user's cache under its content hash, so an edited file
is never served stale. It holds data only: decoding constructs nothing but the structs named here.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec
import platformdirs

from aimscope_signatures import catalogue
from aimscope_signatures.catalogue import SERVICES, Catalogue, Entry

FORMAT = 5
PACKAGED = Path(__file__).parent / "catalogue.msgpack"
_KEPT = 6
"""Files of a kind that stay in the cache."""


class Bundle(msgspec.Struct, frozen=True):
    """What the compiled file holds."""

    format: int
    version: str
    entries: tuple[Entry, ...]


def pack(source: Catalogue) -> bytes:
    """A catalogue as bytes; the same catalogue gives the same bytes."""
    return msgspec.msgpack.encode(Bundle(FORMAT, source.version, tuple(source)))


def unpack(data: bytes) -> Catalogue:
    """The catalogue in ``data``. Raises ``ValueError`` where it is torn or of another format."""
    try:
        bundle = msgspec.msgpack.decode(data, type=Bundle)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no compiled catalogue: {error}") from None
    if bundle.format != FORMAT:
        raise ValueError(f"compiled catalogue of format {bundle.format}, this program reads {FORMAT}")
    return Catalogue(bundle.entries, bundle.version)


def shipped() -> Catalogue:
    """The catalogue that came with this installation.

    Raises ``schema.Refused`` where this is a checkout whose YAML is malformed, ``ValueError`` where an
    installed compiled file is damaged.
    """
    return unpack(PACKAGED.read_bytes()) if PACKAGED.exists() else loaded(SERVICES)


def loaded(folder: Path) -> Catalogue:
    """The catalogue in a folder of YAML files, which are parsed only after a change. Raises ``schema.Refused``."""
    version = catalogue.content_hash(folder)
    name = f"catalogue-{FORMAT}-{version[:32]}.msgpack"
    with contextlib.suppress(ValueError):
        found = unpack(kept(name))
        if found.version == version:
            return found
    made = catalogue.load(folder)
    keep(name, pack(made))
    return made


def kept(name: str) -> bytes:
    """A file of the user's cache; nothing where there is none, or where others could have written it."""
    try:
        with (_cache() / name).open("rb") as file:
            status = os.fstat(file.fileno())
            own = not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)
            return file.read() if own else b""
    except OSError:
        return b""


def keep(name: str, data: bytes) -> None:
    """Write a file of the user's cache whole, readable by the user alone; of its kind the newest stay.

    The kind is the name up to its first hyphen. A cache that cannot be written only costs time.
    """
    with contextlib.suppress(OSError):
        folder = _cache()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, draft = tempfile.mkstemp(dir=folder, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(draft).replace(folder / name)
        except OSError:
            Path(draft).unlink()
            raise
        alike = folder.glob(f"{name.partition('-')[0]}-*")
        for old in sorted(alike, key=lambda one: one.stat().st_mtime, reverse=True)[_KEPT:]:
            old.unlink(missing_ok=True)


def _cache() -> Path:
    return platformdirs.user_cache_path("aimscope")
