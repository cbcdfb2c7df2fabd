"""Moments, days, sizes and numbers as people read them. Times are seconds since 1970 UTC."""

from __future__ import annotations

import datetime
from typing import Final

from markupsafe import Markup

from aimscope_collector.http.frame.texts import text

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_LATEST: Final = 253_402_300_799
_STEPS: Final = (
    (86_400 * 365, "years"),
    (86_400 * 30, "months"),
    (86_400, "days"),
    (3_600, "hours"),
    (60, "minutes"),
)
_SIZES: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def _date(at: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(seconds=max(0, min(at, _LATEST)))


def moment(at: int | None) -> Markup | str:
    """A moment: UTC on hover, and the viewer's own time where a script may run."""
    if at is None:
        return text("frame.never")
    date = _date(at)
    said = f"{date:%Y-%m-%d %H:%M} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(f"{date:%Y-%m-%dT%H:%M:%SZ}", said, said)


def day(at: int | None) -> Markup | str:
    """The day a moment lies in, in UTC: never moved by the viewer's zone."""
    if at is None:
        return text("frame.never")
    date = _date(at)
    return Markup('<time datetime="{}" data-day>{}</time>').format(f"{date:%Y-%m-%d}", f"{date.day} {date:%b %Y}")


def ago(at: int | None, now: int) -> str:
    """How long ago, in the largest unit that fits."""
    if at is None:
        return text("frame.never")
    seconds = now - at
    if seconds < 0:
        return text("frame.ahead")
    for size, unit in _STEPS:
        if seconds >= size:
            return text(f"frame.ago.{unit}", n=seconds // size)
    return text("frame.ago.now")


def size(number: int | None) -> str:
    """Bytes in powers of a thousand; unknown is said, and is not nothing."""
    if number is None:
        return text("frame.unknown")
    value = float(number)
    for unit in _SIZES:
        if value < 1_000 or unit == _SIZES[-1]:
            return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:,.1f} {unit}"
        value /= 1_000
    raise AssertionError


def number(value: int | None, fewer_than: int | None = None) -> str:
    """A number with its thousands told apart; ``fewer_than`` where a group is too small to be told."""
    if value is None:
        return text("frame.fewer", n=fewer_than) if fewer_than else text("frame.unknown")
    return f"{value:,}"


def percent(part: int | None, whole: int | None) -> str:
    """A share; unknown where there is nothing to divide by."""
    if part is None or not whole:
        return text("frame.unknown")
    share = 100 * part / whole
    return f"{share:.0f} %" if share in (0, 100) or 1 <= share <= 99 else f"{share:.1f} %"
