"""Findings as the API gives them: the queries of lists, and what a role may see of counts."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector.findings import Level, Verdict
from aimscope_collector.http.given import Who
from aimscope_collector.http.problems import not_found
from aimscope_collector.privacy import Grain, PrivacyPolicy, fit_to_show
from aimscope_collector.review import Act, Decision, Facts, State
from aimscope_collector.standing import NOTHING_TO_SAY, SETTLED, SHADOW
from aimscope_collector.store import privacy
from aimscope_collector.store.tables.review import FINDING
from aimscope_signatures.kinds import IDENTITIES, PRESENCES, Identity, Presence

_LEVELS: Final[dict[Level, tuple[int, int]]] = {
    "low": (0, 4),
    "medium": (5, 9),
    "high": (10, 15),
    "critical": (16, 25),
}
_DAY: Final = 86_400
_LAST_DAY: Final = 2_932_896
Order = Literal["risk", "recent", "spread", "name", "opened"]
_ORDERS: Final[dict[Order, tuple[str, bool]]] = {
    "risk": ("score", True),
    "recent": ("last", True),
    "spread": ("assets", True),
    "name": ("name", False),
    "opened": ("opened_at", True),
}


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. Times are seconds since 1970 UTC.

    ``assets`` and ``subjects`` are null where the group is smaller than may be shown: ``fewer_than`` says how small.
    """

    id: str
    service: str
    name: str
    vendor: str
    category: str
    unit: str
    condition: str
    verdict: Verdict
    state: State
    risk: Level
    score: int
    reasons: tuple[str, ...]
    row: str
    identity: Identity | None = None
    presence: Presence | None = None
    assets: int | None
    subjects: int | None
    fewer_than: int | None = None
    count: int
    first: int | None
    last: int | None
    bytes_out: int | None
    bytes_in: int | None
    trend: tuple[int, ...]
    assignee: str
    due: int | None
    opened_at: int
    changed_at: int
    present: bool


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was taken; see ``review.Decision``."""

    uid: str
    service: str
    condition: str
    unit: str | None
    except_units: tuple[str, ...]
    action: Act
    reason: str
    by: str
    at: int
    until: int | None
    review_on: int | None
    facts: Facts


def taken(decision: Decision) -> Taken:
    """The decision."""
    return Taken(**{name: getattr(decision, name) for name in Taken.__struct_fields__})


def level_of(score: int) -> Level:
    """The field of the matrix a score lies in."""
    return next(level for level, (_, most) in _LEVELS.items() if score <= most or level == "critical")


class Shown(msgspec.Struct, frozen=True):
    """What policy lets somebody see: people and devices from ``least`` on, moments by ``time``."""

    least: int
    time: Grain

    def count(self, number: int) -> int | None:
        """A number of people or devices; ``None`` where it is so small that it tells who they are."""
        return fit_to_show(number, self.least)

    def moment(self, at: int | None) -> int | None:
        """The beginning of the day or month that a moment lies in."""
        if at is None or self.time == "none":
            return None
        day = at // _DAY
        if self.time == "month":
            date = datetime.date(1970, 1, 1) + datetime.timedelta(days=max(0, min(day, _LAST_DAY)))
            day = (date.replace(day=1) - datetime.date(1970, 1, 1)).days
        return day * _DAY


def shown(connection: sa.Connection, who: Who) -> Shown:
    """What who asks is shown: whoever sees evidence is shown small groups too."""
    policy: PrivacyPolicy = privacy.policy(connection)
    return Shown(0 if who.may("sightings:read") else policy.least_group, policy.time)


def found(row: sa.Row[Any], shown: Shown) -> Found:
    """A row as it may be shown."""
    small = None in (shown.count(row.assets), shown.count(row.subjects))
    return Found(
        id=row.id,
        service=row.service,
        name=row.name,
        vendor=row.vendor,
        category=row.category,
        unit=row.unit,
        condition=row.condition,
        verdict=row.verdict,
        state=row.state,
        risk=level_of(row.score),
        score=row.score,
        reasons=msgspec.json.decode(row.reasons, type=tuple[str, ...]),
        row=row.row,
        identity=None if row.identity is None else IDENTITIES[min(row.identity, len(IDENTITIES) - 1)],
        presence=None if row.presence is None else PRESENCES[min(row.presence, len(PRESENCES) - 1)],
        assets=None if small else row.assets,
        subjects=None if small else row.subjects,
        fewer_than=shown.least if small else None,
        count=row._mapping["count"],  # noqa: SLF001  # a tuple counts, too
        first=shown.moment(row.first),
        last=shown.moment(row.last),
        bytes_out=row.bytes_out,
        bytes_in=row.bytes_in,
        trend=() if small else msgspec.json.decode(row.trend, type=tuple[int, ...]),
        assignee=row.assignee,
        due=row.due,
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        present=bool(row.present),
    )


def within(column: sa.ColumnElement[Any], units: Iterable[str]) -> sa.ColumnElement[bool]:
    """Whether a path is one of the units, or below one."""
    folded = sa.func.lower(column)
    tests: list[sa.ColumnElement[bool]] = []
    for unit in units:
        path = unit.strip("/").lower()
        tests += [folded == path, folded.startswith(f"{path}/", autoescape=True)]
    return sa.or_(*tests)


def limited(query: sa.Select[Any], who: Who, column: sa.ColumnElement[Any] = FINDING.c.unit) -> sa.Select[Any]:
    """Only what lies within the asker's units."""
    return query.where(within(column, who.units)) if who.units else query


