"""Findings: the list, one with everything behind it, and what of it may be shown to whom."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
import sqlalchemy as sa
from litestar import get
from litestar.params import FromQuery, PathParameter, QueryParameter

from aimscope_collector.corrective import CorrectiveAction, is_due
from aimscope_collector.drafting_use import draft_use
from aimscope_collector.findings import Level, RiskRating, Verdict
from aimscope_collector.http.api._evidence import Behind, Seen, behind, evidence_of, sightings
from aimscope_collector.http.api._findings import (
    Filter,
    Found,
    Order,
    Taken,
    found,
    limited,
    one,
    ordered,
    shown,
    taken,
)
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, From, Limit, Name, Period, To, after, cut, span
from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.inventory.write import dump
from aimscope_collector.review import Standing, State
from aimscope_collector.store import actions, decisions
from aimscope_collector.store.actions import Comment
from aimscope_collector.store.tables.review import FINDING

_DAY: Final = 86_400
_HOSTS: Final = ("name", "host", "domain")
FindingId = Annotated[str, PathParameter(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class Findings(msgspec.Struct, frozen=True):
    """A page."""

    items: list[Found]
    next: str | None


class Detailed(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with what is behind it. ``version`` goes back with a decision, so that none is overlooked.

    What the asker's role does not see is null. ``draft`` is an inventory row to begin with, ``draft_yaml`` the same as
    text.
    """

    finding: Found
    standing: Standing
    version: str
    risk: RiskRating | None
    evidence: tuple[Behind, ...] | None
    history: list[Taken] | None
    comments: list[Comment] | None
    actions: list[CorrectiveAction] | None
    action_due: bool
    draft: AuthorisedUse
    draft_yaml: str


class Sightings(msgspec.Struct, frozen=True):
    """A page."""

    items: list[Seen]
    next: str | None


@get("/findings", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["findings"])
def list_findings(
    given: Here,
    who: Who,
    category: Name = None,
    verdict: FromQuery[Verdict | None] = None,
    state_: Annotated[State | None, QueryParameter(name="state")] = None,
    unit: Annotated[Name, QueryParameter(description="A unit and those below it.")] = None,
    service: Name = None,
    risk: FromQuery[Level | None] = None,
    assignee: Name = None,
    text: Annotated[Name, QueryParameter(description="Part of the name.")] = None,
    gone: Annotated[bool, QueryParameter(description="Also what is found no more.")] = False,
    shadow: Annotated[bool, QueryParameter(description="Used without anybody's decision.")] = False,
    overdue: Annotated[bool, QueryParameter(description="Past the day on which it was due.")] = False,
    opened: Annotated[int | None, QueryParameter(ge=1, le=366, description="Opened in the last so many days.")] = None,
    waiting: Annotated[bool, QueryParameter(description="To be reviewed, and not simply as it should be.")] = False,
    days: Period = None,
    first: From = None,
    last: To = None,
    order: FromQuery[Order] = "risk",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Findings:
    """Findings that fit all filters, the most pressing first."""
    since, until = span(given.now(), days, first, last)
    wanted = Filter(
        category=category,
        verdict=verdict,
        state=state_,
        unit=unit,
        service=service,
        risk=risk,
        assignee=assignee,
        text=text,
        gone=gone,
        since=since,
        until=until,
        shadow=shadow,
        overdue_at=given.now() if overdue else None,
        opened_since=given.now() - opened * _DAY if opened is not None else None,
        waiting=waiting,
    )
    name, by, descending = ordered(order)
    query = sa.select(FINDING, by.label("ordered_by"))
    query = after(
        wanted.applied(limited(query, who)),
        order=name,
        by=by,
        unique=FINDING.c.id,
        descending=descending,
        cursor=cursor,
        limit=limit,
    )
    with given.engine.connect() as connection:
        rows, following = cut(connection.execute(query).all(), limit, order=name, by="ordered_by", unique="id")
        view = shown(connection, who)
        return Findings([found(row, view) for row in rows], following)


@get("/findings/{finding:str}", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["findings"])
def show_finding(given: Here, who: Who, finding: FindingId) -> Detailed:
    """One finding: why it is judged so, where it stands, what was seen and which test held, what was decided."""
    now = given.now()
    with given.engine.connect() as connection:
        row = one(connection, finding, who)
        standing = decisions.standings(connection, [finding], now=now)[finding]
        several = actions.actions(connection, finding=finding)
        log = who.may("decisions:read")
        pieces = behind(connection, row) if who.may("sightings:read") else None
        return Detailed(
            finding=found(row, shown(connection, who)),
            standing=standing,
            version=standing.version,
            risk=msgspec.json.decode(row.risk, type=RiskRating | None),
            evidence=pieces,
            history=[
                taken(each)
                for each in decisions.history(connection, service=row.service, condition=row.condition, unit=row.unit)
            ]
            if log
            else None,
            comments=actions.comments(connection, finding=finding) if log else None,
            actions=several if log else None,
            action_due=is_due(
                standing.state,
                verdict=row.verdict,
                active=row.presence is not None and row.presence > 1,
                present=bool(row.present),
                actions=several,
            ),
            **_draft(given, row, pieces or ()),
        )


def _draft(given: Here, row: sa.Row[Any], pieces: tuple[Behind, ...]) -> dict[str, Any]:
    use = draft_use(
        finding=row.id,
        name=row.name,
        unit=row.unit,
        condition=row.condition,
        service=given.services.get(row.service),
        vendor=row.vendor,
        hosts=[text for piece in pieces for name, text in piece.fields.items() if name in _HOSTS],
        assets=row.assets,
        first=row.first,
        last=row.last,
    )
    return {"draft": use, "draft_yaml": dump([use])}


@get("/findings/{finding:str}/sightings", opt={"needs": "sightings:read"}, sync_to_thread=True, tags=["findings"])
def list_sightings(
    given: Here,
    who: Who,
    finding: FindingId,
    days: Period = None,
    first: From = None,
    last: To = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Sightings:
    """Who and what is behind a finding, by device, account and piece of evidence, under pseudonyms."""
    since, until = span(given.now(), days, first, last)
    with given.engine.connect() as connection:
        row = one(connection, finding, who)
        rows, following = sightings(
            connection,
            row,
            evidence_of(connection, row),
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
            view=shown(connection, who),
        )
        return Sightings(rows, following)


ROUTES: Final = (list_findings, show_finding, list_sightings)
