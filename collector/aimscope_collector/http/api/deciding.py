"""What people do about findings: decide, also for many at once, comment, assign, correct."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Final

import msgspec
import sqlalchemy as sa
from litestar import get, post
from litestar.params import FromQuery, JSONBody, PathParameter

from aimscope_collector.corrective import CorrectiveAction
from aimscope_collector.http.api._findings import Taken, limited, one, taken
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, Limit, cursor_of, read_cursor
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.review import Act, Decision, Facts, Standing, Wrong
from aimscope_collector.store import actions, decisions
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.review import FINDING

_DAY: Final = 86_400
_MOST: Final = 1_000
FindingId = Annotated[str, PathParameter(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Line = Annotated[str, msgspec.Meta(max_length=256)]
Text = Annotated[str, msgspec.Meta(max_length=4_000)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class Decide(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision. ``everywhere`` makes it one for the whole organisation, without ``except_units``.

    ``until`` and ``review_on`` are days, the first of them the last one it holds. ``version`` is what ``GET`` said:
    where somebody decided in between, it is a conflict. ``uid`` is drawn by a caller who wants to be able to ask
    twice.
    """

    action: Act
    reason: Text = ""
    everywhere: bool = False
    except_units: Annotated[tuple[Line, ...], msgspec.Meta(max_length=1_000)] = ()
    until: datetime.date | None = None
    review_on: datetime.date | None = None
    question: Text = ""
    answers: Line = ""
    assignee: Line | None = None
    due: datetime.date | None = None
    approver: Line = ""
    row: Line = ""
    wrong: Wrong | None = None
    version: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    uid: Id | None = None


