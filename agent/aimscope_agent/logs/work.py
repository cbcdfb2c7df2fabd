"""What there is to read: files below the given paths, recognised, and cut into parts for several processes."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import msgspec

from aimscope_agent.formats._engines import State
from aimscope_agent.formats._format import Format
from aimscope_agent.host.tree import clean
from aimscope_agent.logs.documents import record_paths
from aimscope_agent.logs.parser import Parser
from aimscope_agent.logs.reading import Inflate, Log, UnusableError, part_blocks
from aimscope_agent.logs.recognition import Recognised, recognise
from aimscope_agent.logs.scanning import Part, Scan, Workshop

PIECE: Final = 67_108_864
"""Bytes of a part, about: small enough that all processors are busy to the end."""
MOST_FILES: Final = 200_000
STDIN: Final = "-"
LINK: Final = "a link that leads elsewhere is not followed; name what it leads to"


class Task(msgspec.Struct, frozen=True):
    """A part of a log. ``end`` is 0 for a log that is read as a whole, whatever its size."""

    file: int
    part: int
    path: str
    format: str
    now: int
    zone: str
    start: int = 0
    end: int = 0
    state: State | None = None


class Planned(msgspec.Struct, frozen=True):
    """A log that will be read. ``size`` in bytes of the file."""

    path: str
    shown: str
    format: str
    size: int
    now: int
    tasks: tuple[Task, ...]


class Unread(msgspec.Struct, frozen=True):
    """A file or folder that will not be read, and why; ``denied`` where it may not, a ``link`` by choice."""

    shown: str
    reason: str
    denied: bool = False
    link: bool = False


def below(paths: Iterable[Path], unread: Callable[[Unread], None]) -> Iterator[tuple[Path, bool]]:
    """The files at and below paths, by name, and whether each was named itself. Links are followed only if named.

    ``unread`` is told the folders that cannot be listed, links that lead elsewhere, and where there are too many files.
    """
    paths = tuple(paths)
    roots = tuple(Path(os.path.realpath(path)) for path in paths if path.is_dir())

    def closed(error: OSError) -> None:
        reason = (error.strerror or "cannot be read").lower()
        unread(Unread(clean(str(error.filename)), reason, isinstance(error, PermissionError)))

    count = 0
    for path in paths:
        if not path.is_dir():
            yield path, True
            continue
        for folder, folders, names in os.walk(path, onerror=closed):
            folders.sort()
            for name in folders:
                if leads_elsewhere(Path(folder, name), roots):
                    unread(Unread(clean(str(Path(folder, name))), LINK, link=True))
            for name in sorted(names):
                found = Path(folder, name)
                try:
                    mode = found.lstat().st_mode
                except OSError as error:  # gone, or in a folder that may be listed and no more
                    closed(error)
                    continue
                if stat.S_ISLNK(mode) and leads_elsewhere(found, roots):
                    unread(Unread(clean(str(found)), LINK, link=True))
                if not stat.S_ISREG(mode):
                    continue
                count += 1
                if count > MOST_FILES:
                    unread(Unread(clean(folder), f"more than {MOST_FILES:,} files: the rest is not read"))
                    return
                yield found, False


def leads_elsewhere(path: Path, roots: Iterable[Path]) -> bool:
    """Whether a path is a link to a file or folder outside of ``roots``: what is below them is read without it.

    Nothing is missed where a link leads to nothing, or to what is neither.
    """
    try:
        if not path.is_symlink():
            return False
        mode = path.stat().st_mode
    except PermissionError:
        return True
    except OSError:
        return False
    target = Path(os.path.realpath(path))
    inside = any(target == root or root in target.parents for root in roots)
    return not inside and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def look(file: IO[bytes], inflate: Inflate, formats: Iterable[Format]) -> tuple[Log, Recognised]:
    """Open a log and tell what it is. Raises ``UnusableError``, ``OSError`` and what ``inflate`` raises."""
    every = tuple(formats)
    log = Log(file, inflate, record_paths(every))
    if b"\0" in log.head[:4_096] and not log.head.strip(b"\0"):
        raise UnusableError("it has no text")
    return log, recognise(log.head, every)


def tasks_of(log: Log, form: Format, path: str, size: int, now: int, zone: str, number: int) -> tuple[Task, ...]:
    """The parts of a log, in its order."""
    whole = Task(number, 0, path, form.name, now, zone)
    if not log.seekable:
        return (whole,)
    parser = Parser(form, zone=zone, now=now)
    for _ in parser.feed(log.head[:16_384], 1, ""):
        pass
    state = parser.state if parser.heads else None
    starts = range(0, max(size, 1), max(size, 1) if form.settles else PIECE)
    ends = [*starts[1:], size]
    return tuple(
        msgspec.structs.replace(whole, part=part, start=start, end=end, state=state if start else None)
        for part, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


def run(task: Task, workshop: Workshop, inflate: Inflate, go_on: Callable[[int], bool], log: Log | None = None) -> Part:
    """Read a part, or the whole ``log``. ``go_on`` is told how many more bytes were read, and says whether to.

    Raises as ``look`` does.
    """
    form = workshop.formats[task.format]
    scan = Scan(form, workshop, zone=task.zone, now=task.now, state=task.state)
    if log is not None:
        return _whole(log, scan, go_on)
    with io.FileIO(task.path) as file:
        if not task.end:
            return _whole(Log(file, inflate, record_paths((form,))), scan, go_on)
        at = task.start
        for block, end in part_blocks(file, task.start, task.end):
            scan.block(block)
            if not go_on(end - at):
                return scan.result(stopped=True)
            at = end
        return scan.result()


def _whole(log: Log, scan: Scan, go_on: Callable[[int], bool]) -> Part:
    done = 0
    for block in log.blocks():
        scan.block(block)
        if not go_on(log.taken - done):
            return scan.result(stopped=True)
        done = log.taken
    return scan.result(truncated=log.truncated)
