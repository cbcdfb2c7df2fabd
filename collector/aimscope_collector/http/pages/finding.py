"""One finding: in a sentence, why we believe it, whom it concerns, how risky it is, and what was decided."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Response, get

from aimscope_collector import telling
from aimscope_collector.accounts import PERMISSIONS
from aimscope_collector.http.api.findings import Detailed, FindingId, Sightings, list_findings, list_sightings
from aimscope_collector.http.api.findings import show_finding as api_finding
from aimscope_collector.http.api.people import list_reveals
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.shown import Frame
from aimscope_collector.http.frame.texts import text
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.pages._behind import because, by_device, happened, pieces_to_choose, related
from aimscope_collector.http.paging import Cursor
from aimscope_collector.reports import charts
from aimscope_collector.review import SETTLES
from aimscope_collector.risk import level
from aimscope_collector.services import ATTRIBUTES

_SEEN: Final = 50
_ELSEWHERE: Final = 20
_WEEK: Final = 7 * 86_400


class Again(msgspec.Struct, frozen=True):
    """A form that was refused: why, and what was entered, so that nothing is typed twice."""

    status: int
    problem: str
    entered: Mapping[str, str]


@get("/findings/{finding:str}", opt={"needs": "findings:read"}, sync_to_thread=True)
def finding(given: Here, who: Who, frame: shown.Here, finding: FindingId, cursor: Cursor = None) -> Response[str]:
    """One finding."""
    return draw(given, who, frame, finding, cursor=cursor)


def draw(
    given: Here, who: Who, frame: Frame, id_: str, *, cursor: str | None = None, again: Again | None = None
) -> Response[str]:
    """The page, also after a form that was refused."""
    frame.path = f"/findings/{id_}"
    detail: Detailed = ask(api_finding, given, who, finding=id_)
    one = detail.finding
    seen: Sightings | None = None
    if who.may("sightings:read"):
        seen = ask(list_sightings, given, who, finding=id_, limit=_SEEN, cursor=cursor)
    service = given.services.get(one.service)
    known = {each.name: each for each in service.known} if service else {}
    told = telling.Told(
        name=one.name or one.service,
        vendor=one.vendor,
        unit=one.unit,
        verdict=one.verdict,
        state=detail.standing.state,
        presence=one.presence or "",
        people=one.subjects,
        devices=one.assets,
        fewer_than=one.fewer_than,
        first=one.first,
        until=detail.standing.until,
        present=one.present,
    )
    now = given.now()
    risk = detail.risk
    return frame.show(
        "finding/page.html",
        status=again.status if again else 200,
        detail=detail,
        one=one,
        summary=telling.summary(told, now, text),
        notice=telling.notice(told, now, text),
        request=telling.request(told, text),
        because=because,
        seen=seen,
        groups=by_device(seen.items) if seen else [],
        reveals=_reveals(given, who, seen),
        may_reveal=[role for role in who.roles if "people:reveal" in PERMISSIONS[role]],
        service=service,
        asked=[(name, known.get(name)) for name in ATTRIBUTES],
        further=[each for each in known.values() if each.name not in ATTRIBUTES],
        rows=related(given, who, one, service),
        elsewhere=_elsewhere(given, who, one.service, id_),
        chart=_weeks(one.trend, now),
        matrix=charts.matrix({(risk.likelihood, risk.impact): 1}, level) if risk else None,
        timeline=happened(detail),
        wrong=pieces_to_choose(detail),
        settled=detail.standing.state in SETTLES.values(),
        again=again,
    )


def _weeks(trend: tuple[int, ...], now: int) -> charts.Stacked | None:
    """Devices by week, this one last."""
    if not any(trend):
        return None
    weeks = [_label(now - _WEEK * back) for back in range(len(trend) - 1, -1, -1)]
    return charts.stacked(
        id="weeks",
        title=text("finding.weeks"),
        labels=weeks,
        series=[charts.Series("plain", text("finding.devices_by_week"), trend)],
    )


def _label(at: int) -> str:
    date = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=at)
    return f"{date.day} {date:%b}"


def _elsewhere(given: Here, who: Who, service: str, id_: str) -> list[Any]:
    """Findings of the same service in other units."""
    if not service:
        return []
    page = ask(list_findings, given, who, service=service, limit=_ELSEWHERE + 1)
    return [one for one in page.items if one.id != id_][:_ELSEWHERE]


def _reveals(given: Here, who: Who, seen: Sightings | None) -> list[Any]:
    """Requests for names that concern what the page shows, for those who may see requests."""
    if seen is None or not any(map(who.may, ("people:reveal", "people:approve", "privacy:read"))):
        return []
    here = {name for one in seen.items for name in (one.subject, one.device)}
    return [one for one in ask(list_reveals, given, who, limit=100).items if one.pseudonym in here]


ROUTES: Final = (finding,)
