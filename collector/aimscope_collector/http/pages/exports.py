"""Exports: where events go and how each destination does; previews, dead letters, replays."""

from __future__ import annotations

import datetime
from typing import Final

from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.http.api import exports as api
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.frame.shown import go
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor

_SHOWN: Final = 5
_ROWS: Final = 50
_DAY: Final = 86_400


@get("/exports", opt={"needs": "exports:read"}, sync_to_thread=True)
def exports(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """Destinations, and which format goes by which carrier."""
    found: api.Destinations = ask(api.list_destinations, given, who)
    table: api.Table = ask(api.list_formats, given, who)
    carriers = sorted({carrier for one in table.items for carrier in one.carriers})
    return frame.show("exports/list.html", found=found, formats=table.items, carriers=carriers)


@get("/exports/{destination:str}", opt={"needs": "exports:read"}, sync_to_thread=True)
def destination(given: Here, who: Who, frame: shown.Here, destination: api.To, cursor: Cursor = None) -> Response[str]:
    """One destination: the next events as it gets them, and what it did not take."""
    preview: api.Preview = ask(api.preview_events, given, who, destination=destination, limit=_SHOWN)
    dead: api.DeadLetters = ask(api.list_dead_letters, given, who, destination=destination, limit=_ROWS, cursor=cursor)
    found: api.Destinations = ask(api.list_destinations, given, who)
    one = next(each for each in found.items if each.name == destination)
    return frame.show("exports/one.html", one=one, preview=preview, dead=dead.items, next=dead.next)


@post("/exports/{destination:str}/deliver", opt={"needs": "exports:write"}, sync_to_thread=True)
def deliver(given: Here, who: Who, destination: api.To) -> Redirect:
    """Deliver what waits."""
    done: api.Round = ask(api.deliver_now, given, who, destination=destination)
    return go(f"/exports/{destination}", done="delivered", n=done.sent)


@post("/exports/{destination:str}/retry", opt={"needs": "exports:write"}, sync_to_thread=True)
def retry(given: Here, who: Who, destination: api.To) -> Redirect:
    """Try again, dead letters too."""
    done: api.Counted = ask(api.retry_destination, given, who, destination=destination)
    return go(f"/exports/{destination}", done="retried", n=done.events)


@post("/exports/{destination:str}/replay", opt={"needs": "exports:write"}, sync_to_thread=True)
def replay(given: Here, who: Who, destination: api.To, form: Form) -> Redirect:
    """Send a period once more."""
    first, last = form.day("from"), form.day("to")
    data = form.into(api.Period, since=_moment(first), until=None if last is None else _moment(last) + _DAY)
    done: api.Counted = ask(api.replay_destination, given, who, destination=destination, data=data)
    return go(f"/exports/{destination}", done="replayed", n=done.events)


def _moment(day: datetime.date | None) -> int:
    return 0 if day is None else (day - datetime.date(1970, 1, 1)).days * _DAY


ROUTES: Final = (exports, destination, deliver, retry, replay)
