"""Coverage: of which devices we know anything, and what nobody could look at."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from litestar import Response, get
from litestar.params import QueryParameter

from aimscope_collector.http.api import coverage as api
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, Name

_ROWS: Final = 100


@get("/coverage", opt={"needs": "coverage:read"}, sync_to_thread=True)
def coverage(
    given: Here, who: Who, frame: shown.Here, days: Annotated[Literal[7, 30, 90], QueryParameter()] = 7
) -> Response[str]:
    """Units with their devices, agents and reports; blind spots by sensor; agents that fell silent."""
    found: api.Coverage = ask(api.show_coverage, given, who, days=days)
    return frame.show(
        "coverage.html",
        found=found,
        days=days,
        known=sum(part.known for part in found.units),
        enrolled=sum(part.enrolled for part in found.units),
        reported=sum(part.reported for part in found.units),
    )


@get("/coverage/runs", opt={"needs": "coverage:read"}, sync_to_thread=True)
def runs(given: Here, who: Who, frame: shown.Here, agent: Name = None, cursor: Cursor = None) -> Response[str]:
    """Scan runs, the latest first."""
    found: api.Runs = ask(api.list_runs, given, who, agent=agent or None, limit=_ROWS, cursor=cursor)
    return frame.show("runs.html", runs=found.items, next=found.next, agent=agent or "")


ROUTES: Final = (coverage, runs)
