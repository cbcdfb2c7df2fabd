"""Many failures, few gaps: what went wrong is told once, with examples and a number."""

from __future__ import annotations

import msgspec

from aimscope_signatures.model import Gap, Status

_EXAMPLES = 8
_REMEMBERED = 10_000

MORE = "…"
"""The source of a gap that counts those that are not named."""

SEVERITY: tuple[Status, ...] = (
    Status.COMPLETE,
    Status.OFF,
    Status.UNSUPPORTED,
    Status.PARTIAL,
    Status.DENIED,
    Status.FAILED,
)
"""Best to worst."""


class Gaps:
    """Gathers gaps.

    One source fails once for one reason, however often it is asked; of the sources that fail for one reason the
    first are named and the rest counted.
    """

    def __init__(self) -> None:
        self._by_reason: dict[tuple[Status, str, str], dict[str, Gap]] = {}
        self._more: dict[tuple[Status, str, str], int] = {}

    def note(self, gap: Gap) -> None:
        """Add one."""
        key = (gap.status, gap.reason, gap.remedy)
        sources = self._by_reason.setdefault(key, {})
        known = sources.get(gap.source)
        if known is not None:
            if gap.count > known.count:
                sources[gap.source] = gap
        elif len(sources) < _REMEMBERED:
            sources[gap.source] = gap
        else:
            self._more[key] = self._more.get(key, 0) + gap.count

    def told(self) -> tuple[Gap, ...]:
        """What to report, worst first."""
        result: list[Gap] = []
        for key, sources in self._by_reason.items():
            gaps = sorted(sources.values(), key=lambda gap: gap.source)
            result += gaps[:_EXAMPLES]
            more = sum(gap.count for gap in gaps[_EXAMPLES:]) + self._more.get(key, 0)
            if more:
                result.append(msgspec.structs.replace(gaps[_EXAMPLES], source=MORE, count=more))
        return tuple(sorted(result, key=lambda gap: (-SEVERITY.index(gap.status), gap.reason)))

    def worst(self) -> Status:
        """The worst status; complete without gaps."""
        return max((key[0] for key in self._by_reason), key=SEVERITY.index, default=Status.COMPLETE)
