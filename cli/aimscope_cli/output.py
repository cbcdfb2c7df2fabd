"""The only place that prints: plain text, JSON, tables, errors. Control characters never reach a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

# C0 (but tabs) and C1 controls, line and paragraph separators, bidirectional overrides: names come from strangers
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_STYLES = {"bold": "1", "dim": "2", "red": "1;31", "yellow": "33", "green": "32", "blue": "34"}


class Failure(Exception):
    """An error for the user: one sentence that says what to do. ``status`` is the exit status."""

    def __init__(self, message: str, status: int = 2, details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.details = tuple(details)


class ReaderGoneError(Exception):
    """Whoever read standard output has gone (`| head`)."""


def plain(text: str) -> str:
    r"""``text`` with characters that could steer a terminal written as ``\uXXXX``."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def say(text: str = "", style: str = "") -> None:
    """A line on standard output. ``style`` is a colour, or ``bold`` or ``dim``; only a terminal shows it."""
    line = plain(text)
    if style and sys.stdout is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        line = f"\x1b[{_STYLES[style]}m{line}\x1b[0m"
    with _output():
        print(line)


def hint(text: str) -> None:
    """A line for the person at the keyboard, on standard error: never part of the result."""
    _tell(plain(text))


def trace(text: str) -> None:
    """Several lines for whoever looks for a defect, on standard error."""
    for line in text.splitlines():
        _tell(plain(line))


def complain(failure: Failure) -> None:
    """A failure, on standard error."""
    _tell(f"aimscope: {plain(str(failure))}")
    for detail in failure.details:
        _tell(f"  {plain(detail)}")


def emit_json(value: Any, *, pretty: bool = False) -> None:
    """A JSON document on standard output: one line, or indented for reading."""
    import msgspec

    data = msgspec.json.encode(value, order="deterministic")
    if pretty:
        data = msgspec.json.format(data, indent=2)
    _emit(data + b"\n")


def emit_text(text: str) -> None:
    """A finished document on standard output, in UTF-8: as it is, but for what could steer a terminal if it is one."""
    if sys.stdout is not None and sys.stdout.isatty():
        text = "\n".join(map(plain, text.splitlines()))
    _emit((text if text.endswith("\n") else text + "\n").encode("utf-8", "replace"))


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return bool(os.environ.get("AIMSCOPE_DEBUG"))


def flush() -> None:
    """Nothing is left to write. Raises as writing does."""
    if sys.stdout is not None:
        with _output():
            sys.stdout.flush()


def _emit(data: bytes) -> None:
    if sys.stdout is None:  # closed by whoever started the program
        return
    with _output():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def _tell(line: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr)


@contextlib.contextmanager
def _output() -> Iterator[None]:
    """Raises ``ReaderGoneError``, or ``Failure`` where standard output cannot be written."""
    try:
        yield
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise Failure(f"standard output cannot be written: {error.strerror}") from None
