"""The formats: aimscope's own maps, and those of the organisation over them.

A wheel carries our maps as msgpack; a checkout keeps them in the user's cache under the hash of their files.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from aimscope_agent import formats as folder
from aimscope_agent.formats import _map
from aimscope_agent.formats._engines import LineReader
from aimscope_agent.formats._format import Format
from aimscope_agent.formats._map import Map, MapError, read_map
from aimscope_signatures import bundle

_BUILT_IN = Path(folder.__file__).parent
PACKAGED = _BUILT_IN / "maps.msgpack"


@functools.cache
def built_in() -> Mapping[str, Format]:
    """The formats that come with aimscope, by name. Raises ``MapError`` naming file and field."""
    return {form.name: Format(form, proven=True) for form in _maps()}


def formats(own: Path | None = None) -> Mapping[str, Format]:
    """The formats in force; a map in ``own`` replaces ours of the same name. Raises ``MapError``."""
    if own is None or not own.is_dir():
        return built_in()
    return dict(sorted({**built_in(), **load(own)}.items()))


def load(place: Path) -> Mapping[str, Format]:
    """The maps of a folder. Raises ``MapError`` naming file and field."""
    return {path.stem: load_file(path) for path in _files(place)}


def load_file(path: Path) -> Format:
    """One map. Raises ``MapError`` naming file and field."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MapError(f"{path} cannot be read: {error.strerror}") from None
    form = read_map(data, str(path))
    if form.name != path.stem:
        raise MapError(f"{path}: $.name: {form.name!r} is not the file's name")
    return ready(form)


def ready(form: Map) -> Format:
    """A map made ready. Raises ``MapError``."""
    made = Format(form)
    try:
        LineReader(form)
    except MapError as error:
        raise MapError(f"{form.name}: {error}") from None
    return made


def pack() -> bytes:
    """Our maps in compiled form, all of them tried. Raises ``MapError`` naming file and field."""
    return msgspec.msgpack.encode(tuple(form.map for form in load(_BUILT_IN).values()))


def _maps() -> tuple[Map, ...]:
    if PACKAGED.exists():
        return _unpacked(PACKAGED.read_bytes())
    digest = hashlib.sha256(Path(_map.__file__).read_bytes())  # what a map may hold
    for path in _files(_BUILT_IN):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    name = f"maps-{digest.hexdigest()[:32]}.msgpack"
    with contextlib.suppress(MapError):
        return _unpacked(bundle.kept(name))
    made = pack()
    bundle.keep(name, made)
    return _unpacked(made)


def _unpacked(data: bytes) -> tuple[Map, ...]:
    try:
        return msgspec.msgpack.decode(data, type=tuple[Map, ...])
    except msgspec.MsgspecError as error:
        raise MapError(f"the compiled maps are damaged: {error}; install aimscope again") from None


def _files(place: Path) -> list[Path]:
    return sorted(place.glob("*.yaml"))
