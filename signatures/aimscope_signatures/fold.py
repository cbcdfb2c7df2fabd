"""Detections → sightings: running totals that merge by max, min and OR."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import msgspec

from aimscope_signatures.kinds import IDENTITIES, KINDS, PRESENCES
from aimscope_signatures.model import Detection, Observation, Sighting, Value

MAX_SOURCES = 8
_Key = tuple[str, str, str, str, str, tuple[tuple[str, str], ...]]


def fold(detections: Iterable[Detection], asset: str) -> tuple[Sighting, ...]:
    """The sightings of one asset, sorted by service, kind, subject and evidence.

    State kinds (an installed package) count once per UTC day, event kinds once per detection.
    """
    found: dict[_Key, Sighting] = {}
    for detection in detections:
        sighting = _first(detection, asset)
        key = _key(sighting)
        known = found.get(key)
        found[key] = merge(known, sighting) if known else sighting
    return tuple(found[key] for key in sorted(found))


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
    )


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
        and not (kind.fields[name].local or kind.fields[name].personal)
    )
    return Sighting(
        month=day.strftime("%Y-%m"),
        asset=asset,
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
    )


def _key(sighting: Sighting) -> _Key:
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
