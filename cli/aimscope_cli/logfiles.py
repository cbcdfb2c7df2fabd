"""From logs to a report: find, recognise, read in parallel, conclude. What `scan logs` does."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

import msgspec

from aimscope_agent.formats._format import Format
from aimscope_agent.formats._map import MapError
from aimscope_agent.formats._time import zone_of
from aimscope_agent.host.gaps import Gaps
from aimscope_agent.host.tree import clean
from aimscope_agent.intake.decompress import CompressionError, Stream
from aimscope_agent.logs.reading import Log, UnusableError
from aimscope_agent.logs.registry import formats
from aimscope_agent.logs.reporting import Summed, coverage_of, note_of, summed
from aimscope_agent.logs.scanning import Part, Workshop
from aimscope_agent.logs.work import PIECE, STDIN, Planned, Task, Unread, below, look, run, tasks_of
from aimscope_agent.logs.workers import Done, Failed, Kit, Pool, attempt, in_turn
from aimscope_cli.byte_progress import byte_progress
from aimscope_cli.concluding import Outcome, conclude, prepare
from aimscope_cli.output import Failure
from aimscope_cli.report import Report
from aimscope_cli.settings import curtain, settings
from aimscope_signatures.fold import Tally
from aimscope_signatures.model import Coverage, Gap, Status

_TOLD_APART = 40
"""Files that have a line of their own in the coverage; of more, the formats have."""
_FOLDERS, _NAMED = "folders", "files"
"""Where it is told what of folders, and what that was named itself, is not read."""


class Request(msgspec.Struct, frozen=True):
    """Which logs to read, and how. ``-`` is standard input."""

    paths: tuple[str, ...]
    format: str = ""
    zone: str = ""
    jobs: int = 0
    inventory: Path | None = None
    unit: str = ""
    search: bool = True
    quiet: bool = False


class Result(msgspec.Struct, frozen=True):
    """A report, the files that hardly had a line of their format, and those that were named and not read at all."""

    report: Report
    failed: tuple[str, ...]
    unread: tuple[str, ...]


def known_formats() -> dict[str, Format]:
    """The formats in force: ours, and those in the configuration folder. Raises ``Failure`` naming file and field."""
    try:
        return dict(formats(own_formats()))
    except MapError as error:
        raise Failure(str(error)) from None


def own_formats() -> Path:
    """Where the organisation's own maps lie: `AIMSCOPE_FORMATS`, else the configuration folder."""
    import platformdirs

    stated = os.environ.get("AIMSCOPE_FORMATS")
    return Path(stated) if stated else platformdirs.user_config_path("aimscope") / "formats"


def chosen(name: str, known: dict[str, Format]) -> dict[str, Format]:
    """The formats to recognise among: all, or the one that was named. Raises ``Failure`` for a name that is none."""
    if not name:
        return known
    if name not in known:
        raise Failure(f"no format {name!r}; `aimscope logs formats` lists them")
    return {name: known[name]}


