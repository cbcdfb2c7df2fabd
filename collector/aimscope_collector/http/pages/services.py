"""Services: the catalogue to browse, what of it is in use, and a try-out."""

from __future__ import annotations

import datetime
from collections import defaultdict
from typing import Annotated, Final

from litestar import Response, get
from litestar.params import FromQuery, QueryParameter

from aimscope_collector.http.api import findings as found_api
from aimscope_collector.http.api import matching
from aimscope_collector.http.api import services as api
from aimscope_collector.http.api.queue import Queue, count_findings
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.texts import text, word
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, Name
from aimscope_collector.http.problems import not_found
from aimscope_collector.reports import charts
from aimscope_collector.reports.charts import Series
from aimscope_collector.services import ATTRIBUTES

_ROWS: Final = 100
_DAYS: Final = 90
_MOST_FINDINGS: Final = 100


@get("/services", opt={"needs": "services:read"}, sync_to_thread=True)
def services(
    given: Here,
    who: Who,
    frame: shown.Here,
    category: Name = None,
    text_: Annotated[Name, QueryParameter(name="text")] = None,
    in_use: FromQuery[bool] = False,
    try_: Annotated[str | None, QueryParameter(name="try", max_length=2_048)] = None,
    cursor: Cursor = None,
) -> Response[str]:
    """The catalogue, and what a value gives away."""
    found: api.Services = ask(
        api.list_services,
        given,
        who,
        category=category or None,
        text=text_ or None,
        in_use=in_use,
        limit=_ROWS,
        cursor=cursor,
    )
    asked = (try_ or "").strip()
    tried: matching.Tried | None = ask(matching.try_value, given, who, value=asked) if asked else None
    unknown = 0
    if in_use and not (category or text_) and frame.may("findings:read"):
        counted: Queue = ask(count_findings, given, who, verdict="unknown_ai")
        unknown = counted.services
    return frame.show(
        "services.html",
        unknown=unknown,
        found=found.items,
        next=found.next,
        total=len(given.services),
        categories=[
            (each, word("category", each)) for each in sorted({one.category for one in given.services.values()})
        ],
        asked=asked,
        tried=tried.items if tried else None,
    )


@get("/services/{service:str}", opt={"needs": "services:read"}, sync_to_thread=True)
def service(given: Here, who: Who, frame: shown.Here, service: api.ServiceId) -> Response[str]:
    """One service: what the catalogue knows of it, each with its source, and how it is used."""
    one = given.services.get(service)
    if one is None:
        raise not_found("service")
    used: api.Usage = ask(api.show_usage, given, who, service=service)
    listed: found_api.Findings = ask(found_api.list_findings, given, who, service=service, limit=_MOST_FINDINGS)
    known = {each.name: each for each in one.known}
    return frame.show(
        "service.html",
        one=one,
        asked=[(name, known.pop(name, None)) for name in ATTRIBUTES],
        further=sorted(known.values(), key=lambda each: each.name),
        findings=listed.items,
        chart=_by_week(used, given.now()),
    )


def _by_week(used: api.Usage, now: int) -> charts.Stacked:
    """Devices by week: the most on any of its days, summed over units whose groups are large enough to be told."""
    most: dict[tuple[datetime.date, str], int] = defaultdict(int)
    for each in used.days:
        date = datetime.date(each.day // 10_000, each.day // 100 % 100, each.day % 100)
        key = (date - datetime.timedelta(days=date.weekday()), each.unit)
        most[key] = max(most[key], each.assets or 0)
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    last = today - datetime.timedelta(days=today.weekday())
    weeks = [last - datetime.timedelta(weeks=back) for back in range(_DAYS // 7, -1, -1)]
    sums = [sum(number for (week, _), number in most.items() if week == one) for one in weeks]
    return charts.stacked(
        id="usage",
        title=text("services.by_week"),
        labels=[f"{week.day} {week:%b}" for week in weeks],
        series=[Series("plain", text("services.devices"), tuple(sums))],
    )


ROUTES: Final = (services, service)
