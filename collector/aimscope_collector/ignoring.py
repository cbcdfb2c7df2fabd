"""Detections that somebody declared wrong: left out, but counted."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from aimscope_collector.authorisation import Machines, Place
from aimscope_collector.inventory.model import Ignore
from aimscope_signatures.model import Sighting


def sort_out(
    sightings: Collection[Sighting], ignores: Sequence[Ignore], place_of: Callable[[str], Place], today: datetime.date
) -> tuple[tuple[Sighting, ...], tuple[Sighting, ...], tuple[Ignore, ...]]:
    """Sightings that count, sightings that are ignored, and ignores of these machines whose day has passed.

    ``place_of`` tells where an asset is; the empty one is the machine that looked.
    """
    if not ignores:
        return tuple(sightings), (), ()
    seen = {sighting.service for sighting in sightings}
    current: defaultdict[str, list[_Rule]] = defaultdict(list)
    for ignore in ignores:
        if ignore.expiry >= today and ignore.service in seen:
            current[ignore.service].append(_Rule(ignore, place_of))
    kept: list[Sighting] = []
    ignored: list[Sighting] = []
    for sighting in sightings:
        rules = current.get(sighting.service)
        (ignored if rules and any(rule.covers(sighting) for rule in rules) else kept).append(sighting)
    over = [ignore for ignore in ignores if ignore.expiry < today]
    assets = {"", *(sighting.asset for sighting in sightings)} if any(ignore.hosts for ignore in over) else {""}
    expired = sorted(
        (ignore for ignore in over if _Rule(ignore, place_of).is_for(assets)),
        key=lambda ignore: (ignore.service, ignore.kind, ignore.expiry, ignore.reason, sorted(ignore.evidence.items())),
    )
    return tuple(kept), tuple(ignored), tuple(expired)


class _Rule:
    """An ignore, ready to be asked of many sightings."""

    def __init__(self, ignore: Ignore, place_of: Callable[[str], Place]) -> None:
        self._ignore = ignore
        self._evidence = ignore.evidence.items()
        self._machines = Machines(ignore.hosts) if ignore.hosts else None
        self._place_of = place_of
        self._here: dict[str, bool] = {}

    def covers(self, sighting: Sighting) -> bool:
        """Whether the sighting is what was declared wrong, on a machine it was declared for."""
        return (
            self._ignore.kind in ("", sighting.kind)
            and (not self._evidence or self._evidence <= dict(sighting.evidence).items())
            and self._is_here(sighting.asset)
        )

    def is_for(self, assets: Collection[str]) -> bool:
        """Whether it is about one of these machines."""
        return any(map(self._is_here, assets))

    def _is_here(self, asset: str) -> bool:
        if self._machines is None:
            return True
        found = self._here.get(asset)
        if found is None:
            found = self._here[asset] = self._machines.cover(self._place_of(asset))
        return found
