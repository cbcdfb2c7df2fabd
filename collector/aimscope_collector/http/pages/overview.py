"""The first page: where we stand in one look."""

from __future__ import annotations

import datetime
from typing import Annotated, Final, Literal

from litestar import Response, get
from litestar.params import QueryParameter

from aimscope_collector.findings import VERDICTS
from aimscope_collector.http.api import overview as api
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.texts import text, word
from aimscope_collector.http.given import Here, Who
from aimscope_collector.reports import charts
from aimscope_collector.reports.charts import Line, Part, Series


@get("/", opt={"needs": "findings:read"}, sync_to_thread=True)
def overview(
    given: Here, who: Who, frame: shown.Here, days: Annotated[Literal[7, 30, 90], QueryParameter()] = 30
) -> Response[str]:
    """Numbers that link to their lists, use over time, the top services and units, what could not be seen."""
    found: api.Overview = ask(api.show_overview, given, who, days=days)
    return frame.show(
        "overview.html",
        found=found,
        judged=found.in_use == 0 or found.verdicts["observed"] < found.in_use,
        chart=_over_time(found),
        services=_ranking("services", found.services, found.fewer_than),
        units=_ranking("units", found.units, found.fewer_than),
        shown=[verdict for verdict in VERDICTS if found.verdicts[verdict]],
    )


def _over_time(found: api.Overview) -> charts.Stacked:
    return charts.stacked(
        id="history",
        title=text("overview.history_weeks" if found.days == 90 else "overview.history_days"),
        labels=[_label(bar.day) for bar in found.history],
        series=[
            Series(verdict, word("verdict", verdict), tuple(bar.verdicts.get(verdict, 0) for bar in found.history))
            for verdict in reversed(VERDICTS)
            if verdict != "dormant"
        ],
    )


def _label(day: int) -> str:
    date = datetime.date(day // 10_000, day // 100 % 100, day % 100)
    return f"{date.day} {date:%b}"


def _ranking(what: Literal["services", "units"], several: list[api.Ranking], least: int) -> charts.Horizontal:
    return charts.horizontal(
        id=what,
        title=text(f"overview.top.{what}"),
        of=text(f"overview.of.{what}"),
        unit=text(f"overview.counts.{what}"),
        lines=[
            Line(
                label=(one.name or text("overview.no_unit")),
                parts=(Part(one.verdict, one.assets or 0),),
                href=_list_of(what, one),
                shown="" if one.assets is not None else text("frame.fewer", n=least),
            )
            for one in several
        ],
    )


def _list_of(what: Literal["services", "units"], one: api.Ranking) -> str:
    if what == "units":
        return shown.address("/findings", unit=one.id or "/")  # a stroke alone is: in no unit
    known = one.verdict != "unknown_ai"
    return shown.address("/findings", service=one.id) if known else shown.address("/findings", text=one.name)


ROUTES: Final = (overview,)
