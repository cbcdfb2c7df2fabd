"""From exports to a report: open, recognise, read, conclude. What `import` does."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Final

import msgspec

from aimscope_agent.host.gaps import Gaps
from aimscope_agent.host.tree import clean
from aimscope_agent.intake.decompress import CompressionError, Stream
from aimscope_agent.recognise import Recogniser
from aimscope_agent.sources._export import Export
from aimscope_agent.sources._recognition import fit_of, recognised, seen
from aimscope_agent.sources._registry import sources
from aimscope_agent.sources._source import Source, UnusableError
from aimscope_cli.byte_progress import byte_progress
from aimscope_cli.concluding import Outcome, conclude, prepare
from aimscope_cli.digest import counted
from aimscope_cli.left_out import LeftOut, check_there
from aimscope_cli.output import Failure
from aimscope_cli.report import Report
from aimscope_cli.settings import curtain, settings
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Coverage, Gap, Status

AUTO: Final = "auto"
_STDIN: Final = "-"
_STDIN_NAME: Final = "standard input"
_PIECE: Final = 262_144
_MEMBERS: Final = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt")


class Request(msgspec.Struct, frozen=True):
    """Which files to read, and of which source; none: told by their columns."""

    paths: tuple[str, ...]
    source: str = ""
    inventory: Path | None = None
    unit: str = ""
    quiet: bool = False


class Result(msgspec.Struct, frozen=True):
    """A report, the files that hardly had a row of their source, and those that were named and not read."""

    report: Report
    failed: tuple[str, ...]
    unread: tuple[str, ...]


class _Opened:
    """A file, its content, and how far it has been read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.shown = _STDIN_NAME if path == _STDIN else clean(path)
        self.at = int(time.time())
        self.size: int | None = None
        self._stream: Stream | None = None
        self._file = self._open()
        self.pieces = self._pieces()

    @property
    def done(self) -> int:
        """Bytes read so far, as they lie on disk."""
        return self._stream.taken if self._stream is not None else self._file.tell()

    @property
    def truncated(self) -> bool:
        """Whether compressed data has no end."""
        return self._stream is not None and self._stream.truncated

    def close(self) -> None:
        """Let go of the file."""
        if self.path != _STDIN:
            self._file.close()

    def _open(self) -> IO[bytes]:
        if self.path == _STDIN:
            if sys.stdin is None:
                raise Failure("there is no standard input to read")
            return sys.stdin.buffer
        try:
            file = Path(self.path).open("rb")  # noqa: SIM115 - closed with this object
        except OSError as error:
            raise Failure(f"{self.shown} cannot be read: {(error.strerror or 'unknown').lower()}") from None
        status = os.fstat(file.fileno())
        self.at, self.size = int(status.st_mtime), status.st_size
        return file

    def _pieces(self) -> Iterator[bytes]:
        if self.path != _STDIN and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):  # pipes have no end to look at
            if zipfile.is_zipfile(self._file):
                return self._unzipped()
            self._file.seek(0)
        try:
            self._stream = Stream(self._file)
        except (OSError, CompressionError) as error:
            raise Failure(f"{self.shown} cannot be read: {error}") from None
        return iter(self._stream)

    def _unzipped(self) -> Iterator[bytes]:
        """The one table of an archive, as Intune's reports come."""
        archive = zipfile.ZipFile(self._file)
        names = [name for name in archive.namelist()[:10_000] if name.casefold().endswith(_MEMBERS)]
        if len(names) != 1:
            held = clean(", ".join(names[:8])) or "no table; of a workbook, save the sheet as CSV"
            raise Failure(f"{self.shown} is an archive of {held}", details=("unpack it, and name the file",))
        with archive.open(names[0]) as member:
            while piece := member.read(_PIECE):
                yield piece


def source_named(name: str) -> Source | None:
    """The source of a name, with hyphens or without; ``None`` for `auto`. Raises ``Failure`` for what is none."""
    known = sources()
    word = name.casefold().replace("-", "_")
    if word == AUTO:
        return None
    if word not in known:
        near = get_close_matches(word, known, n=1)
        told = f"; did you mean {near[0]}?" if near else ""
        raise Failure(
            f"{clean(name)!r} is no file and no source{told}", details=("`aimscope import` lists the sources",)
        )
    return known[word]


def is_source(word: str) -> bool:
    """Whether a word is the name of a source, or `auto`."""
    return word.casefold().replace("-", "_") in {AUTO, *sources()}


