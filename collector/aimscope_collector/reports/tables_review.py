"""Items 5 and 6: what people decided about findings, what was done about them, and until when exceptions hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.corrective import CorrectiveAction
from aimscope_collector.findings import RiskRating
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.tables import Reading, Table, columns, moment
from aimscope_collector.review import SETTLES, Decision
from aimscope_collector.store import actions
from aimscope_collector.store.tables.review import COMMENT, FINDING, OVERRIDE

_HOUR: Final = 3_600
_DAY: Final = 86_400


def by_person(decision: Decision) -> bool:
    """Whether a person took it, and no rule."""
    return not decision.by.startswith("rule:")


def first_decision(reading: Reading, row: sa.Row[Any]) -> Decision | None:
    """What a person first decided of a finding once it was there."""
    return next((one for one in reading.decided(row) if by_person(one) and one.at >= row.opened_at), None)


def _findings(reading: Reading) -> Iterator[Sequence[Value]]:
    taken: dict[str, list[CorrectiveAction]] = defaultdict(list)
    if reading.view.may("decisions:read"):
        for action in actions.actions(reading.connection):
            taken[action.finding].append(action)
    for row in reading.findings:
        standing = reading.standings[row.id]
        rating = msgspec.json.decode(row.risk, type=RiskRating | None)
        first = first_decision(reading, row)
        use = reading.rows_by_label.get(row.row)
        counts = next((one for one in reversed(reading.decided(row)) if one.uid == standing.decision), None)
        yield (
            *(row.id, row.name, row.service or None, row.unit or "(no unit)", row.condition or None, row.verdict),
            *(" ".join(msgspec.json.decode(row.reasons)), rating.level if rating else None, row.score or None),
            *(reading.view.count(row.assets), reading.view.count(row.subjects)),
            *(reading.view.day(row.first), reading.view.day(row.last), moment(row.opened_at)),
            *((first.action, moment(first.at), round((first.at - row.opened_at) / _HOUR, 1)) if first else _NOT_YET),
            *(standing.state, standing.by or None, moment(standing.at), standing.reason or None),
            *(counts.facts.approver or None if counts else None, standing.assignee or None, moment(standing.due)),
            *(moment(standing.until), moment(standing.review_on), row.row or None),
            *(use.impact_assessment_ref or None if use else None, use.risk_class or None if use else None),
            *(_stages(taken[row.id], reading), bool(row.present)),
        )


_NOT_YET: Final[tuple[Value, ...]] = (None, None, None)


def _stages(several: Sequence[CorrectiveAction], reading: Reading) -> str | None:
    if not reading.view.may("decisions:read"):
        return "not shown to this role"
    return ", ".join(one.stage(reading.now) for one in several) or None


def _decisions(reading: Reading) -> Iterator[Sequence[Value]]:
    for one in reading.decisions:
        if one.at < reading.since:
            continue
        facts = one.facts
        yield (
            *(one.uid, moment(one.at), one.by, one.action, one.service or None, one.condition or None),
            *(one.unit or "the whole organisation", ", ".join(one.except_units) or None, one.reason or None),
            *(facts.approver or None, moment(one.until), moment(one.review_on), facts.question or None),
            *(facts.answers or None, facts.assignee, facts.row or None, len(facts.seen)),
        )


def _comments(reading: Reading) -> Iterator[Sequence[Value]]:
    c = COMMENT.c
    query = sa.select(COMMENT).join(FINDING, FINDING.c.id == c.finding).where(c.at >= reading.since)
    query = query.where(c.at < reading.until, reading.view.within(FINDING.c.unit)).order_by(c.id)
    for row in reading.connection.execute(query):
        yield f"comment-{row.id}", row.finding, moment(row.at), row.by, row.text


def _corrective(reading: Reading) -> Iterator[Sequence[Value]]:
    ours = {row.id for row in reading.findings}
    for one in actions.actions(reading.connection):
        if one.finding in ours and one.opened_at < reading.until:
            effective = None if one.effective is None else one.effective
            yield (
                *(f"action-{one.id}", one.finding, one.stage(reading.now), one.cause, one.action, one.owner),
                *(moment(one.due), one.opened_by, moment(one.opened_at), moment(one.done_at)),
                *(moment(one.checked_at), one.checked_by or None, effective, one.check or None),
            )


def _exceptions(reading: Reading) -> Iterator[Sequence[Value]]:
    for one in reading.decisions:
        if one.action in SETTLES and one.until is not None and one.until >= reading.since:
            yield (
                *(f"decision:{one.uid}", "decision", SETTLES[one.action], reading.name_of(one.service), one.service),
                *(one.unit or "the whole organisation", one.reason, one.by, moment(one.at), moment(one.until)),
                _left(one.until, reading.now),
            )
    if reading.view.whole:
        c = OVERRIDE.c
        query = sa.select(OVERRIDE).where(c.until >= reading.since, c.at < reading.until).order_by(c.id)
        for row in reading.connection.execute(query):
            yield (
                *(f"override:{row.id}", "wrong detection", "left out", reading.name_of(row.service), row.service),
                *(row.unit or "the whole organisation", row.reason, row.by, moment(row.at), moment(row.until)),
                _left(row.until, reading.now),
            )
    for number, use in enumerate(reading.inventory.systems if reading.inventory else (), 1):
        ours = not use.units or any(map(reading.view.reaches, use.units))
        if use.status in ("tolerated", "restricted") and ours:
            until = f"{use.expiry}T23:59:59Z" if use.expiry else None
            ended = None if use.expiry is None else use.expiry.isoformat() < (moment(reading.now) or "")[:10]
            yield (
                *(f"row:{number}", "inventory row", use.status, use.name, ", ".join(use.services) or None),
                *(", ".join(use.units) or "the whole organisation", use.notes or None, use.approver or None),
                *(use.start.isoformat() if use.start else None, until),
                "no end is set" if ended is None else "ended" if ended else "in force",
            )


def _left(until: int, now: int) -> str:
    return "ended" if until <= now else f"in force, {(until - now) // _DAY} days left"


TABLES: Final = (
    Table(
        name="findings",
        title="Life of each finding",
        says="From detection to decision: when it was raised, what a person first decided and how long that took, "
        "where it stands now, who agreed, which assessment it refers to and what was corrected. "
        "Standing and corrections are those of the day this pack was made.",
        item=5,
        controls=("42001:8.2", "42001:8.3", "42001:10.2", "42001:A.6.2.6", "42001:A.9.2", "27001:A.5.24"),
        columns=columns(
            ("id", "Finding"),
            ("name", "Service"),
            ("service", "Catalogue id", "in no catalogue"),
            ("unit", "Unit"),
            ("condition", "Condition", "the use as a whole"),
            ("verdict", "Verdict"),
            ("reasons", "Why"),
            ("risk", "Risk", "not rated"),
            ("score", "Likelihood × impact", "not rated"),
            ("devices", "Devices"),
            ("people", "People"),
            ("first", "First seen", "never seen, or not shown"),
            ("last", "Last seen", "never seen, or not shown"),
            ("raised", "Raised"),
            ("first_decision", "First decision by a person", "none yet"),
            ("first_decided", "Taken", "none yet"),
            ("hours_to_decision", "Hours until then", "none yet"),
            ("state", "State"),
            ("decided_by", "By", "nobody yet"),
            ("decided", "When", "not yet"),
            ("reason", "Reason", "none yet"),
            ("approver", "Agreed by", "nobody else was asked"),
            ("assignee", "Whose it is", "nobody was named"),
            ("due", "Due", "no day is set"),
            ("until", "Until", "no end is set"),
            ("review_on", "Review on", "no day is set"),
            ("row", "Inventory row", "no row"),
            ("impact_assessment", "Impact assessment"),
            ("risk_class", "Risk class by the register"),
            ("corrective", "Corrective actions", "none"),
            ("present", "Still found"),
            off_paper="service condition reasons score people first raised first_decided decided decided_by reason "
            "approver due until review_on row impact_assessment risk_class present",
        ),
        rows=_findings,
        empty="There was no finding in the period.",
    ),
    Table(
        name="decisions",
        title="Decision log",
        says="Every decision taken within the period, in the order taken. Decisions are only ever added.",
        item=5,
        controls=("42001:5.3", "42001:8.3", "42001:A.3.2", "42001:A.9.2", "27001:A.5.28", "aiact:26"),
        needs=("decisions:read",),
        columns=columns(
            ("id", "Decision"),
            ("at", "When"),
            ("by", "By"),
            ("action", "What"),
            ("service", "Service", "in no catalogue"),
            ("condition", "Condition", "the use as a whole"),
            ("unit", "For"),
            ("except", "But not for", "no exceptions"),
            ("reason", "Reason", "none is needed for this"),
            ("approver", "Agreed by", "nobody else was asked"),
            ("until", "Until", "no end is set"),
            ("review_on", "Review on", "no day is set"),
            ("question", "Question", "not an escalation"),
            ("answers", "Answers", "not an answer"),
            ("assignee", "Assigned to", "not an assignment"),
            ("row", "Inventory row", "none named"),
            ("findings", "Units it was seen in then"),
            off_paper="id condition except approver review_on question answers assignee row findings",
        ),
        rows=_decisions,
        empty="Nothing was decided within the period.",
    ),
    Table(
        name="comments",
        title="Comments",
        says="What was written about findings within the period.",
        item=5,
        controls=("42001:7.5",),
        needs=("decisions:read",),
        columns=columns(
            ("id", "Row"), ("finding", "Finding"), ("at", "When"), ("by", "By"), ("text", "Text"), off_paper="id"
        ),
        rows=_comments,
        empty="Nobody commented within the period.",
    ),
    Table(
        name="corrective-actions",
        title="Corrective actions",
        says="Cause, action, owner and day of each, and how it was found out whether it helped.",
        item=5,
        controls=("42001:10.2", "27001:A.5.27"),
        needs=("decisions:read",),
        columns=columns(
            ("id", "Action"),
            ("finding", "Finding"),
            ("stage", "Stage"),
            ("cause", "Cause"),
            ("action", "What is done"),
            ("owner", "Owner"),
            ("due", "Due"),
            ("opened_by", "Opened by"),
            ("opened", "Opened"),
            ("done", "Done", "not yet"),
            ("checked", "Effect checked", "not yet"),
            ("checked_by", "By", "nobody yet"),
            ("effective", "Helped", "not checked yet"),
            ("check", "How that was found out", "not checked yet"),
            off_paper="opened_by opened checked_by check",
        ),
        rows=_corrective,
        empty="No corrective action was opened.",
    ),
    Table(
        name="exceptions",
        title="Exceptions and their ends",
        says="What is tolerated, restricted or left out, by whom, why and until when.",
        item=6,
        controls=("42001:8.3", "42001:A.9.2", "27001:A.5.1"),
        needs=("decisions:read",),
        columns=columns(
            ("id", "Row"),
            ("kind", "Kind"),
            ("what", "What"),
            ("name", "Service"),
            ("service", "Catalogue id", "named otherwise"),
            ("unit", "For"),
            ("reason", "Why"),
            ("by", "By"),
            ("at", "Since"),
            ("until", "Until", "no end is set"),
            ("standing", "Standing"),
            off_paper="id service at",
        ),
        rows=_exceptions,
        empty="There are no exceptions.",
    ),
)
