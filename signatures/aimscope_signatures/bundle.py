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
    if PACKAGED.exists():
        return unpack(PACKAGED.read_bytes())
    version = catalogue.content_hash(SERVICES)
    cached = platformdirs.user_cache_path("aimscope") / f"catalogue-{FORMAT}-{version[:32]}.msgpack"
    with contextlib.suppress(OSError, ValueError):
        found = unpack(cached.read_bytes())
        if found.version == version:
            return found
    loaded = catalogue.load(SERVICES)
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        _write(cached, pack(loaded))
    return loaded


def _write(path: Path, data: bytes) -> None:
    """Atomically, readable by the user alone; of older compiled files the three newest stay."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".catalogue-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(name).replace(path)
    others = sorted(path.parent.glob("catalogue-*.msgpack"), key=lambda other: other.stat().st_mtime, reverse=True)
    for other in others[4:]:
        other.unlink(missing_ok=True)
