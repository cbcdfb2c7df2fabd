"""Reading an inventory file of any kind: bounded, and never with an exception."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import stat
from collections.abc import Mapping
from pathlib import Path

from aimscope_collector.inventory import readers
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.problems import Loaded, Problems
from aimscope_collector.inventory.reader import MAX_BYTES, Reader


@functools.cache
def all_readers() -> Mapping[str, Reader]:
    """Suffix → reader, for every module in ``readers/``."""
    found: dict[str, Reader] = {}
    for module in sorted(pkgutil.iter_modules(readers.__path__), key=lambda module: module.name):
        reader: Reader = importlib.import_module(f"{readers.__name__}.{module.name}").READER
        found |= dict.fromkeys(reader.suffixes, reader)
    return found


def load(path: Path) -> Loaded[Inventory]:
    """The inventory in a file, or every reason why it cannot be used."""
    problems = Problems(str(path))
    data = read_bounded(path, problems)
    return Loaded(content=None, problems=problems.sorted()) if data is None else parse(data, str(path))


def parse(data: bytes, file: str) -> Loaded[Inventory]:
    """As ``load``, for bytes that are already here; ``file`` says by its suffix what they are."""
    problems = Problems(file)
    suffix = Path(file).suffix.casefold()
    reader = all_readers().get(suffix)
    if reader is None:
        known = ", ".join(sorted(all_readers()))
        problems.error(0, "", f"Files ending in '{suffix}' are not read.", f"Save it as one of {known}.")
    elif len(data) > MAX_BYTES:
        problems.error(0, "", f"The file is larger than {MAX_BYTES // 1_000_000} MB.", "Split the inventory.")
    else:
        return reader.read(data, file)
    return Loaded(content=None, problems=problems.sorted())


def read_bounded(path: Path, problems: Problems) -> bytes | None:
    """A regular file's bytes, one more than the bound at most; ``None`` after noting why not."""
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                return file.read(MAX_BYTES + 1)
        problems.error(0, "", "This is not a regular file.", "Name a file.")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.error(0, "", f"It cannot be read: {reason}.", "Check the path and its permissions.")
    return None
