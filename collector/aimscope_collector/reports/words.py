"""How a finding stands, in one plain word: what the inventory says of it, and what was decided."""

from __future__ import annotations

from typing import Final, Literal

from aimscope_collector import standing
from aimscope_collector.findings import VERDICTS, Verdict
from aimscope_collector.review import State

Status = Verdict | Literal["tolerated", "registered"]
STATUSES: Final[tuple[Status, ...]] = (*VERDICTS[:7], "tolerated", "registered", *VERDICTS[7:])
"""In the order in which a reader wants to see them: the first is the most pressing."""
SHADOW: Final[frozenset[Status]] = frozenset(standing.SHADOW)
"""In use without anybody's consent: as the overview counts it."""
OPEN: Final[frozenset[Status]] = SHADOW | {"condition_unmet", "observed"}
"""In use, and somebody has something to do about it."""
PLAIN: Final[dict[str, str]] = {
    "prohibited": "prohibited",
    "unregistered": "not registered",
    "unknown_ai": "AI nobody knows yet",
    "out_of_scope": "authorised, but not here",
    "expired": "authorisation expired",
    "condition_unmet": "a condition is not met",
    "observed": "not judged yet",
    "tolerated": "tolerated for now",
    "registered": "agreed, not in the inventory yet",
    "authorised": "authorised",
    "dormant": "authorised, not seen",
}
MEANING: Final[dict[str, str]] = {
    "prohibited": "The inventory or a decision forbids it.",
    "unregistered": "It is in use, and nobody has approved it.",
    "unknown_ai": "It looks like AI, and no catalogue knows it.",
    "out_of_scope": "It is approved elsewhere, for others, or not yet.",
    "expired": "It was approved once, and that has ended.",
    "condition_unmet": "It is approved under a condition that does not hold.",
    "observed": "There is no inventory to judge it by.",
    "tolerated": "Somebody decided to let it be until a day.",
    "registered": "Somebody decided to register it; the inventory does not say so yet.",
    "authorised": "It is approved, and used as approved.",
    "dormant": "It is approved, and was not seen although everything that would show it was looked at.",
}


def status(verdict: Verdict, state: State) -> Status | None:
    """How a finding stands; ``None`` for what was dismissed: it is no finding any more."""
    if state == "dismissed":
        return None
    if state == "prohibited":
        return "prohibited"
    if verdict in OPEN and state in ("tolerated", "registered"):
        return "tolerated" if state == "tolerated" else "registered"
    return verdict


def worst(several: set[Status]) -> Status:
    """The most pressing of them. Raises ``ValueError`` for none."""
    return min(several, key=STATUSES.index)
