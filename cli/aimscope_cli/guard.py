"""How the program ends: a result, one line that says what to do, or quietly. Never a traceback on its own accord."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

from aimscope_cli.output import Failure, ReaderGoneError, complain, debugging, flush, trace

_DEFECT = 1
_STOPPED = 130
_READER_GONE = 141


def guarded(program: Callable[[], None]) -> None:
    """Run the program and leave with its exit status."""
    _prepare_streams()
    _prepare_interrupts()
    try:
        status = _status_of(program)
    except Failure as failure:
        complain(failure)
        status = failure.status
    except ReaderGoneError:
        status = _READER_GONE  # `| head`: the conventional quiet end
    except KeyboardInterrupt:
        complain(Failure("stopped"))
        status = _STOPPED
    except Exception as error:  # noqa: BLE001 - a user never sees a traceback
        if debugging():
            # places only: the text of an exception may hold what was being read
            trace("".join(traceback.format_tb(error.__traceback__)))
        complain(Failure(f"a defect in aimscope: {type(error).__name__}; run again with AIMSCOPE_DEBUG=1 to see where"))
        status = _DEFECT
    _forget_output()
    sys.exit(status)


def _status_of(program: Callable[[], None]) -> int:
    status: object = 0
    try:
        program()
    except SystemExit as end:
        status = end.code or 0
    if status == _STOPPED:
        raise KeyboardInterrupt
    flush()
    return status if isinstance(status, int) else _DEFECT


def _prepare_streams() -> None:
    """No file that is opened takes the place of a closed stream; what an encoding lacks is written as an escape."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _prepare_interrupts() -> None:
    """Ctrl-C raises; the next one kills: the first may be lost in a callback of the interpreter, while it imports."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)


@contextlib.contextmanager
def cancelling() -> Iterator[None]:
    """Leave Ctrl-C to asyncio, which takes it over from Python's own handler and from no other."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _forget_output() -> None:
    """What could not be written is not tried again while the interpreter ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
