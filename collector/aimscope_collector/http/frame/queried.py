"""The part of an address behind its question mark, as filters of a page send it: what is empty was not asked for."""

from __future__ import annotations

from typing import Any, TypeVar

from litestar.datastructures import FormMultiDict

from aimscope_collector.http.frame.forms import Sent
from aimscope_collector.http.frame.shown import Frame
from aimscope_collector.http.problems import Failed

_T = TypeVar("_T", bound=str)
_LONGEST = 256


class Queried(Sent):
    """The fields of a filter. Each raises ``Failed`` for a value that does not fit."""

    def name(self, name: str) -> str | None:
        """A text of at most 256 characters."""
        said = self.text(name)
        if len(said) > _LONGEST:
            raise Failed(400, "malformed", f"{name}: it has more than {_LONGEST} characters.")
        return said or None

    def one_of(self, name: str, allowed: tuple[_T, ...]) -> _T | None:
        """One of several words."""
        said = self.text(name)
        if not said:
            return None
        for each in allowed:
            if each == said:
                return each
        raise Failed(400, "malformed", f"{name}: {said[:40]} is none of {', '.join(allowed)}.")

    def days(self) -> int | None:
        """A period: 7, 30 or 90 days."""
        said = self.one_of("days", ("7", "30", "90"))
        return int(said) if said else None


def queried(frame: Frame) -> Queried:
    """What the page was asked for."""
    fields: list[tuple[str, Any]] = list(frame.query.items())
    return Queried(FormMultiDict(fields))
