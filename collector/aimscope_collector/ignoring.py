"""Detections that somebody declared wrong: left out, but counted."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from aimscope_collector.inventory.model import Ignore
from aimscope_signatures.model import Sighting


def sort_out(
    sightings: Iterable[Sighting], ignores: Sequence[Ignore], host: str, today: datetime.date
) -> tuple[tuple[Sighting, ...], tuple[Sighting, ...], tuple[Ignore, ...]]:
    """Sightings that count, sightings that are ignored, and ignores of this machine whose day has passed."""
    ours = [ignore for ignore in ignores if not ignore.hosts or _here(ignore, host)]
    current = [ignore for ignore in ours if ignore.expiry >= today]
    kept: list[Sighting] = []
    ignored: list[Sighting] = []
    for sighting in sightings:
        (ignored if any(_covers(ignore, sighting) for ignore in current) else kept).append(sighting)
    expired = sorted(
        (ignore for ignore in ours if ignore.expiry < today),
        key=lambda ignore: (ignore.service, ignore.kind, ignore.expiry, ignore.reason, sorted(ignore.evidence.items())),
    )
    return tuple(kept), tuple(ignored), tuple(expired)


def _here(ignore: Ignore, host: str) -> bool:
    return any(fnmatchcase(host.casefold(), pattern.casefold()) for pattern in ignore.hosts)


def _covers(ignore: Ignore, sighting: Sighting) -> bool:
    return (
        ignore.service == sighting.service
        and ignore.kind in ("", sighting.kind)
        and ignore.evidence.items() <= dict(sighting.evidence).items()
    )