class DecideMany(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same decision for several findings, all or none. ``versions`` is by finding."""

    findings: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=_MOST)]
    decision: Decide
    versions: dict[str, str] = {}


class Decided(msgspec.Struct, frozen=True):
    """Where the findings concerned stand now, by id; also those the decision was inherited by."""

    standings: dict[str, Standing]


class Say(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comment."""

    text: Text


class Made(msgspec.Struct, frozen=True):
    """The number of what was made."""

    id: int


class Correct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A corrective action: cause, what is done, by whom, until which day."""

    cause: Text
    action: Text
    owner: Line
    due: datetime.date


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether an action helped, and how that was found out."""

    effective: bool
    check: Text


class Logged(msgspec.Struct, frozen=True):
    """A page of the decision log, the newest first."""

    items: list[Taken]
    next: str | None


class Actions(msgspec.Struct, frozen=True):
    """Corrective actions in the order opened."""

    items: list[CorrectiveAction]


def _end(day: datetime.date | None) -> int | None:
    """The end of a day, in seconds."""
    return None if day is None else ((day - datetime.date(1970, 1, 1)).days + 1) * _DAY


def _begin(day: datetime.date | None) -> int | None:
    return None if day is None else (day - datetime.date(1970, 1, 1)).days * _DAY


def _decision(who: Who, row: sa.Row[Any], said: Decide, uid: str, now: int) -> Decision:
    unit = None if said.everywhere else row.unit
    if not who.reaches(unit):
        raise Failed(403, "forbidden", "Your account decides for its own units: leave `everywhere` out.")
    return Decision(
        uid=uid,
        service=row.service,
        condition=row.condition,
        unit=unit,
        except_units=said.except_units,
        action=said.action,
        reason=said.reason,
        by=who.name,
        at=now,
        until=_end(said.until),
        review_on=_begin(said.review_on),
        facts=Facts(
            question=said.question,
            answers=said.answers,
            assignee=said.assignee,
            due=_end(said.due),
            approver=said.approver,
            row=said.row,
            wrong=said.wrong,
        ),
    )


def _take(given: Here, who: Who, findings: tuple[str, ...], said: Decide, versions: dict[str, str]) -> Decided:
    now = given.now()
    with writing(given.engine) as connection:
        rows = [one(connection, finding, who) for finding in dict.fromkeys(findings)]
        several: dict[tuple[str, str, str | None], Decision] = {}
        for number, row in enumerate(rows):
            drawn = said.uid or given.randomness(12).hex()
            made = _decision(who, row, said, drawn if len(rows) == 1 else f"{drawn[:56]}.{number}", now)
            several.setdefault((made.service, made.condition, made.unit), made)
        known = decisions.decide(connection, list(several.values()), now=now, expected=versions or None)
    if said.wrong is not None or said.action != "assign":  # a detection is called wrong, or no longer is
        given.touch(frozenset(row.service for row in rows))
    return Decided(known)


@post("/findings/{finding:str}/decisions", opt={"needs": "findings:decide"}, sync_to_thread=True, tags=["review"])
def decide(given: Here, who: Who, finding: FindingId, data: JSONBody[Decide]) -> Decided:
    """Decide about a finding."""
    return _take(given, who, (finding,), data, {} if data.version is None else {finding: data.version})


@post("/decisions", opt={"needs": "findings:decide"}, sync_to_thread=True, tags=["review"])
def decide_many(given: Here, who: Who, data: JSONBody[DecideMany]) -> Decided:
    """Decide about several findings at once, all or none."""
    return _take(given, who, data.findings, data.decision, data.versions)


@get("/decisions", opt={"needs": "decisions:read"}, sync_to_thread=True, tags=["review"])
def list_decisions(given: Here, who: Who, limit: Limit = 100, cursor: Cursor = None) -> Logged:
    """The decision log, the newest first; a page leaves out what is beyond the asker's units."""
    before = 0 if cursor is None else read_cursor(cursor, "decisions")[0]
    if not isinstance(before, int):
        raise Failed(400, "cursor", "The cursor belongs to another list: begin without one.")
    with given.engine.connect() as connection:
        found = decisions.recent(connection, before=before, limit=limit + 1)
    more = cursor_of("decisions", found[limit - 1][0], "") if len(found) > limit else None
    seen = [decision for _, decision in found[:limit] if decision.unit is None or who.reaches(decision.unit)]
    return Logged([taken(decision) for decision in seen], more)


@post("/findings/{finding:str}/comments", opt={"needs": "findings:decide"}, sync_to_thread=True, tags=["review"])
def comment(given: Here, who: Who, finding: FindingId, data: JSONBody[Say]) -> Made:
    """Write something about a finding."""
    with writing(given.engine) as connection:
        one(connection, finding, who)
        return Made(actions.comment(connection, finding=finding, by=who.name, at=given.now(), text=data.text))


@post("/findings/{finding:str}/actions", opt={"needs": "findings:decide"}, sync_to_thread=True, tags=["review"])
def open_action(given: Here, who: Who, finding: FindingId, data: JSONBody[Correct]) -> Made:
    """Open a corrective action."""
    now = given.now()
    with writing(given.engine) as connection:
        one(connection, finding, who)
        action = CorrectiveAction(
            finding=finding,
            cause=data.cause,
            action=data.action,
            owner=data.owner,
            due=_end(data.due) or 0,
            opened_by=who.name,
            opened_at=now,
        )
        return Made(actions.open_action(connection, action))


@get("/actions", opt={"needs": "decisions:read"}, sync_to_thread=True, tags=["review"])
def list_actions(given: Here, who: Who, unfinished: FromQuery[bool] = False) -> Actions:
    """Corrective actions; ``unfinished`` are those whose effect nobody has checked."""
    with given.engine.connect() as connection:
        mine = set(connection.execute(limited(sa.select(FINDING.c.id), who)).scalars()) if who.units else None
        found = actions.actions(connection, unfinished=unfinished)
    return Actions([action for action in found if mine is None or action.finding in mine])


ActionId = Annotated[int, PathParameter(ge=1, le=1 << 53)]


def _of(connection: sa.Connection, action: int, who: Who) -> None:
    found = [each for each in actions.actions(connection) if each.id == action]
    if not found:
        raise not_found("corrective action")
    one(connection, found[0].finding, who)


@post("/actions/{action:int}/done", opt={"needs": "findings:decide"}, sync_to_thread=True, tags=["review"])
def finish_action(given: Here, who: Who, action: ActionId) -> Made:
    """The action was carried out."""
    with writing(given.engine) as connection:
        _of(connection, action, who)
        actions.finish_action(connection, action=action, by=who.name, at=given.now())
    return Made(action)


@post("/actions/{action:int}/check", opt={"needs": "findings:decide"}, sync_to_thread=True, tags=["review"])
def check_action(given: Here, who: Who, action: ActionId, data: JSONBody[Check]) -> Made:
    """Whether the action helped (clause 10.2)."""
    with writing(given.engine) as connection:
        _of(connection, action, who)
        actions.check_action(
            connection, action=action, by=who.name, at=given.now(), effective=data.effective, check=data.check
        )
    return Made(action)


ROUTES: Final = (
    decide,
    decide_many,
    list_decisions,
    comment,
    open_action,
    list_actions,
    finish_action,
    check_action,
)
