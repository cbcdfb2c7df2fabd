"""What makes a settled finding open again: its verdict, a condition, a prohibited use seen again, growth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from aimscope_collector.review import MOST_UNITS, SETTLES, Decision, Seen, concerns, day_of


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """What review knows of a finding. ``conditions`` are those broken by the same service in the same unit.

    ``active`` says whether it is tried or used, not only there; ``last`` is when it was last seen.
    """

    id: str
    service: str
    unit: str
    condition: str = ""
    verdict: str
    conditions: tuple[str, ...] = ()
    assets: int = 0
    bytes_out: int | None = None
    active: bool = False
    last: int | None = None
    present: bool = True

    def seen(self) -> Seen:
        """What to keep in a decision about it."""
        return Seen(self.verdict, self.conditions, self.assets, self.bytes_out)


class Triggers(msgspec.Struct, frozen=True, kw_only=True):
    """How much change reopens. Growth counts for what is tolerated or dismissed; all of a rule's limits must be met."""

    grace: int = 14 * 86_400
    """Seconds in which a prohibition may take effect before use of it reopens."""
    spread_factor: float = 2.0
    spread_least: int = 5
    volume_factor: float = 10.0
    volume_least: int = 50_000_000


class Reopening(msgspec.Struct, frozen=True):
    """A rule that reopens, and why, in a sentence."""

    rule: Literal["verdict", "condition", "seen_again", "spread", "volume"]
    reason: str


_ADVERSE: Final = ("prohibited", "expired", "out_of_scope", "condition_unmet")


def reopening(
    decision: Decision, finding: Noted, *, corrected_at: int | None = None, triggers: Triggers | None = None
) -> Reopening | None:
    """Why the finding that a settled decision covers is open again, if it is.

    ``corrected_at`` is when its corrective action was done. A finding that nobody saw when the decision was taken (a
    future unit's) has nothing to be compared with: only a prohibition by the inventory counts against it.
    """
    if decision.action not in SETTLES or not finding.present:
        return None
    triggers = triggers or Triggers()
    before = decision.facts.seen.get(finding.unit)
    if decision.action == "prohibit":
        corrected = corrected_at is not None and corrected_at >= decision.at
        since = corrected_at if corrected_at is not None and corrected else decision.at + triggers.grace
        if finding.active and finding.last is not None and finding.last > since:
            when = "its correction was done" if corrected else "it was prohibited"
            return Reopening("seen_again", f"It was used on {day_of(finding.last)}, after {when}.")
        return None
    adverse = _ADVERSE if before is not None else ("prohibited",)
    if finding.verdict in adverse and (before is None or before.verdict != finding.verdict):
        was = f", and was {before.verdict.replace('_', ' ')} when it was decided" if before and before.verdict else ""
        return Reopening("verdict", f"It is {finding.verdict.replace('_', ' ')} now{was}.")
    if before is None:
        return None
    new = sorted(set(finding.conditions) - set(before.conditions))
    if new:
        return Reopening("condition", f"Since it was decided, this does not hold any more: {', '.join(new[:5])}.")
    if decision.action == "register":
        return None
    if finding.assets >= max(before.assets * triggers.spread_factor, before.assets + triggers.spread_least):
        return Reopening("spread", f"It is on {finding.assets:,} machines, and was on {before.assets:,}.")
    sent, earlier = finding.bytes_out, before.bytes_out or 0
    if sent is not None and sent >= max(earlier * triggers.volume_factor, earlier + triggers.volume_least):
        megabytes = f"{sent // 1_000_000:,} MB were sent to it, and had been {earlier // 1_000_000:,}"
        return Reopening("volume", f"{megabytes} when it was decided.")
    return None


def reopen(decision: Decision, finding: Noted, why: Reopening, at: int) -> Decision:
    """The decision a rule takes: for the finding's unit alone, the same whoever computes it."""
    key = f"{decision.uid}\n{finding.service}\n{finding.unit}\n{finding.condition}\n{why.rule}"
    return Decision(
        uid="r-" + hashlib.sha256(key.encode()).hexdigest()[:30],
        service=finding.service,
        condition=finding.condition,
        unit=finding.unit,
        action="reopen",
        reason=why.reason,
        by=f"rule:{why.rule}",
        at=at,
    )


def with_seen(decision: Decision, findings: Iterable[Noted]) -> Decision:
    """The decision, with what the findings it covers look like now."""
    seen: Mapping[str, Seen] = {one.unit: one.seen() for one in findings if concerns(decision, one.unit)}
    bounded = dict(sorted(seen.items())[:MOST_UNITS])
    return msgspec.structs.replace(decision, facts=msgspec.structs.replace(decision.facts, seen=bounded))
