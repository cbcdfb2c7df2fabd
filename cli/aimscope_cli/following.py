"""Logs that grow and syslog that arrives: what is new is said once, what is known is kept. `aimscope watch --log`."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

import msgspec

from aimscope_agent.formats._time import zone_of
from aimscope_agent.host.tree import clean
from aimscope_agent.intake.following import EMITS, SENSOR, LogWatch
from aimscope_agent.intake.listening import SENSOR as SYSLOG
from aimscope_agent.intake.listening import SyslogWatch
from aimscope_agent.intake.syslog import ListenError, Syslog, endpoint
from aimscope_agent.intake.tail import belongs
from aimscope_agent.ledger import Ledger, LedgerError
from aimscope_agent.logs.scanning import Workshop
from aimscope_cli import state
from aimscope_cli.concluding import Outcome, conclude, prepare
from aimscope_cli.logfiles import chosen, known_formats
from aimscope_cli.output import Failure, hint
from aimscope_cli.report import Report
from aimscope_cli.settings import curtain, settings
from aimscope_cli.watching import Herald, json_line, text_line
from aimscope_signatures.model import Coverage, Sighting

_PAUSE = 0.5
"""Seconds between two looks at logs."""
_LAST_LOOKS = 2
"""Looks one after the other that find nothing more: the second for what the first met in the midst of a rotation."""


class Request(msgspec.Struct, frozen=True):
    """What to follow, and how. ``once`` reads what is there and ends; ``seconds`` is how long otherwise."""

    logs: tuple[Path, ...] = ()
    syslog: tuple[str, ...] = ()
    format: str = ""
    zone: str = ""
    from_end: bool = False
    once: bool = False
    seconds: float | None = None
    state: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    allow_plain: bool = False
    as_json: bool = False
    inventory: Path | None = None
    unit: str = ""
    quiet: bool = False


class Result(msgspec.Struct, frozen=True):
    """A report, the logs of which hardly a line could be read, and those that were named and not read at all."""

    report: Report
    failed: tuple[str, ...]
    unread: tuple[str, ...]


def follow(request: Request) -> Result:
    """Follow until somebody stops it. Raises ``Failure`` for what cannot be followed or kept."""
    _check(request)
    setting = prepare(request.inventory, request.unit)
    try:
        zone_of(request.zone)
    except ValueError as error:
        raise Failure(f"--zone: {error}") from None
    formats = known_formats()
    form = chosen(request.format, formats)[request.format] if request.format else None
    kept = curtain(settings())
    herald = Herald(setting, kept, json_line if request.as_json else text_line)
    workshop = Workshop(formats, setting.catalogue, kept)
    started = int(time.time())
    folder = request.state or state.state_folder()
    with _stopped() as stopped, contextlib.ExitStack() as open_things:
        ledger = _ledger(folder / "watch.db", started)
        open_things.callback(ledger.close)
        notes = []
        if ledger.set_aside:
            notes.append(f"What was kept was damaged. It is set aside as {ledger.set_aside}; logs go on at their end.")
        logs = arrivals = None
        places = ledger.places()
        if places:
            notes.append("What is kept of earlier runs is in this report; counts of lines are of this run.")
        if request.syslog and ledger.sightings():
            notes.append("What could not be read of syslog is told of this run only.")
        if request.logs or places:  # also of logs that are not followed any more it is said what they lack
            from_end = request.from_end or bool(ledger.set_aside)
            paths = [path.absolute() for path in request.logs]
            try:
                logs = LogWatch(paths, ledger, workshop, zone=request.zone, form=form, from_end=from_end)
            except LedgerError as error:
                raise Failure(f"{error}; --state FOLDER keeps it elsewhere") from None
            open_things.callback(logs.close)
        if request.syslog:
            listener = _listener(request)
            open_things.callback(listener.close)
            arrivals = SyslogWatch(listener, ledger, workshop, zone=request.zone, form=form)
        _say(request)
        _run(request, logs, arrivals, herald, stopped)
        outcome = Outcome(
            scope="watch",
            target=", ".join([*(clean(str(path)) for path in request.logs), *request.syslog]),
            host="",
            platform=sys.platform,
            started=started,
            finished=max(started, int(time.time())),
            sightings=ledger.sightings(),
            coverage=tuple(_coverage(request, logs, arrivals)),
            emits={SENSOR: EMITS, SYSLOG: EMITS},
            notes=tuple(notes),
        )
        failed, unread = (logs.failed(), logs.unread()) if logs else ((), ())
    shown = (tuple(map(clean, failed)), tuple(map(clean, unread)))
    return Result(conclude(outcome, setting), *shown)


def _coverage(request: Request, logs: LogWatch | None, arrivals: SyslogWatch | None) -> Iterator[Coverage]:
    told = logs.coverage() if logs else None
    if told and (request.logs or told.gaps):
        yield told
    if arrivals:
        yield arrivals.coverage()


def _check(request: Request) -> None:
    """Refuse what can never be followed; a log that is not there may still come."""
    places = {path: Path(os.path.realpath(path)) for path in dict.fromkeys(request.logs)}
    for path, place in places.items():
        for other, there in places.items():
            rotated = there.parent == place.parent and belongs(there, place.name)
            if path is not other and (there in place.parents or rotated):
                raise Failure(f"{clean(str(path))} would be read twice: {clean(str(other))} is followed too")
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            if not request.quiet:
                hint(f"{clean(str(path))} is not there; it is read when it is.")
        except OSError as error:
            raise Failure(f"{clean(str(path))} cannot be followed: {error.strerror}") from None
        else:
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise Failure(f"{clean(str(path))} cannot be followed: it is neither a file nor a folder")


def _run(
    request: Request, logs: LogWatch | None, arrivals: SyslogWatch | None, herald: Herald, stopped: threading.Event
) -> None:
    """Look again and again until it is over; then take what still waits."""
    ends = time.monotonic() + request.seconds if request.seconds is not None else math.inf
    quiet_looks = 0

    def over() -> bool:
        return stopped.is_set() or time.monotonic() >= ends

    while not over() and quiet_looks < _LAST_LOOKS:
        if logs:
            _tell(herald, logs.step(time.monotonic(), int(time.time()), stop=over))
        behind = logs is not None and logs.behind
        pause = 0.0 if behind else max(0.0, min(_PAUSE, ends - time.monotonic()))
        if arrivals:
            _tell(herald, arrivals.step(time.monotonic(), int(time.time()), timeout=pause))
        elif pause:
            stopped.wait(pause)
        quiet_looks = quiet_looks + 1 if request.once and not behind else 0
    for watch in (logs, arrivals):
        if watch:
            _tell(herald, watch.finish(int(time.time())))


def _tell(herald: Herald, new: Iterable[Sighting]) -> None:
    for sighting in new:
        herald.sighted(sighting, sighting.last)


def _say(request: Request) -> None:
    if not request.quiet and not request.once:
        hint("Watching; Ctrl-C ends it and shows the report of all that is kept.")


def _ledger(path: Path, now: int) -> Ledger:
    try:
        return Ledger(path, now=now)
    except LedgerError as error:
        raise Failure(f"{error}; --state FOLDER keeps it elsewhere") from None


def _listener(request: Request) -> Syslog:
    try:
        places = tuple(endpoint(text, allow_plain=request.allow_plain) for text in request.syslog)
        listener = Syslog(places, certificate=request.certificate, key=request.key, client_ca=request.client_ca)
    except ListenError as error:
        raise Failure(str(error)) from None
    return listener


@contextlib.contextmanager
def _stopped() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C or SIGTERM; a second one ends the program."""
    event = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
