"""What came of reading logs, as a report wants it: totals, coverage of each file, and what had to be assumed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from aimscope_agent.formats._format import Format
from aimscope_agent.logs.scanning import Part
from aimscope_signatures.fold import Tally
from aimscope_signatures.model import Coverage, Gap, Sighting, Status

READABLE: Final = 0.5
"""Share of the lines looked at that must be of the format; below it the file is not what it was taken for."""
_NAMES: Final = frozenset({"name", "server_name", "host", "model", "operation"})


class Summed(msgspec.Struct, frozen=True):
    """One file, all parts of it."""

    shown: str
    format: Format
    part: Part
    size: int

    @property
    def failed(self) -> bool:
        """Whether hardly anything was of the format."""
        return self.part.torn > self.part.lines * (1 - READABLE)

    @property
    def exact(self) -> bool:
        """Whether every line was read, or at least looked at."""
        return self.part.sampled >= self.part.lines


def summed(shown: str, form: Format, size: int, parts: Sequence[Part], tally: Tally) -> Summed:
    """Bring the parts of a file together, in its order; its sightings go into ``tally``."""
    total = Part()
    for part in parts:
        before = total.lines
        for sighting in part.sightings:
            tally.merge(_placed(sighting, shown, before))
        total = Part(
            lines=before + part.lines,
            read=total.read + part.read,
            unreadable=total.unreadable + part.unreadable,
            quarantine=(*total.quarantine, *(before + number for number in part.quarantine))[:8],
            untimed=total.untimed + part.untimed,
            without_zone=total.without_zone + part.without_zone,
            without_year=total.without_year + part.without_year,
            observed=total.observed + part.observed,
            collapsed=total.collapsed + part.collapsed,
            refused=total.refused + part.refused,
            first=min(filter(None, (total.first, part.first)), default=0),
            last=max(total.last, part.last),
            sampled=total.sampled + part.sampled,
            torn=total.torn + part.torn,
            stopped=total.stopped or part.stopped,
            truncated=total.truncated or part.truncated,
        )
    return Summed(shown, form, total, size)


def _placed(sighting: Sighting, shown: str, before: int) -> Sighting:
    places = tuple(f"{shown}:{before + int(number)}" for number in sighting.sources)
    return msgspec.structs.replace(sighting, sources=places)


def coverage_of(found: Summed) -> Coverage:
    """How well a file could be looked at."""
    part = found.part
    gaps = tuple(_gaps(found))
    status = Status.COMPLETE
    if any(gap.status is Status.PARTIAL for gap in gaps):
        status = Status.PARTIAL
    if found.failed:
        status = Status.FAILED
    counts = {
        "lines": part.lines,
        "read closely": part.read + part.unreadable,
        "unreadable" if found.exact or not part.unreadable else "unreadable among those": part.unreadable,
        "observed": part.observed,
        "without a time": part.untimed,
    }
    return Coverage(f"{found.format.name} {found.shown}", status, gaps, counts)


def _gaps(found: Summed) -> Iterator[Gap]:
    part, name = found.part, found.format.name
    if part.unreadable:
        lines = ", ".join(map(str, part.quarantine))
        more = ", …" if part.unreadable > len(part.quarantine) else ""
        status = Status.FAILED if found.failed else Status.PARTIAL
        reason, count = f"lines that are torn or not of {name}", part.unreadable
        if not found.exact:
            share = _percent(part.torn, part.lines)
            reason = f"about {share} of the lines are torn or not of {name}, by a sample of {part.sampled:,}"
            count = 1
        yield Gap(f"{found.shown}:{lines}{more}", status, reason, count)
    if part.stopped:
        yield Gap(found.shown, Status.PARTIAL, f"stopped after {_lines(part)}")
    if part.truncated:
        yield Gap(found.shown, Status.PARTIAL, "the compressed file ends before its end")
    if part.refused:
        yield Gap(found.shown, Status.PARTIAL, "more different uses than are kept", part.refused)
    if part.collapsed:
        yield Gap(found.shown, Status.PARTIAL, "too many people and devices to tell all apart", part.collapsed)
    if not names_given(found.format):
        reason = "IP addresses only: a service is told by its address only where a signature names one"
        yield Gap(found.shown, Status.UNSUPPORTED, reason)


def _percent(part: int, whole: int) -> str:
    share = 100 * part / max(1, whole)
    return f"{share:.0f} %" if share >= 1 else f"{share:.1g} %"


def names_given(form: Format) -> bool:
    """Whether a format names hosts or models, and not only addresses."""
    return any(_NAMES & record.fields.keys() for record in form.map.records)


def note_of(found: Summed, zone: str) -> str:
    """What was read, of which time, and what had to be assumed."""
    part = found.part
    span = f", {_moment(part.first)} to {_moment(part.last)} UTC" if part.first else ""
    assumed = []
    if part.without_zone:
        assumed.append(f"times without a zone taken as {zone or found.format.zone}")
    if part.without_year:
        assumed.append("years counted back from the file's time of change")
    if part.untimed:
        assumed.append("lines without a time take that of the line before")
    said = f"; {', '.join(assumed)}" if assumed else ""
    return f"{found.shown}: {found.format.map.title}, {_lines(part)}{span}{said}."


def _lines(part: Part) -> str:
    return f"{part.lines:,} line{'' if part.lines == 1 else 's'}"


def _moment(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M")
