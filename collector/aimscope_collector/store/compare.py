"""A scan against the one before: what is new, gone, unchanged, and what could not be told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from aimscope_signatures.model import Coverage, Sighting, Status

Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Service, kind and evidence: not who or when."""


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """One scan as it is kept. ``at`` is in seconds since 1970 UTC; only scans of one ``scope`` are compared.

    ``emits`` says which kinds each sensor observes. ``carried`` is what earlier scans saw and no scan since has
    looked for completely: neither seen now nor gone.
    """

    at: int
    host: str
    scope: str
    sightings: tuple[Sighting, ...]
    coverage: tuple[Coverage, ...]
    emits: dict[str, tuple[str, ...]]
    catalogue: str = ""
    carried: tuple[Sighting, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Sightings, one per service and evidence. ``unsure`` were seen before, and were not looked for completely now."""

    since: int
    new: tuple[Sighting, ...]
    gone: tuple[Sighting, ...]
    unchanged: tuple[Sighting, ...]
    unsure: tuple[Sighting, ...]


def compare(previous: Scan, current: Scan) -> Comparison:
    """What changed. *Gone* takes a complete look by every sensor that could have seen it."""
    before = _by_key((*previous.carried, *previous.sightings))
    now = _by_key(current.sightings)
    complete = _complete_kinds(current.coverage, current.emits)
    missing = [sighting for key, sighting in before.items() if key not in now]
    return Comparison(
        since=previous.at,
        new=tuple(sighting for key, sighting in now.items() if key not in before),
        gone=tuple(sighting for sighting in missing if sighting.kind in complete),
        unchanged=tuple(sighting for key, sighting in now.items() if key in before),
        unsure=tuple(sighting for sighting in missing if sighting.kind not in complete),
    )


def _by_key(sightings: Iterable[Sighting]) -> dict[Key, Sighting]:
    """The latest sighting of each piece of evidence, in the order of the keys."""
    found: dict[Key, Sighting] = {}
    for sighting in sightings:
        key = (sighting.service, sighting.kind, sighting.evidence)
        known = found.get(key)
        if known is None or (known.last, known.subject) < (sighting.last, sighting.subject):
            found[key] = sighting
    return dict(sorted(found.items()))


def _complete_kinds(coverage: Iterable[Coverage], emits: Mapping[str, Iterable[str]]) -> set[str]:
    """Kinds of which every sensor that observes them had a complete look."""
    status: dict[str, set[Status]] = defaultdict(set)
    for look in coverage:
        status[look.sensor].add(look.status)
    sensors: dict[str, set[str]] = defaultdict(set)
    for sensor, kinds in emits.items():
        for kind in kinds:
            sensors[kind].add(sensor)
    return {kind for kind, several in sensors.items() if all(status[one] == {Status.COMPLETE} for one in several)}
