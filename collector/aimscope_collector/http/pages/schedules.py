"""Reports that are sent by e-mail: which, how often and to whom; one more, one less, one sent now."""

from __future__ import annotations

from typing import Final, get_args

from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.http.api import assets as units_api
from aimscope_collector.http.api import reports as reports_api
from aimscope_collector.http.api import schedules as api
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.frame.shown import Frame, go
from aimscope_collector.http.frame.texts import word
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.store.schedules import Every

_OFTEN: Final[tuple[Every, ...]] = get_args(Every)


def _page(given: Here, who: Who, frame: Frame, problem: Failed | None = None, **entered: str) -> Response[str]:
    found: api.Schedules = ask(api.list_schedules, given, who)
    listed: reports_api.Listed = ask(reports_api.list_reports, given, who)
    units: list[tuple[str, str]] = []
    if frame.may("coverage:read"):
        all_units: units_api.Units = ask(units_api.list_units, given, who)
        units = [(one.path, one.path) for one in all_units.items]
    titles = {one.name: one.title for one in listed.items}
    return frame.show(
        "schedules.html",
        status=problem.status if problem else 200,
        schedules=found.items,
        destinations=[(one, one) for one in found.destinations],
        titles=titles,
        kinds=[(f"{one.name} {form}", f"{one.title} ({form.upper()})") for one in listed.items for form in one.forms],
        often=[(one, word("every", one)) for one in _OFTEN],
        units=units,
        problem=problem,
        entered=entered,
    )


@get("/reports/schedules", opt={"needs": "reports:schedule"}, sync_to_thread=True)
def schedules(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """All of them, and why one was not sent the last time."""
    return _page(given, who, frame)


@post("/reports/schedules", opt={"needs": "reports:schedule"}, sync_to_thread=True, status_code=303)
def add(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str] | Redirect:
    """Have one more sent."""
    report, _, kind = form.text("what").partition(" ")
    try:
        hour = form.number("hour")
        data = form.into(
            api.NewSchedule,
            *("name", "every", "destination", "unit"),
            report=report,
            form=kind,
            hour=6 if hour is None else hour,
        )
        ask(api.add_schedule, given, who, data=data)
    except Failed as problem:
        if problem.status not in (400, 422):
            raise
        names = ("name", "what", "every", "hour", "destination", "unit")
        return _page(given, who, frame, problem, **{name: form.text(name) for name in names})
    return go("/reports/schedules", done="schedule_made")


@post("/reports/schedules/{schedule:int}/remove", opt={"needs": "reports:schedule"}, sync_to_thread=True)
def remove(given: Here, who: Who, schedule: api.ScheduleId) -> Redirect:
    """Send it no more."""
    ask(api.remove_schedule, given, who, schedule=schedule)
    return go("/reports/schedules", done="schedule_removed")


@post("/reports/schedules/{schedule:int}/run", opt={"needs": "reports:schedule"}, sync_to_thread=True)
def run(given: Here, who: Who, schedule: api.ScheduleId) -> Redirect:
    """Send it once more, within a minute."""
    ask(api.run_schedule, given, who, schedule=schedule)
    return go("/reports/schedules", done="schedule_run")


ROUTES: Final = (schedules, add, remove, run)
