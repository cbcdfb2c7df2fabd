"""What reconciling the AI in use with the inventory finds."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from aimscope_collector.inventory.model import Ignore
from aimscope_collector.inventory.resolve import Unmatched
from aimscope_signatures.kinds import Identity, Presence
from aimscope_signatures.model import Sighting

Verdict = Literal[
    "prohibited",  # a row forbids it here
    "unregistered",  # no row, or one that nobody approved yet
    "unknown_ai",  # looks like AI, and is in no catalogue
    "out_of_scope",  # authorised, but not here, not yet or not this way
    "expired",  # authorised once
    "condition_unmet",  # authorised under a condition that does not hold
    "observed",  # there is no inventory to judge by
    "authorised",
    "dormant",  # authorised, and not seen in a complete look
]

VERDICTS: Final[tuple[Verdict, ...]] = (
    "prohibited",
    "unregistered",
    "unknown_ai",
    "out_of_scope",
    "expired",
    "condition_unmet",
    "observed",
    "authorised",
    "dormant",
)
"""In the order in which a reader wants to see them."""

Level = Literal["low", "medium", "high", "critical"]


class Factor(msgspec.Struct, frozen=True):
    """One reason for a rating: what it added to which side, and why."""

    name: str
    side: Literal["likelihood", "impact"]
    weight: float
    sentence: str


class RiskRating(msgspec.Struct, frozen=True):
    """Likelihood × impact, 1 to 5 each, and everything that led to them."""

    likelihood: int
    impact: int
    level: Level
    factors: tuple[Factor, ...]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Keyed by service, unit and condition.

    The condition is empty for the use as a whole. Where machines of one unit are judged differently, there is a
    finding for each verdict, with the evidence of its machines: the condition is empty for the authorised ones, and
    the verdict for the others. A condition of an authorisation that is not met has a finding of its own as well. For
    AI in no catalogue the condition begins with what it is.

    ``row`` names the inventory rows that decided, if any did; ``reasons`` are whole sentences; ``identity`` and
    ``presence`` are the best among the evidence, absent where there is none; so is ``risk``. ``blocked`` says that all
    of the evidence is attempts that were refused: nothing shows that it is in use, installed or set up.
    """

    service: str
    unit: str
    condition: str
    verdict: Verdict
    name: str
    vendor: str = ""
    category: str = ""
    reasons: tuple[str, ...]
    row: str = ""
    identity: Identity | None = None
    presence: Presence | None = None
    evidence: tuple[Sighting, ...] = ()
    blocked: bool = False
    risk: RiskRating | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells two findings apart."""
        return (self.service, self.unit, self.condition)


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one reconciliation says.

    ``weak`` are sightings of services of which nothing better than a low identity is known: no findings, but not
    hidden. ``ignored`` are sightings left out because somebody said so; ``expired_ignores`` no longer leave any out.
    ``unmatched`` are names of the inventory that fit no service of the catalogue.
    """

    findings: tuple[Finding, ...]
    weak: tuple[Sighting, ...] = ()
    ignored: tuple[Sighting, ...] = ()
    expired_ignores: tuple[Ignore, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    judged: bool = True
    """Whether there was an inventory to judge by."""
