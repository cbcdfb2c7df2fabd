"""Text → seconds since 1970 UTC, for the ways in which logs write time."""

from __future__ import annotations

import datetime
import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_REMEMBERED: Final = 50_000
_LAST: Final = 253_402_300_799
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
TIME_FORMATS: Final = frozenset({"auto", "epoch", "epoch_ms", "epoch_us", "epoch_ns"})
_EPOCH: Final = re.compile(r"(\d{9,10}|\d{13}|\d{16}|\d{19})(?:[.,]\d*)?\Z")
SECONDS: Final = re.compile(r"[0-9]{10}(?:\.[0-9]{1,9})?\Z")
"""Seconds since 1970, in the years from 2001 to 2286."""
_FORMS: Final = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # 2026-11-23T16:05:07.123+01:00, 2026/11/23 16:05:07, 2026-11-23-16:05:07
        r"\[?(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})[T :-]{1,2}TIME",
        # 23/Nov/2026:16:05:07 +0100, 23-Nov-2026 16:05:07.123
        r"\[?(?P<d>\d{1,2})[-/ ](?P<mon>[a-z]{3})[a-z]*[-/ ](?P<y>\d{4})[: ]TIME",
        # Mon, 23 Nov 2026 16:05:07 GMT
        r"[a-z]{3,9},? (?P<d>\d{1,2}) (?P<mon>[a-z]{3})[a-z]* (?P<y>\d{4}) TIME",
        # Mon Nov 23 16:05:07 2026, Nov 23 2026 16:05:07, Nov 23 16:05:07
        r"(?:[a-z]{3,9},? )?(?P<mon>[a-z]{3})[a-z]* +(?P<d>\d{1,2}),?(?: (?P<y>\d{4}))?[ ,]+TIME(?: (?P<y2>\d{4}))?",
        # 11/23/2026 4:05:07 PM; 23.11.2026 16:05:07
        r"(?P<a>\d{1,2})(?P<sep>[/.-])(?P<b>\d{1,2})[/.-](?P<y>\d{4}|\d{2})[ ,]+TIME",
        # 20261123160507
        r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)T?(?P<h>\d\d)(?P<min>\d\d)(?P<s>\d\d)(?P<f>)(?P<pm>)(?P<z>Z)?",
    )
)
_FORMS_COMPLETE: Final = tuple(
    re.compile(
        form.pattern.replace(
            "TIME",
            r"(?P<h>\d{1,2}):(?P<min>\d\d):(?P<s>\d\d)(?P<f>[.,]\d{1,9})? ?(?P<pm>[ap]m)?"
            r" ?(?P<z>Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)?(?:\s*\(?[A-Z]{2,5}\)?)?",
        )
        + r"\]?\Z",
        re.IGNORECASE,
    )
    for form in _FORMS
)
Zone = datetime.tzinfo | None
"""``None`` is the zone of this machine."""


def zone_of(text: str) -> Zone:
    """``local``, ``utc``, ``+02:00``, ``-0500`` or a name such as ``Europe/Berlin``. Raises ``ValueError``."""
    word = text.strip().strip('"')
    if word.lower() in {"local", ""}:
        return None
    if word.lower() in {"utc", "z", "gmt"}:
        return datetime.UTC
    found = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d\d?):?(\d\d)?", word)
    if found:
        away = datetime.timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        return datetime.timezone(-away if found[1] == "-" else away)
    try:
        return ZoneInfo(word)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone: local, utc, +02:00 or a name such as Europe/Berlin") from None


class Clock:
    """Reads the times of one log. ``now`` (seconds since 1970) decides on years that are not written.

    ``zone`` holds where a line states none; ``guessed`` tells afterwards what had to be assumed.
    """

    def __init__(self, form: str, zone: Zone, now: int) -> None:
        self._form = form
        self._in_seconds = form in {"auto", "epoch"}
        self._zone = zone
        self._now = now
        self._known: dict[tuple[str, str, str], int] = {}
        self.without_zone = 0
        self.without_year = 0

    def read(self, text: str, offset: str = "") -> int:
        """Seconds since 1970 UTC; 0 where the text is no time. ``offset`` is the zone the line states elsewhere."""
        if self._in_seconds and SECONDS.match(text):  # fractions hardly ever repeat
            return int(text[:10])
        return self._remembered(text, offset, self._form)

    def read_syslog(self, text: str) -> int:
        """The same of a syslog header, whose times have forms of their own whatever the format's are."""
        return self._remembered(text, "", "auto")

    def _remembered(self, text: str, offset: str, form: str) -> int:
        key = (text, offset, form)
        found = self._known.get(key)
        if found is None:
            try:
                found = self._read(text, offset, form)
            except (ValueError, OverflowError, OSError):
                found = 0
            if not 0 <= found <= _LAST:
                found = 0
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = found
        return found

    def _read(self, text: str, offset: str, stated: str) -> int:
        if stated.startswith("epoch"):
            seconds = float(text)
            return int(seconds / {"epoch": 1, "epoch_ms": 1e3, "epoch_us": 1e6, "epoch_ns": 1e9}[stated])
        if stated != "auto":
            at = datetime.datetime.strptime(text, stated)  # noqa: DTZ007 - the zone comes below
            return self._seconds(at, offset, year="%Y" in stated or "%y" in stated)
        epoch = _EPOCH.match(text)
        if epoch:
            digits = epoch[1]
            return int(digits) // {13: 1_000, 16: 1_000_000, 19: 1_000_000_000}.get(len(digits), 1)
        for form in _FORMS_COMPLETE:
            match = form.match(text)
            if match:
                return self._written(match.groupdict(), offset)
        return 0

    def _written(self, part: dict[str, str | None], offset: str) -> int:
        year = part.get("y") or part.get("y2")
        if part.get("a"):
            one, other = int(part["a"] or 0), int(part["b"] or 0)
            month, day = (other, one) if one > 12 or part["sep"] == "." else (one, other)
        else:
            name = part.get("mon")
            month = _MONTHS.get(name.lower(), 0) if name else int(part["m"] or 0)
            day = int(part["d"] or 0)
        hour = int(part["h"] or 0)
        if part["pm"]:
            hour = hour % 12 + (12 if part["pm"].lower() == "pm" else 0)
        full = int(year) if year else 0
        full += 2000 if year and full < 100 else 0
        minute, second = int(part["min"] or 0), min(59, int(part["s"] or 0))
        at = datetime.datetime(full or 2000, month, day, hour, minute, second)  # noqa: DTZ001 - the zone comes below
        return self._seconds(at, part["z"] or offset, year=bool(full))

    def _seconds(self, at: datetime.datetime, offset: str, *, year: bool) -> int:
        zone: Zone = self._zone
        if at.tzinfo is not None:
            zone = at.tzinfo
        elif offset:
            try:
                zone = zone_of(offset)
            except ValueError:
                self.without_zone += 1
        else:
            self.without_zone += 1
        if year:
            return int(at.replace(tzinfo=zone).timestamp())
        self.without_year += 1
        now = datetime.datetime.fromtimestamp(self._now, zone)
        for back in range(5):  # 29 February may be four years ago
            try:
                seconds = int(at.replace(year=now.year - back, tzinfo=zone).timestamp())
            except ValueError:
                continue
            if seconds <= self._now + 86_400:
                return seconds
        return 0