def ordered(order: Order) -> tuple[str, sa.ColumnElement[Any], bool]:
    """The name of the column, the column without nulls, and whether it runs down."""
    name, descending = _ORDERS[order]
    column: sa.ColumnElement[Any] = FINDING.c[name]
    return name, (sa.func.coalesce(column, 0) if name == "last" else column), descending


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What to leave out of a list."""

    category: str | None = None
    verdict: str | None = None
    state: str | None = None
    unit: str | None = None
    service: str | None = None
    risk: Level | None = None
    assignee: str | None = None
    text: str | None = None
    since: int | None = None
    until: int | None = None
    gone: bool = False
    shadow: bool = False
    """Used, and nobody authorised it or decided to live with it."""
    overdue_at: int | None = None
    opened_since: int | None = None
    waiting: bool = False
    """Nobody looked at it yet, and there is something to say about it."""

    def applied(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """The query with these conditions."""
        for name in ("category", "verdict", "state", "service", "assignee"):
            wanted = getattr(self, name)
            if wanted is not None:
                query = query.where(FINDING.c[name] == wanted)
        if self.unit is not None:
            query = query.where(within(FINDING.c.unit, [self.unit]) if self.unit.strip("/") else FINDING.c.unit == "")
        if self.risk is not None:
            query = query.where(FINDING.c.score.between(*_LEVELS[self.risk]))
        if self.text:
            query = query.where(sa.func.lower(FINDING.c.name).contains(self.text.lower(), autoescape=True))
        if self.since is not None:
            query = query.where(FINDING.c.last >= self.since)
        if self.until is not None:
            query = query.where(FINDING.c.first < self.until)
        if self.shadow:
            query = query.where(FINDING.c.verdict.in_(sorted(SHADOW)), FINDING.c.state.not_in(sorted(SETTLED)))
        if self.overdue_at is not None:
            query = query.where(FINDING.c.due < self.overdue_at, FINDING.c.state != "dismissed")
        if self.opened_since is not None:
            query = query.where(FINDING.c.opened_at >= self.opened_since)
        if self.waiting:
            query = query.where(FINDING.c.state == "unreviewed", FINDING.c.verdict.not_in(NOTHING_TO_SAY))
        return query if self.gone else query.where(FINDING.c.present == 1)


def one(connection: sa.Connection, id_: str, who: Who) -> sa.Row[Any]:
    """The finding of that id, if it is within the asker's units. Raises ``Failed``."""
    row = connection.execute(limited(sa.select(FINDING).where(FINDING.c.id == id_), who)).first()
    if row is None:
        raise not_found("finding")
    return row
