"""Reports: which there are, and one of them made and sent."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.params import QueryParameter

from aimscope_collector.http.api import assets as units_api
from aimscope_collector.http.api import reports as api
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed

_DAYS: Final = 90
_OPTION: Final = "option-"
Day = Annotated[str, QueryParameter(max_length=10)]


@get("/reports", opt={"needs": "reports:read"}, sync_to_thread=True)
def reports(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """Every report, each with a form of its own."""
    found: api.Listed = ask(api.list_reports, given, who)
    units: list[tuple[str, str]] = []
    if frame.may("coverage:read"):
        listed: units_api.Units = ask(units_api.list_units, given, who)
        units = [(one.path, one.path) for one in listed.items]
    today = datetime.datetime.fromtimestamp(given.now(), datetime.UTC).date()
    return frame.show(
        "reports.html",
        reports=[one for one in found.items if all(frame.may(needs) for needs in one.needs)],
        units=units,
        first=(today - datetime.timedelta(days=_DAYS)).isoformat(),
        last=today.isoformat(),
    )


@get("/reports/{name:str}/file", opt={"needs": "reports:read"}, sync_to_thread=True)
def make(
    given: Here,
    who: Who,
    request: Request[Any, Any, Any],
    name: api.ReportName,
    as_form: Annotated[str, QueryParameter(name="form", max_length=16)] = "",
    first: Annotated[str, QueryParameter(name="from", max_length=10)] = "",
    last: Annotated[str, QueryParameter(name="to", max_length=10)] = "",
    at: Annotated[str, QueryParameter(name="as_of", max_length=10)] = "",
    unit: api.Unit = "",
) -> Response[Any]:
    """Make a report as its form says, and send its file."""
    options = [
        f"{key.removeprefix(_OPTION)}={value}"
        for key, value in request.query_params.items()
        if key.startswith(_OPTION) and value
    ]
    done: Response[Any] = ask(
        api.make_report,
        given,
        who,
        name=name,
        form=as_form or None,
        first=_day("from", first),
        last=_day("to", last),
        at=_day("as_of", at),
        unit=unit,
        options=options,
    )
    return done


def _day(field: str, said: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(said) if said else None
    except ValueError:
        raise Failed(400, "malformed", f"{field}: {said} is no day; write it as 2026-12-31.") from None


ROUTES: Final = (reports, make)
