"""Logs that grow and syslog that arrives: what is new is said once, what is known is kept. `aimscope watch --log`."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import msgspec

from aimscope_agent.formats._time import zone_of
from aimscope_agent.host.tree import clean
from aimscope_agent.intake.following import EMITS, SENSOR, LogWatch
from aimscope_agent.intake.listening import SENSOR as SYSLOG
from aimscope_agent.intake.listening import SyslogWatch
from aimscope_agent.intake.syslog import ListenError, Syslog, endpoint
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


def follow(request: Request) -> Report:
    """Follow until somebody stops it. Raises ``Failure`` for what cannot be followed or kept."""
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
        steps: list[Callable[[], tuple[Sighting, ...]]] = []
        covered: list[Callable[[], Coverage]] = []
        if request.logs:
            from_end = request.from_end or bool(ledger.set_aside)
            paths = [path.absolute() for path in request.logs]
            logs = LogWatch(paths, ledger, workshop, zone=request.zone, form=form, from_end=from_end)
            open_things.callback(logs.close)
            steps.append(lambda: logs.step(time.monotonic(), int(time.time()), stop=stopped.is_set))
            covered.append(logs.coverage)
        if request.syslog:
            listener = _listener(request)
            open_things.callback(listener.close)
            arrivals = SyslogWatch(listener, ledger, workshop, zone=request.zone, form=form)
            steps.append(lambda: arrivals.step(time.monotonic(), int(time.time()), timeout=_PAUSE))
            covered.append(arrivals.coverage)
        _say(request)
        _run(request, steps, herald, stopped)
        if request.logs and request.once:
            for sighting in logs.finish(int(time.time())):
                herald.sighted(sighting, sighting.last)
        outcome = Outcome(
            scope="watch",
            target=", ".join([*(clean(str(path)) for path in request.logs), *request.syslog]),
            host="",
            platform=sys.platform,
            started=started,
            finished=max(started, int(time.time())),
            sightings=ledger.sightings(),
            coverage=tuple(cover() for cover in covered),
            emits={SENSOR: EMITS, SYSLOG: EMITS},
            notes=tuple(notes),
        )
    return conclude(outcome, setting)


def _run(
    request: Request, steps: list[Callable[[], tuple[Sighting, ...]]], herald: Herald, stopped: threading.Event
) -> None:
    ends = time.monotonic() + request.seconds if request.seconds is not None else None
    quiet_looks = 0
    while not stopped.is_set():
        new = [sighting for step in steps for sighting in step()]
        for sighting in new:
            herald.sighted(sighting, sighting.last)
        now = time.monotonic()
        if ends is not None and now >= ends:
            return
        quiet_looks = 0 if new else quiet_looks + 1
        if request.once and quiet_looks >= _LAST_LOOKS:
            return
        if not request.syslog:
            stopped.wait(min(_PAUSE, ends - now) if ends is not None else _PAUSE)


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
