"""Observation → match → running totals: what everything that watches or scans hands its observations to."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from aimscope_agent.privacy import Curtain
from aimscope_signatures.fold import Tally
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation, Sighting
from aimscope_signatures.unknown import candidate


class Recogniser:
    """Takes observations one at a time; keeps what the catalogue recognises, and hints of AI in no catalogue.

    Memory is bounded by the number of distinct totals. ``asset`` is the machine that looks, for observations that
    name none.
    """

    def __init__(self, matcher: Matcher, asset: str = "", curtain: Curtain | None = None) -> None:
        self.matcher = matcher
        self.tally = Tally(asset)
        self._curtain = curtain

    def take(self, observation: Observation) -> tuple[Sighting, ...]:
        """The totals the observation now belongs to: none if it is no AI."""
        detections = self.matcher.match(observation)
        unknown = candidate(observation, detections)
        if unknown is not None:
            detections = (*detections, unknown)
        if not detections:
            return ()
        if self._curtain is not None:
            kept = self._curtain.veiled(observation)
            detections = tuple(msgspec.structs.replace(detection, observation=kept) for detection in detections)
        totals = (self.tally.add(detection) for detection in detections)
        return tuple(total for total in totals if total is not None)

    def take_all(self, observations: Iterable[Observation]) -> None:
        """As ``take``, for those who do not ask."""
        for observation in observations:
            self.take(observation)

    def sightings(self) -> tuple[Sighting, ...]:
        """Every total, sorted."""
        return self.tally.sightings()