def _check(path: str) -> None:
    """Raises ``Failure`` for what is no file and no folder."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - names need not be text
    except FileNotFoundError:
        raise Failure(f"{clean(path)} does not exist") from None
    except OSError as error:
        raise Failure(f"{clean(path)} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise Failure(f"{clean(path)} is no file: what comes through a pipe is read as standard input, -")


class _Plan:
    """The logs to read, and what cannot be read."""

    def __init__(self, request: Request, known: dict[str, Format]) -> None:
        self.request = request
        self.known = chosen(request.format, known)
        self.files: list[Planned] = []
        self.gaps = Gaps()
        """What of the folders is not read, or not to its end."""
        self.named = Gaps()
        """What was named itself and is not read."""
        self.unread: list[str] = []
        self.stdin: Log | None = None
        self._met: set[tuple[int, int]] = set()
        self._refusal: Failure | None = None
        for path in request.paths:
            if path == STDIN:
                self._stdin()
            else:
                _check(path)
        for found, named in below((Path(path) for path in request.paths if path != STDIN), self._unread):
            self._file(found, named=named)
        if self._refusal is not None and not self.files:
            raise self._refusal
        if not self.files and not self.gaps.told():
            for path in request.paths:
                self.gaps.note(Gap(clean(path), Status.PARTIAL, "it holds no log"))

    def _stdin(self) -> None:
        if sys.stdin is None or self.stdin is not None:
            raise Failure("there is no standard input to read, or it was named twice")
        self.stdin = self._log(sys.stdin.buffer, "standard input", STDIN, 0, int(time.time()), named=True)

    def _file(self, path: Path, *, named: bool) -> None:
        shown = clean(str(path))
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if (status.st_dev, status.st_ino) in self._met:
                    return
                self._met.add((status.st_dev, status.st_ino))
                if status.st_size:
                    self._log(file, shown, str(path), status.st_size, int(status.st_mtime), named=named)
                elif named:
                    self.gaps.note(Gap(shown, Status.PARTIAL, "it is empty"))
        except OSError as error:
            denied = Status.DENIED if isinstance(error, PermissionError) else Status.FAILED
            gap = Gap(shown, denied, (error.strerror or "cannot be read").lower())
            if named:
                self._refused(gap, Failure(f"{shown} cannot be read: {error.strerror}"))
            else:
                self.gaps.note(gap)

    def _unread(self, unread: Unread) -> None:
        status = Status.PARTIAL if unread.link else Status.DENIED if unread.denied else Status.FAILED
        self.gaps.note(Gap(unread.shown, status, unread.reason))

    def _refused(self, gap: Gap, failure: Failure) -> None:
        """Leave out what was named; where nothing else can be read either, the first failure is the answer."""
        self.named.note(gap)
        self.unread.append(gap.source)
        self._refusal = self._refusal or failure

    def _log(self, file: IO[bytes], shown: str, path: str, size: int, now: int, *, named: bool) -> Log | None:
        remedy = ""
        try:
            log, recognised = look(file, Stream, self.known.values())
        except UnusableError as error:
            reason = str(error)
        except CompressionError as error:
            reason, remedy = error.reason, error.remedy
        else:
            form = self.known[self.request.format] if self.request.format else recognised.format
            if form is not None:
                tasks = tasks_of(log, form, path, size, now, self.request.zone, len(self.files))
                self.files.append(Planned(path, shown, form.name, size, now, tasks))
                return log
            reason = recognised.reason()
            if log.truncated and not recognised.lines:
                reason = "the compressed file ends before its end"
            elif named and recognised.lines:
                remedy = "--format NAME says what it is"
        if named:
            advice = (f"{remedy}; `aimscope logs formats`" if remedy[:2] == "--" else remedy,) if remedy else ()
            self._refused(
                Gap(shown, Status.FAILED, reason, remedy=remedy), Failure(f"{shown}: {reason}", details=advice)
            )
        else:
            self.gaps.note(Gap(shown, Status.UNSUPPORTED, reason.partition(":")[0], remedy=remedy))
        return None


def run_scan(request: Request) -> Result:
    """Read the logs, judge what they show. Raises ``Failure`` for what is said before anything is read."""
    setting = prepare(request.inventory, request.unit)
    try:
        zone_of(request.zone)
    except ValueError as error:
        raise Failure(f"--zone: {error}") from None
    started = int(time.time())
    plan = _Plan(request, known_formats())
    kept = curtain(settings())
    used = {file.format: plan.known[file.format] for file in plan.files}
    workshop = Workshop(used, setting.catalogue, kept, search=request.search)
    kit = Kit(tuple(form.map for form in used.values()), setting.catalogue, kept, Stream, request.search)
    parts = _read(plan, workshop, kit)
    tally = Tally("")
    found = []
    for number, file in enumerate(plan.files):
        done = _in_order(file, parts.get(number, {}), workshop, plan.gaps)
        found.append(summed(file.shown, used[file.format], file.size, done, tally))
    coverage, emits = _coverage(found, plan)
    outcome = Outcome(
        scope="logs",
        target=", ".join("standard input" if path == STDIN else clean(path) for path in request.paths),
        host="",
        platform=sys.platform,
        started=started,
        finished=max(started, int(time.time())),
        sightings=tally.sightings(),
        coverage=coverage,
        emits=emits,
        notes=tuple(note_of(one, request.zone) for one in found[:_TOLD_APART]),
    )
    failed = tuple(one.shown for one in found if one.failed)
    return Result(conclude(outcome, setting), failed, tuple(plan.unread))


def _read(plan: _Plan, workshop: Workshop, kit: Kit) -> dict[int, dict[int, Done | Failed]]:
    """Every part of every file, by their numbers; parts that were never begun are missing."""
    request = plan.request
    tasks = [task for file in plan.files for task in file.tasks if task.path != STDIN]
    total = sum(file.size for file in plan.files)
    for file in plan.files:
        if file.size > PIECE // 64:
            workshop.prefilter(workshop.formats[file.format])
    jobs = request.jobs or os.cpu_count() or 1
    done = 0
    parts: dict[int, dict[int, Done | Failed]] = {}

    def tell(size: int) -> None:
        nonlocal done
        done += size

    with _stopping() as stopped:
        stop = stopped.is_set
        # a process of its own takes longer to start than a small log to read
        pool = Pool(tasks, jobs, kit, workshop) if jobs > 1 and len(tasks) > 1 and total > PIECE // 4 else None
        with byte_progress(request.quiet, total or None, lambda: done, "logs"):
            if plan.stdin is not None:
                (task,) = (task for file in plan.files for task in file.tasks if task.path == STDIN)
                whole = attempt(task, workshop, Stream, lambda _: not stop(), plan.stdin)
                parts.setdefault(task.file, {})[0] = whole
            results = pool.results(tell, stop) if pool else in_turn(tasks, workshop, Stream, tell, stop)
            for task, result in results:
                parts.setdefault(task.file, {})[task.part] = result
    return parts


def _in_order(file: Planned, done: dict[int, Done | Failed], workshop: Workshop, gaps: Gaps) -> list[Part]:
    """The parts of a file. One that began under other headers than the part before it ended with is read again."""
    found: list[Part] = []
    for task in file.tasks:
        result = done.get(task.part)
        if isinstance(result, Failed):
            gaps.note(Gap(file.shown, Status.DENIED if result.denied else Status.FAILED, result.reason.lower()))
        if not isinstance(result, Done):
            found.append(Part(stopped=True))
            break
        part = result.part
        if found and part.before != found[-1].after and not found[-1].stopped:
            again: Task = msgspec.structs.replace(task, state=found[-1].after)
            part = run(again, workshop, Stream, lambda _: True)
        found.append(part)
    return found


def _coverage(found: list[Summed], plan: _Plan) -> tuple[tuple[Coverage, ...], dict[str, tuple[str, ...]]]:
    """One for each file, or for each format where files are many; what could not be read has one of its own."""
    every: dict[str, Coverage] = {}
    emits: dict[str, tuple[str, ...]] = {}
    for one in found:
        part = coverage_of(one)
        name = part.sensor if len(found) <= _TOLD_APART else one.format.name
        every[name] = part if len(found) <= _TOLD_APART else _together(name, every.get(name), part)
        emits[name] = one.format.kinds
    for name, gaps in ((_NAMED, plan.named), (_FOLDERS, plan.gaps)):
        if told := gaps.told():
            counts = {"not read": len(plan.unread)} if name == _NAMED else {"files": len(found)}
            every[name] = Coverage(name, gaps.worst(), told, counts)
    return tuple(every.values()), emits


def _together(name: str, one: Coverage | None, other: Coverage) -> Coverage:
    if one is None:
        return msgspec.structs.replace(other, sensor=name, counts={"files": 1, **other.counts})
    gaps = Gaps()
    for gap in (*one.gaps, *other.gaps):
        gaps.note(gap)
    counts = Counter(one.counts)
    counts.update({"files": 1, **other.counts})
    worst = max(one.status, other.status, key=("complete", "partial", "failed").index)
    return Coverage(name, worst, gaps.told(), dict(counts))


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """The first Ctrl-C ends the reading in good order, the second one the program."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
