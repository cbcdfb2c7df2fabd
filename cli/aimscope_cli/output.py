"""The only place that prints: plain text, JSON, tables, errors. Control characters never reach a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import Any

# C0 and C1 controls, line and paragraph separators, bidirectional overrides: names come from strangers
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_STYLES = {"bold": "1", "dim": "2", "red": "1;31", "yellow": "33", "green": "32", "blue": "34"}


class Failure(Exception):
    """An error for the user: one sentence that says what to do. ``status`` is the exit status."""

    def __init__(self, message: str, status: int = 2, details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.details = tuple(details)


def plain(text: str) -> str:
    r"""``text`` with characters that could steer a terminal written as ``\uXXXX``."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def say(text: str = "", style: str = "") -> None:
    """A line on standard output. ``style`` is a colour, or ``bold`` or ``dim``; only a terminal shows it."""
    line = plain(text)
    if style and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        line = f"\x1b[{_STYLES[style]}m{line}\x1b[0m"
    print(line)


def hint(text: str) -> None:
    """A line for the person at the keyboard, on standard error: never part of the result."""
    print(plain(text), file=sys.stderr)


def complain(failure: Failure) -> None:
    """A failure, on standard error."""
    print(f"aimscope: {plain(str(failure))}", file=sys.stderr)
    for detail in failure.details:
        print(f"  {plain(detail)}", file=sys.stderr)


def emit_json(value: Any, *, pretty: bool = False) -> None:
    """A JSON document on standard output: one line, or indented for reading."""
    import msgspec

    data = msgspec.json.encode(value, order="deterministic")
    if pretty:
        data = msgspec.json.format(data, indent=2)
    sys.stdout.buffer.write(data + b"\n")


def emit_text(text: str) -> None:
    """A finished document on standard output, as it is."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return bool(os.environ.get("AIMSCOPE_DEBUG"))
