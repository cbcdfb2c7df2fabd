"""The formats: aimscope's own maps, and those of the organisation over them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from aimscope_agent import formats as folder
from aimscope_agent.formats._engines import LineReader
from aimscope_agent.formats._format import Format
from aimscope_agent.formats._map import Map, MapError, read_map

_BUILT_IN = Path(folder.__file__).parent


@functools.cache
def built_in() -> Mapping[str, Format]:
    """The formats that come with aimscope, by name. Raises ``MapError`` naming file and field."""
    return load(_BUILT_IN)


def formats(own: Path | None = None) -> Mapping[str, Format]:
    """The formats in force; a map in ``own`` replaces ours of the same name. Raises ``MapError``."""
    if own is None or not own.is_dir():
        return built_in()
    return dict(sorted({**built_in(), **load(own)}.items()))


def load(place: Path) -> Mapping[str, Format]:
    """The maps of a folder. Raises ``MapError`` naming file and field."""
    return {path.stem: load_file(path) for path in sorted(place.glob("*.yaml"))}


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
