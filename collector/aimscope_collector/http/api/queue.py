"""What a list of findings is about: how many there are of each state and verdict, and what they can be filtered by."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final

import msgspec
import sqlalchemy as sa
from litestar import get
from litestar.params import FromQuery, QueryParameter

from aimscope_collector.findings import VERDICTS, Level, Verdict
from aimscope_collector.http.api._findings import Filter, level_of, limited
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import MOST, From, Name, Period, To, span
from aimscope_collector.review import STATES, State
from aimscope_collector.store import decisions
from aimscope_collector.store.tables.review import FINDING

_DAY: Final = 86_400
_MOST: Final = 2_000


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Findings that fit, by state, verdict and risk; a state's number leaves the filter for states out.

    ``services`` are how many they are about: one in several units counts once. ``units``, ``categories`` and
    ``assignees`` are what findings have, filtered or not (the first two thousand).
    """

    total: int
    services: int
    states: dict[State, int]
    verdicts: dict[Verdict, int]
    risks: dict[Level, int]
    units: tuple[str, ...]
    categories: tuple[str, ...]
    assignees: tuple[str, ...]


class Versions(msgspec.Struct, frozen=True):
    """``Standing.version`` by finding."""

    versions: dict[str, str]


@get("/findings/counts", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["findings"])
def count_findings(
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
) -> Queue:
    """How many findings fit, with the filters of the list."""
    since, until = span(given.now(), days, first, last)
    wanted = Filter(
        category=category,
        verdict=verdict,
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
    c = FINDING.c
    grouped = sa.select(c.state, c.verdict, c.score, sa.func.count().label("number"))
    query = wanted.applied(limited(grouped, who)).group_by(c.state, c.verdict, c.score)
    one = sa.func.coalesce(sa.func.nullif(c.service, ""), c.condition)
    several = wanted.applied(limited(sa.select(sa.func.count(one.distinct())), who))
    if state_ is not None:
        several = several.where(c.state == state_)
    states: Counter[State] = Counter()
    verdicts: Counter[Verdict] = Counter()
    risks: Counter[Level] = Counter()
    with given.engine.connect() as connection:
        for row in connection.execute(query):
            states[row.state] += row.number
            if state_ in (None, row.state):
                verdicts[row.verdict] += row.number
                risks[level_of(row.score)] += row.number
        return Queue(
            total=sum(verdicts.values()),
            services=connection.execute(several).scalar_one(),
            states={one: states[one] for one in STATES if states[one]},
            verdicts={one: verdicts[one] for one in VERDICTS if verdicts[one]},
            risks=dict(risks),
            units=_values(connection, who, c.unit),
            categories=_values(connection, who, c.category),
            assignees=_values(connection, who, c.assignee),
        )


@get("/findings/versions", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["findings"])
def list_versions(
    given: Here,
    who: Who,
    finding: Annotated[list[str], QueryParameter(max_items=MOST, description="Ids, each a parameter of its own.")],
) -> Versions:
    """What a decision about several findings sends back, so that none that was taken meanwhile is overlooked."""
    query = limited(sa.select(FINDING.c.id).where(FINDING.c.id.in_(finding)), who)
    with given.engine.connect() as connection:
        known = list(connection.execute(query).scalars())
        found = decisions.standings(connection, known, now=given.now())
    return Versions({id_: standing.version for id_, standing in found.items()})


def _values(connection: sa.Connection, who: Who, column: sa.Column[Any]) -> tuple[str, ...]:
    query = limited(sa.select(column).distinct().where(column != "").order_by(column).limit(_MOST), who)
    return tuple(connection.execute(query).scalars())


ROUTES: Final = (count_findings, list_versions)