class _Look:
    """What was read of one source: its files go into one coverage."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shared: dict[str, object] = {}
        self.gaps = Gaps()
        self.continued = 0
        self.counts: Counter[str] = Counter({"files": 0, "rows": 0, "unreadable": 0, "observed": 0})

    def take(self, export: Export) -> None:
        """Add what came of a file."""
        self.counts["files"] += 1
        self.continued += export.continued
        self.counts.update(export.counts)
        for gap in export.told():
            self.gaps.note(gap)

    def coverage(self) -> Coverage:
        """How well the files could be read, and what no such file can tell."""
        if self.continued and self.continued >= self.counts["files"]:  # of several pages, only the last says no more
            reason = "the answer has further pages that no file holds"
            self.gaps.note(Gap(self.source.title, Status.PARTIAL, reason, remedy="name the files of all pages"))
        self.gaps.note(Gap(self.source.title, Status.UNSUPPORTED, f"cannot tell: {self.source.cannot}"))
        return Coverage(self.source.name, self.gaps.worst(), self.gaps.told(), dict(self.counts))


def run(request: Request) -> Result:
    """Read the files, judge what they show. Raises ``Failure`` for what is said before anything is read."""
    setting = prepare(request.inventory, request.unit)
    wanted = source_named(request.source) if request.source else None
    recogniser = Recogniser(Matcher(setting.catalogue), curtain=curtain(settings()))
    started = int(time.time())
    looks: dict[str, _Look] = {}
    failed: list[str] = []
    stopped = ""
    left_out = LeftOut()
    if request.paths.count(_STDIN) > 1:
        raise Failure("standard input was named twice")
    for path in request.paths:
        check_there(path)
    for path in request.paths:
        try:
            with contextlib.closing(_Opened(path)) as opened, _readable(opened):
                stopped = _read(opened, wanted, recogniser, looks, failed, started, quiet=request.quiet)
        except Failure as failure:
            left_out.note(_STDIN_NAME if path == _STDIN else clean(path), failure)
        if stopped:
            break
    left_out.check(len(request.paths))
    outcome = Outcome(
        scope="import",
        target=", ".join(_STDIN_NAME if path == _STDIN else clean(path) for path in request.paths),
        host="",
        platform=sys.platform,
        started=started,
        finished=max(started, int(time.time())),
        sightings=recogniser.sightings(),
        coverage=(*(look.coverage() for look in looks.values()), *left_out.coverage()),
        emits={name: look.source.emits for name, look in looks.items()},
        notes=(*_notes(looks, recogniser), *((stopped,) if stopped else ())),
    )
    return Result(conclude(outcome, setting), tuple(failed), left_out.files)


@contextlib.contextmanager
def _readable(opened: _Opened) -> Iterator[None]:
    """What goes wrong in reading, as a ``Failure``."""
    try:
        yield
    except (OSError, CompressionError, UnusableError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        reason = (error.strerror or "unknown").lower() if isinstance(error, OSError) else str(error)
        raise Failure(f"{opened.shown} cannot be read: {reason}") from None


def _read(
    opened: _Opened,
    wanted: Source | None,
    recogniser: Recogniser,
    looks: dict[str, _Look],
    failed: list[str],
    now: int,
    *,
    quiet: bool,
) -> str:
    """Read one file; what to tell where somebody stopped it."""
    export = Export(opened.shown, opened.pieces, at=opened.at, now=now)
    source = _source_of(export, opened, wanted)
    look = looks.setdefault(source.name, _Look(source))
    export.shared = look.shared
    stopped = ""
    with byte_progress(quiet, opened.size, lambda: opened.done, Path(opened.path).name):
        try:
            recogniser.take_all(source.read(export))
        except KeyboardInterrupt:
            stopped = f"Stopped within {opened.shown}: what follows was not read."
            export.gap(Status.PARTIAL, f"stopped after {counted(export.counts['rows'], 'rows')}")
    if opened.truncated:
        export.gap(Status.PARTIAL, "the compressed file ends before its end")
    if export.counts["unreadable"] > export.counts["observed"]:
        failed.append(opened.shown)
    look.take(export)
    return stopped


def _source_of(export: Export, opened: _Opened, wanted: Source | None) -> Source:
    """The source, and the shape of the file. Raises ``Failure`` that says what it looks like instead."""
    path = opened.path
    if not export.head.strip():
        raise Failure(f"{opened.shown} is empty")
    if wanted is not None:
        fit = fit_of(export, wanted, asked=True)
        if fit is not None:
            export.shape = fit.shape
            return wanted
    found = recognised(export, sources().values())
    if wanted is None and len(found) == 1:
        export.shape = found[0].shape
        return found[0].source
    how = tuple(f"aimscope import {fit.source.name} {path}" for fit in found)
    titles = " or ".join(fit.source.title for fit in found)
    if wanted is None and found:
        raise Failure(f"{opened.shown} may be of {titles}; say which", details=how)
    if found:
        raise Failure(f"{opened.shown} looks like {titles}, not {wanted.title if wanted else ''}", details=how)
    what = f"not recognised as {wanted.title}" if wanted else "of no source that is known"
    listed = (f"{wanted.title}: {wanted.doc}",) if wanted else ()
    raise Failure(
        f"{opened.shown} is {what}: it has {clean(seen(export))}",
        details=(*listed, "`aimscope import` lists the sources"),
    )


def _notes(looks: dict[str, _Look], recogniser: Recogniser) -> Iterator[str]:
    for look in looks.values():
        read = f"{counted(look.counts['rows'], 'rows')}, {counted(look.counts['observed'], 'facts')}"
        yield f"{look.source.title}: {read}. Proves: {look.source.proves}."
    if recogniser.tally.refused:
        yield f"{counted(recogniser.tally.refused, 'sightings')} left out: too many to keep apart."
