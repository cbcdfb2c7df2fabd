"""From captures to a report: read, recognise, conclude. What `scan pcap` and `watch -i` have in common."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import FrameType

import msgspec

from aimscope_agent.host.tree import clean
from aimscope_agent.intake.capture_filter import Chosen, chosen
from aimscope_agent.intake.pcap import Capture, CaptureError, Filter, open_capture
from aimscope_agent.privacy import Curtain
from aimscope_agent.recognise import Recogniser
from aimscope_agent.traffic.coverage import EMITS, SENSOR, Look, coverage
from aimscope_agent.traffic.dissector import Dissector
from aimscope_agent.traffic.seen import Seen
from aimscope_agent.traffic.sieve import Sieve
from aimscope_cli.byte_progress import byte_progress
from aimscope_cli.concluding import Outcome, Setting, conclude, prepare
from aimscope_cli.digest import counted
from aimscope_cli.left_out import LeftOut, check_there
from aimscope_cli.names import NamePrinter
from aimscope_cli.output import Failure
from aimscope_cli.renderers import render, text
from aimscope_cli.report import Report
from aimscope_cli.settings import curtain, settings
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Coverage, Observation


class Request(msgspec.Struct, frozen=True):
    """Which captures to read, and how to judge. ``-`` is standard input."""

    paths: tuple[Path, ...]
    inventory: Path | None = None
    unit: str = ""
    expression: str = ""
    names: bool = False
    quiet: bool = False


class Reading:
    """One look at traffic: the parts that belong together, from the wire to the totals."""

    def __init__(
        self,
        setting: Setting,
        kept: Curtain,
        choice: Chosen,
        *,
        seen: Callable[[Seen], None] | None = None,
        found: Callable[[Seen], None] | None = None,
        observed: Callable[[Observation], None] | None = None,
    ) -> None:
        """``seen`` is told every name, ``found`` those worth it, ``observed`` what they became when that is known."""
        matcher = Matcher(setting.catalogue)
        self.recogniser = Recogniser(matcher, curtain=kept)
        self.dissector = Dissector(self._observed, Sieve(matcher), seen, found, choice.passes)
        self._choice = choice
        self.started = int(time.time())
        self._also = observed
        self._looks: list[Look] = []
        self._setting = setting
        self._kept = kept

    @property
    def stopped(self) -> bool:
        """Whether somebody wanted it to end."""
        return any(look.stopped for look in self._looks)

    def read(
        self,
        source: str,
        capture: Capture,
        *,
        on: Sequence[signal.Signals] = (signal.SIGINT,),
        endless: bool = False,
    ) -> None:
        """One capture to its end, or until a signal stops it. ``source`` is how it is called in the report.

        Where it is ``endless``, being stopped is no gap.
        """
        self.dissector.names.source = source
        gc.freeze()  # what lives as long as the program is not looked at again, and little else refers to itself
        gc.set_threshold(50_000, 20, 100)
        stopped = threading.Event()
        with stopping(capture, stopped, on):
            capture.run(self.dissector.packet)
        size = capture.done()
        early = stopped.is_set() and not endless and capture.size != size
        of = f" of {capture.size:,}" if capture.size else ""
        self._looks.append(
            Look(
                source=source,
                passed=capture.passed,
                packets=capture.packets,
                size=size,
                dropped=capture.dropped,
                truncated=capture.truncated,
                problems=capture.problems,
                stopped=f"stopped after {size:,}{of} bytes" if early else "",
            )
        )

    def skip(self, source: str) -> None:
        """A capture that was not even begun."""
        self._looks.append(Look(source=source, passed=0, stopped="not read: stopped before it"))

    def report(self, scope: str, target: str, host: str = "", left_out: tuple[Coverage, ...] = ()) -> Report:
        """What was seen, judged. ``left_out`` tells of what was not even opened."""
        self.dissector.finish()
        refused = self.recogniser.tally.refused
        notes = (f"{counted(refused, 'sightings')} left out: too many to keep apart.",) if refused else ()
        if self._choice.note:
            notes = (*notes, self._choice.note)
        outcome = Outcome(
            scope=scope,
            target=target,
            host=host,
            platform=sys.platform,
            started=self.started,
            finished=max(self.started, int(time.time())),
            sightings=self.recogniser.sightings(),
            coverage=(coverage(self.dissector, self._looks, veil_of(self._kept)), *left_out),
            emits={SENSOR: EMITS},
            notes=notes,
        )
        return conclude(outcome, self._setting)

    def _observed(self, observation: Observation) -> None:
        self.recogniser.take(observation)
        if self._also is not None:
            self._also(observation)


class Result(msgspec.Struct, frozen=True):
    """A report, and the captures that were named and not read."""

    report: Report
    unread: tuple[str, ...]


def run(request: Request) -> Result:
    """Read the captures in turn, as one. Raises ``Failure`` before anything is read where none can be opened."""
    setting = prepare(request.inventory, request.unit)
    kept = curtain(settings())
    printer = NamePrinter(veil_of(kept)) if request.names else None
    choice = choose(request.expression)
    reading = Reading(setting, kept, choice, seen=printer.take if printer else None)
    left_out, paths = _usable(request.paths)
    for path in paths:
        source = _called(path)
        if reading.stopped:
            reading.skip(source)
            continue
        try:
            capture = opened(path, choice.thorough, choice.light)
        except Failure as failure:
            left_out.note(source, failure)
            continue
        with capture, byte_progress(request.quiet, capture.size, capture.done, path.name):
            reading.read(source, capture)
    left_out.check(len(request.paths))
    report = reading.report("pcap", ", ".join(map(_called, request.paths)), left_out=left_out.coverage())
    if printer:
        printer.flush()
    return Result(report, left_out.files)


def _usable(paths: Sequence[Path]) -> tuple[LeftOut, list[Path]]:
    """What is a capture, as far as it can be told before a long look. Raises ``Failure`` where nothing is."""
    left_out, usable = LeftOut(), []
    for path in paths:
        check_there(str(path))
    for path in paths:
        try:
            if str(path) != "-" and not _is_pipe(path):
                opened(path).close()
        except Failure as failure:
            left_out.note(_called(path), failure)
        else:
            usable.append(path)
    left_out.check(len(paths))
    return left_out, usable


def _called(path: Path) -> str:
    return "standard input" if str(path) == "-" else clean(str(path))


def _is_pipe(path: Path) -> bool:
    """Whether it can be opened only once. What cannot be asked is not: opening it says why."""
    try:
        return path.is_fifo()
    except OSError:
        return False


def choose(expression: str) -> Chosen:
    """What is worth reading. ``expression`` is the user's own. Raises ``Failure``."""
    try:
        return chosen(expression)
    except CaptureError as error:
        raise Failure(str(error)) from None


