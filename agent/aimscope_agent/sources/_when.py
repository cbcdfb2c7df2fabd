"""Times as exports write them: also days without an hour, and hours without seconds."""

from __future__ import annotations

import datetime
import re

from aimscope_agent.formats._time import Clock

_DAY = re.compile(r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4})\Z")
_MINUTE = re.compile(r"(.*\d[T ,]+\d{1,2}:\d\d)((?: ?[ap]m)?)\Z", re.IGNORECASE)
_SOON = 86_400


class Moments:
    """Reads the times of one file; those that state no zone are taken as UTC. ``now`` is seconds since 1970."""

    def __init__(self, now: int) -> None:
        self._clock = Clock("auto", datetime.UTC, now)
        self._latest = now + _SOON

    def read(self, text: str) -> int:
        """Seconds since 1970 UTC; 0 where the text is no time, or one that is still to come."""
        text = text.strip()[:64]
        if _DAY.match(text):
            text = f"{text} 00:00:00"
        elif minute := _MINUTE.match(text):
            text = f"{minute[1]}:00{minute[2]}"
        at = self._clock.read(text)
        return at if at <= self._latest else 0
