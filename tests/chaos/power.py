"""Losing power without a machine that has any: files as they would be, had only synced writes been sure to last.

``power.c`` writes down what a process writes and syncs. ``lose`` plays it on the files as they were before: all of
what was synced, and of the rest an arbitrary part, some of it torn.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_HEAD: Final = struct.Struct("<cHqI")
_SECTOR: Final = 512


class _Entry(NamedTuple):
    what: bytes
    name: str
    offset: int
    data: bytes


def build(folder: Path) -> Path | None:
    """The shared object that records; ``None`` where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    shim = folder / "power.so"
    source = Path(__file__).with_name("power.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True, timeout=60)
    return shim


def environment(shim: Path, folder: Path) -> Mapping[str, str]:
    """What a process needs to be recorded."""
    return {
        "LD_PRELOAD": str(shim),
        "AIMSCOPE_POWER_FOLDER": str(folder / "disk"),
        "AIMSCOPE_POWER_RECORD": str(folder / "record"),
    }


def begin(folder: Path, database: Path) -> None:
    """Everything on the disk is synced now."""
    shutil.rmtree(folder / "before", ignore_errors=True)
    shutil.copytree(database.parent, folder / "before", ignore=shutil.ignore_patterns("*-shm"))
    (folder / "record").unlink(missing_ok=True)


def lose(folder: Path, database: Path, rng: random.Random) -> None:
    """The power goes: put the files as they may be found afterwards."""
    entries = list(_entries(folder / "record"))
    last: dict[str, int] = {entry.name: at for at, entry in enumerate(entries) if entry.what == b"S"}
    by_name: dict[str, list[tuple[int, _Entry]]] = defaultdict(list)
    for at, entry in enumerate(entries):
        by_name[entry.name].append((at, entry))
    for path in database.parent.iterdir():
        path.unlink()
    shutil.copytree(folder / "before", database.parent, dirs_exist_ok=True)
    for name, mine in by_name.items():
        if name.endswith("-shm") or Path(name).is_dir():
            continue
        content = bytearray(Path(name).read_bytes() if Path(name).exists() else b"")
        for at, entry in mine:
            sure = at <= last.get(name, -1)
            if entry.what == b"T":
                if sure or rng.random() < 0.5:
                    _resize(content, entry.offset)
            elif entry.what == b"W" and (sure or rng.random() < 0.5):
                whole = sure or rng.random() < 0.8
                data = entry.data if whole else entry.data[: _SECTOR * rng.randrange(1 + len(entry.data) // _SECTOR)]
                _resize(content, max(len(content), entry.offset + len(data)))
                content[entry.offset : entry.offset + len(data)] = data
        Path(name).write_bytes(content)


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


def _entries(record: Path) -> Iterator[_Entry]:
    data = record.read_bytes() if record.exists() else b""
    at = 0
    while at + _HEAD.size <= len(data):
        what, length, offset, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        name = data[at : at + length].decode()
        at += length
        yield _Entry(what, name, offset, data[at : at + size])
        at += size