def opened(path: Path, wanted: Filter = None, lighter: Filter = None) -> Capture:
    """A recorded capture, opened. Raises ``Failure``."""
    try:
        return open_capture("-" if str(path) == "-" else path, filter=wanted, lighter=lighter)
    except CaptureError as error:
        raise Failure(str(error)) from None


def rehearse(setting: Setting, forms: Iterable[str]) -> None:
    """Shows an empty report in each form: what that loads is loaded, while its files are within reach."""
    nothing = Outcome("watch", "", "", sys.platform, 0, 0, (), (), {})
    report = conclude(nothing, setting)
    for form in forms:
        render(form, report)
    list(text.lines(report, explain=True))


def check_writable(paths: Sequence[Path], user: str | None) -> None:
    """Raises ``Failure`` where this process, which became ``user``, could not write a file at the end."""
    who = f"the user {user}" if user else "this user"
    for path in paths:
        try:
            able = _writable(path)
        except OSError:
            able = False
        if not able:
            raise Failure(f"{path} could not be written at the end: name a file in a folder that {who} may write to")


def _writable(path: Path) -> bool:
    there, folder = path.exists(), path.parent
    if there and not path.is_file():
        return os.access(path, os.W_OK)  # a device or a pipe is written into, a file is replaced
    about = folder.stat()
    if there and about.st_mode & stat.S_ISVTX and os.geteuid() not in {0, about.st_uid, path.stat().st_uid}:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def veil_of(kept: Curtain) -> Callable[[str], str]:
    """The name under which the policy shows a device."""

    @lru_cache(maxsize=8_192)
    def veil(device: str) -> str:
        return kept.veiled(Observation("dns.query", {}, asset=device)).asset

    return veil


@contextlib.contextmanager
def stopping(capture: Capture, stopped: threading.Event, on: Sequence[signal.Signals]) -> Iterator[None]:
    """The first signal ends the capture in good order, the second one the program."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        capture.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, stop) for one in on}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
