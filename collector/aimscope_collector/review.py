"""Review: what people decided about a finding, and the state that follows from it.

Decisions are only ever added. A finding's standing is a fold over those that cover it, and the clock: nothing is
overwritten, and what was once looked at never becomes unreviewed again without somebody being told why.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

State = Literal["unreviewed", "under_review", "registered", "tolerated", "prohibited", "dismissed", "escalated"]
STATES: Final[tuple[State, ...]] = (
    "unreviewed",
    "under_review",
    "escalated",
    "registered",
    "tolerated",
    "prohibited",
    "dismissed",
)
Act = Literal["review", "register", "tolerate", "prohibit", "dismiss", "escalate", "reopen", "assign"]
"""``escalate`` puts a question to the committee; its answer is whatever decision it takes, with ``answers``."""

SETTLES: Final[dict[Act, State]] = {
    "register": "registered",
    "tolerate": "tolerated",
    "prohibit": "prohibited",
    "dismiss": "dismissed",
}
OPENS: Final[dict[Act, State]] = {"review": "under_review", "reopen": "under_review", "escalate": "escalated"}
LONGEST_REASON: Final = 4_000
MOST_UNITS: Final = 1_000
_NEEDS_NO_REASON: Final = ("review", "assign")


class Refused(ValueError):
    """A decision that cannot be taken; the text says why and what to do."""


class Wrong(msgspec.Struct, frozen=True):
    """Which evidence a dismissal calls a wrong detection: all of the service, a kind, or fields with these values."""

    kind: str = ""
    evidence: dict[str, str] = {}


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a finding looked like when it was decided: what it is compared with later."""

    verdict: str = ""
    conditions: tuple[str, ...] = ()
    assets: int = 0
    bytes_out: int | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What else a decision says.

    ``question`` goes with ``escalate``, ``answers`` is the uid of the escalation a decision answers; ``assignee`` and
    ``due`` (seconds) go with ``assign``; ``approver`` is who else agreed; ``row`` the id of an inventory row;
    ``wrong`` makes a dismissal an override; ``seen`` is by the path of the unit.
    """

    question: str = ""
    answers: str = ""
    assignee: str | None = None
    due: int | None = None
    approver: str = ""
    row: str = ""
    wrong: Wrong | None = None
    seen: dict[str, Seen] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One act by one person (or by a rule: ``by`` is then ``rule:NAME``). Times are seconds since 1970 UTC.

    ``uid`` is drawn by whoever decides: the same uid twice is the same decision. ``unit`` is a path, and covers the
    units below; ``None`` is the whole organisation, present and future, without ``except_units``. At ``until`` it
    ends, from ``review_on`` on it is to be looked at again: both reopen.
    """

    uid: str
    service: str
    condition: str = ""
    unit: str | None = None
    except_units: tuple[str, ...] = ()
    action: Act
    reason: str = ""
    by: str
    at: int
    until: int | None = None
    review_on: int | None = None
    facts: Facts = Facts()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a finding stands. ``version`` is what a reviewer hands back to say which standing they saw.

    ``reason`` is a sentence; ``decision`` the uid of the decision that counts, ``inherited`` whether it was taken for
    more than this unit; ``reopened`` says in a word why a settled finding is open again; ``against`` is the uid of a
    later decision for more units, which does not count here because the unit has its own.
    """

    state: State = "unreviewed"
    reason: str = ""
    decision: str = ""
    by: str = ""
    at: int | None = None
    inherited: bool = False
    until: int | None = None
    review_on: int | None = None
    reopened: Literal["", "expired", "review_due", "excepted", "changed"] = ""
    question: str = ""
    assignee: str = ""
    due: int | None = None
    against: str = ""
    last: str = ""

    @property
    def settled(self) -> bool:
        """Whether nobody has anything left to decide."""
        return self.state in SETTLES.values()

    @property
    def version(self) -> str:
        """Changes with every decision that covers the finding, and when time reopens it."""
        return hashlib.sha256(f"{self.state}\n{self.last}".encode()).hexdigest()[:16]

    def overdue(self, now: int) -> bool:
        """Whether it should have been decided by now."""
        return not self.settled and self.due is not None and self.due < now


def covers(wide: str, narrow: str) -> bool:
    """Whether a unit is the other or lies above it: ``emea`` covers ``emea/sales``."""
    above, below = wide.casefold().strip("/"), narrow.casefold().strip("/")
    return below == above or below.startswith(above + "/")


def above(unit: str) -> tuple[str, ...]:
    """A unit and those above it, the widest first, as they are compared: ``emea``, ``emea/sales``."""
    parts = unit.casefold().strip("/").split("/")
    return tuple("/".join(parts[: depth + 1]) for depth in range(len(parts)))


class Past:
    """The decisions about one service and condition, in the order taken, found by unit."""

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self._by_unit: dict[str | None, list[tuple[int, Decision]]] = {}
        for place, decision in enumerate(decisions):
            unit = None if decision.unit is None else decision.unit.casefold().strip("/")
            self._by_unit.setdefault(unit, []).append((place, decision))

    def of(self, unit: str) -> list[Decision]:
        """Those for the unit, for the units above it and for the whole organisation, also where it is an exception."""
        found = [placed for one in (None, *above(unit)) for placed in self._by_unit.get(one, ())]
        return [decision for _, decision in sorted(found, key=_place)]


def _place(placed: tuple[int, Decision]) -> int:
    return placed[0]


def _level(decision: Decision) -> int:
    """How specific: 0 is the whole organisation."""
    return 0 if decision.unit is None else 1 + decision.unit.strip("/").count("/")


def concerns(decision: Decision, unit: str) -> bool:
    """Whether a decision reaches a unit."""
    if decision.unit is not None:
        return covers(decision.unit, unit)
    return not any(covers(one, unit) for one in decision.except_units)


def check(decision: Decision) -> None:
    """Raises ``Refused`` if the decision lacks what it needs."""
    action, reason = decision.action, decision.reason.strip()
    if not reason and action not in _NEEDS_NO_REASON:
        raise Refused(f"A reason is needed to {action}: write one sentence.")
    if len(decision.reason) > LONGEST_REASON:
        raise Refused(f"The reason has more than {LONGEST_REASON} characters: shorten it.")
    if not decision.uid or len(decision.uid) > 64:
        raise Refused("The decision needs an id of its own, of at most 64 characters.")
    if decision.except_units and decision.unit is not None:
        raise Refused("Exceptions belong to a decision for the whole organisation: leave the unit out, or them.")
    if len(decision.except_units) > MOST_UNITS:
        raise Refused(f"There are more than {MOST_UNITS} exceptions: decide for the units instead.")
    if action == "tolerate" and decision.until is None:
        raise Refused("What is tolerated is tolerated until a day: give the day.")
    if action not in SETTLES and (decision.until is not None or decision.review_on is not None):
        raise Refused(f"Only a decision that settles has an end or a review day, not to {action}: leave them out.")
    for moment, name in ((decision.until, "end"), (decision.review_on, "review day")):
        if moment is not None and moment <= decision.at:
            raise Refused(f"The {name} has passed already: give a later day.")
    if action == "escalate" and not decision.facts.question.strip():
        raise Refused("An escalation puts a question to the committee: write it.")
    if action == "assign" and decision.facts.assignee is None:
        raise Refused("Say whom it is assigned to, or an empty name for nobody.")
    if any(map(_broken, _texts(decision))):
        raise Refused("There is a character in it that cannot be kept: write it anew.")
    if decision.facts.wrong is not None:
        _check_wrong(decision, decision.facts.wrong)


def _texts(decision: Decision) -> tuple[str, ...]:
    facts = decision.facts
    evidence = facts.wrong.evidence if facts.wrong else {}
    return (
        *(decision.uid, decision.service, decision.condition, decision.unit or "", *decision.except_units),
        *(decision.reason, decision.by, facts.question, facts.answers, facts.assignee or "", facts.approver, facts.row),
        *(facts.wrong.kind if facts.wrong else "", *evidence, *evidence.values()),
    )


def _broken(text: str) -> bool:
    """Whether NUL or half of a character is in it: not every database keeps those."""
    return "\0" in text or (not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text))


def _check_wrong(decision: Decision, wrong: Wrong) -> None:
    if decision.action != "dismiss":
        raise Refused("Only a dismissal can call a detection wrong.")
    if decision.until is None:
        raise Refused("A wrong detection is left out until a day: give the day.")
    if decision.except_units:
        raise Refused("A wrong detection has no exceptions: decide for the units it is wrong in.")
    if not decision.service and not (wrong.kind and wrong.evidence):
        raise Refused("It is in no catalogue: say which kind and which fields of the evidence are wrong.")


def standing(decisions: Iterable[Decision], unit: str, now: int) -> Standing:
    """Where a finding of a unit stands, by the decisions about its service and condition in the order taken.

    A unit's own decision beats one for more units, whenever that was taken; unless its own had already ended, or was
    only that it is looked at. Ends and review days that have passed reopen.
    """
    current: Decision | None = None
    excepted: Decision | None = None
    against = last = ""
    duty = Standing()
    for decision in decisions:
        if not concerns(decision, unit):
            left_out = decision.unit is None and decision.action in SETTLES
            if left_out and current is not None and current.unit is None:
                current, excepted, last = None, decision, decision.uid
            continue
        last = decision.uid
        if decision.action == "assign":
            facts = decision.facts
            duty = msgspec.structs.replace(duty, assignee=facts.assignee or "", due=facts.due)
        elif current is None or _gives_way(current, decision):
            current, excepted, against = decision, None, ""
        elif decision.action in SETTLES:
            against = decision.uid
    if current is None and excepted is None:
        return msgspec.structs.replace(duty, state="under_review" if last else "unreviewed", last=last)
    found = _standing(current, unit, now) if current else _excepted(excepted)
    return msgspec.structs.replace(found, assignee=duty.assignee, due=duty.due, against=against, last=last)


def _gives_way(current: Decision, later: Decision) -> bool:
    ended = current.until is not None and current.until <= later.at
    return _level(later) >= _level(current) or (current.action in OPENS and later.action in SETTLES) or ended


def _standing(decision: Decision, unit: str, now: int) -> Standing:
    inherited = decision.unit is None or decision.unit.strip("/").casefold() != unit.strip("/").casefold()
    known = Standing(
        state=(SETTLES | OPENS)[decision.action],
        reason=decision.reason,
        decision=decision.uid,
        by=decision.by,
        at=decision.at,
        inherited=inherited,
        until=decision.until,
        review_on=decision.review_on,
        reopened="changed" if decision.action == "reopen" else "",
        question=decision.facts.question if decision.action == "escalate" else "",
    )
    if decision.until is not None and decision.until <= now:
        reason = f"It was {known.state} until {day_of(decision.until)}."
        return msgspec.structs.replace(known, state="under_review", reopened="expired", reason=reason)
    if decision.review_on is not None and decision.review_on <= now:
        reason = f"It is {known.state}, and its review was due on {day_of(decision.review_on)}."
        return msgspec.structs.replace(known, state="under_review", reopened="review_due", reason=reason)
    return known


def _excepted(decision: Decision | None) -> Standing:
    reason = "The decision for the whole organisation now leaves this unit out: decide for it."
    uid, by, at = (decision.uid, decision.by, decision.at) if decision else ("", "", None)
    return Standing(state="under_review", reopened="excepted", reason=reason, decision=uid, by=by, at=at)


def day_of(moment: int) -> str:
    """The day of a moment, UTC."""
    return (datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=moment)).date().isoformat()
