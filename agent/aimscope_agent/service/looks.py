"""Coverage → the looks and the run that the ledger keeps."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable

import msgspec

from aimscope_agent.host.gaps import SEVERITY
from aimscope_signatures import wire
from aimscope_signatures.model import Coverage, Gap, Sighting, Status


def day_of(moment: int) -> int:
    """Year × 10,000 + month × 100 + day, UTC."""
    day = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    return day.year * 10_000 + day.month * 100 + day.day


def looks_of(coverage: Coverage, emits: Iterable[str], sequence: int, at: int) -> tuple[wire.Look, ...]:
    """The look of a sensor as a whole, and one for each source that has a gap."""
    day = day_of(at)
    counts = tuple(sorted((name, max(0, count)) for name, count in coverage.counts.items()))
    whole = wire.Look(coverage.sensor, "", day, sequence, coverage.status, counts=counts, emits=tuple(emits), at=at)
    worst: dict[str, Gap] = {}
    for gap in coverage.gaps:
        known = worst.get(gap.source)
        if known is None or SEVERITY.index(gap.status) > SEVERITY.index(known.status):
            worst[gap.source] = gap
    gaps = tuple(
        wire.Look(
            coverage.sensor,
            source or "…",
            day,
            sequence,
            gap.status,
            gap.reason,
            gap.remedy,
            (("count", gap.count),),
            at=at,
        )
        for source, gap in worst.items()
    )
    return (whole, *gaps)


def missing(sensor: str, reason: str, remedy: str, sequence: int, at: int) -> tuple[wire.Look, ...]:
    """The looks of a sensor that came to nothing."""
    coverage = Coverage(sensor, Status.FAILED, (Gap(sensor, Status.FAILED, reason, remedy=remedy),))
    return looks_of(coverage, (), sequence, at)


class Record:
    """The run that an auditor asks for: takes down what is kept."""

    def __init__(self, *, uid: str, sequence: int, mode: str, started: int, catalogue: str, policy: str) -> None:
        self._uid = uid
        self._sequence = sequence
        self._mode = mode
        self._started = started
        self._catalogue = catalogue
        self._policy = policy
        self._digest = hashlib.sha256()
        self._sightings = 0
        self._coverage: dict[str, Coverage] = {}

    def saw(self, sightings: Iterable[Sighting]) -> None:
        """What the run brought."""
        for sighting in sightings:
            self._digest.update(_bytes(sighting))
            self._sightings += 1

    def looked(self, coverage: Coverage) -> None:
        """How far the run looked; the last word on a sensor counts."""
        self._coverage[coverage.sensor] = coverage

    def run(self, finished: int) -> wire.Run:
        """The run as it stands."""
        digest = self._digest.copy()
        for sensor in sorted(self._coverage):
            digest.update(_bytes(self._coverage[sensor]))
        fine = (Status.COMPLETE, Status.OFF, Status.UNSUPPORTED)
        return wire.Run(
            self._uid,
            self._sequence,
            self._mode,
            self._started,
            max(finished, self._started),
            self._catalogue[: wire.LONGEST_NAME],
            self._policy[: wire.LONGEST_NAME],
            bool(self._coverage) and all(one.status in fine for one in self._coverage.values()),
            self._sightings,
            digest.hexdigest(),
        )


def _bytes(value: Sighting | Coverage) -> bytes:
    """Never the same for two that differ; names of files need not be text."""
    try:
        return msgspec.json.encode(value, order="deterministic") + b"\n"
    except UnicodeEncodeError:
        return repr(value).encode("utf-8", "surrogatepass") + b"\n"
