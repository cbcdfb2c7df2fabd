"""Detections → sightings: running totals that merge by max, min and OR."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import msgspec

from aimscope_signatures.kinds import IDENTITIES, KINDS, PRESENCES
from aimscope_signatures.model import Detection, Observation, Sighting, Value

MAX_SOURCES = 8
MOST_SIGHTINGS = 50_000
"""Kept apart by one tally; what is beyond is kept without telling devices and people apart."""
_VOLUMES = ("bytes_out", "bytes_in")
Key = tuple[str, str, str, str, str, tuple[tuple[str, str], ...]]


class Tally:
    """Running totals: takes detections one at a time, bounded by what there is to know and not by how long it runs."""

    def __init__(self, asset: str, most: int = MOST_SIGHTINGS) -> None:
        self._asset = asset
        self._most = most
        self._found: dict[Key, Sighting] = {}
        self.collapsed = 0
        """Detections counted without their device and user, because there were too many to tell apart."""
        self.refused = 0
        """Detections not counted at all, because there were too many even so."""

    def add(self, detection: Detection) -> Sighting | None:
        """The total that the detection now belongs to; ``None`` where there is no room for another one."""
        return self.merge(_first(detection, self._asset))

    def merge(self, sighting: Sighting) -> Sighting | None:
        """Add a total made elsewhere, for instance by another process."""
        key = key_of(sighting)
        known = self._found.get(key)
        if known is None and len(self._found) >= self._most:
            sighting = msgspec.structs.replace(sighting, asset="", subject="")
            key = key_of(sighting)
            known = self._found.get(key)
            if known is None and len(self._found) >= 2 * self._most:
                self.refused += 1
                return None
            self.collapsed += 1
        self._found[key] = total = merge(known, sighting) if known else sighting
        return total

    def sightings(self) -> tuple[Sighting, ...]:
        """Sorted by service, kind, subject, month, asset and evidence."""
        return tuple(self._found[key] for key in sorted(self._found))


def fold(detections: Iterable[Detection], asset: str) -> tuple[Sighting, ...]:
    """The sightings of one asset, or of the assets the observations name, sorted.

    State kinds (an installed package) count once per UTC day, event kinds once per detection.
    """
    tally = Tally(asset)
    for detection in detections:
        tally.add(detection)
    return tally.sightings()


def merge(one: Sighting, other: Sighting) -> Sighting:
    """Two states of one key: a later look at the same machine, or the same fact from another source."""
    state = KINDS[one.kind].counts == "state"
    days = one.days | other.days
    surer = one if IDENTITIES.index(one.identity) >= IDENTITIES.index(other.identity) else other
    return msgspec.structs.replace(
        surer,
        presence=max(one.presence, other.presence, key=PRESENCES.index),
        count=days.bit_count() if state else one.count + other.count,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        days=days,
        sources=tuple(dict.fromkeys((*one.sources, *other.sources)))[:MAX_SOURCES],
        bytes_out=_sum(one.bytes_out, other.bytes_out),
        bytes_in=_sum(one.bytes_in, other.bytes_in),
    )


def _sum(one: int | None, other: int | None) -> int | None:
    """What is known of both: nothing known stays nothing known."""
    if one is None or other is None:
        return one if other is None else other
    return one + other


def evidence_of(observation: Observation) -> tuple[tuple[str, str], ...]:
    """What tells this piece of evidence from another: the kind's evidence fields that are there."""
    return tuple(
        (name, _text(observation.fields[name]))
        for name in KINDS[observation.kind].evidence
        if name in observation.fields
    )


def _first(detection: Detection, asset: str) -> Sighting:
    observation = detection.observation
    day = datetime.datetime.fromtimestamp(observation.at, datetime.UTC)
    kind = KINDS[observation.kind]
    details = tuple(
        (name, _text(value))
        for name, value in sorted(observation.fields.items())
        if name in kind.fields
        and name not in kind.evidence
        and name not in _VOLUMES
        and not (kind.fields[name].local or kind.fields[name].personal)
    )
    return Sighting(
        month=day.strftime("%Y-%m"),
        asset=observation.asset or asset,
        service=detection.service,
        kind=observation.kind,
        subject=observation.subject,
        evidence=evidence_of(observation),
        identity=detection.identity,
        presence=detection.presence,
        count=1,
        first=observation.at,
        last=observation.at,
        days=1 << (day.day - 1),
        sources=(observation.source,) if observation.source else (),
        held=detection.held,
        details=details,
        bytes_out=_volume(observation, "bytes_out"),
        bytes_in=_volume(observation, "bytes_in"),
    )


def _volume(observation: Observation, field: str) -> int | None:
    value = observation.fields.get(field)
    return value if type(value) is int else None


def key_of(sighting: Sighting) -> Key:
    """What tells one total from another."""
    return (
        sighting.service,
        sighting.kind,
        sighting.subject,
        sighting.month,
        sighting.asset,
        sighting.evidence,
    )


def _text(value: Value) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
