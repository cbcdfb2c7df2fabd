"""Wrong detections that one machine leaves out: a small YAML file of its own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from aimscope_collector.inventory.content import ignores_of
from aimscope_collector.inventory.load import read_bounded
from aimscope_collector.inventory.model import Ignore, IgnoreFile
from aimscope_collector.inventory.problems import Loaded, Problems
from aimscope_collector.inventory.reader import MAX_BYTES
from aimscope_collector.inventory.readers.yaml import document_of
from aimscope_collector.inventory.text import decode
from aimscope_collector.inventory.write import ignore_text


def load_ignores(path: Path) -> Loaded[IgnoreFile]:
    """The ignores in a file; none if there is no file."""
    if not os.path.lexists(path):
        return Loaded(content=IgnoreFile())
    problems = Problems(str(path))
    data = read_bounded(path, problems)
    if data is None:
        return Loaded(content=None, problems=problems.sorted())
    if len(data) > MAX_BYTES:
        problems.error(0, "", f"The file is larger than {MAX_BYTES // 1_000_000} MB.", "Remove what is not needed.")
        return Loaded(content=None, problems=problems.sorted())
    return ignores_of(document_of(decode(data), problems), problems)


def add_ignore(path: Path, ignore: Ignore) -> Loaded[IgnoreFile]:
    """Add one ignore to the file, in place of one for the same evidence.

    A broken file is reported, not overwritten, and one that would be broken is not written.
    """
    problems = Problems(str(path))
    for name, text in (("service", ignore.service), ("reason", ignore.reason)):
        if not text.strip():
            problems.error(0, name, f'"{name}" is missing.', "An ignore says what it leaves out, and why.")
    loaded = load_ignores(path)
    if loaded.content is None or problems.errors:
        return Loaded(content=None, problems=(*loaded.problems, *problems.sorted()))
    others = [old for old in loaded.content.ignores if _claim(old) != _claim(ignore)]
    content = IgnoreFile(ignores=(*others, ignore))
    text = ignore_text(content.ignores)
    # What could not be read again would take the other ignores with it, and every scan after this one.
    again = ignores_of(document_of(text, problems), problems)
    if again.content is None:
        return again
    try:
        _replace(path, text)
    except OSError as error:
        problems.error(0, "", f"It cannot be written: {error.strerror}.", "Check the path and its permissions.")
        return Loaded(content=None, problems=problems.sorted())
    return Loaded(content=content)


def _claim(ignore: Ignore) -> tuple[object, ...]:
    return (ignore.service, ignore.kind, tuple(sorted(ignore.evidence.items())), ignore.hosts)


def _replace(path: Path, text: str) -> None:
    """All or nothing, and readable by its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
