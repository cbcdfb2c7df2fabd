"""Enrolment tokens: made, shown once, ended; and what each enrolled."""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.http.api import agents as api
from aimscope_collector.http.api import assets as units_api
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.frame.shown import go
from aimscope_collector.http.given import Here, Who

_HOUR: Final = 3_600


def _page(given: Here, who: Who, frame: shown.Frame, made: api.MadeToken | None = None) -> Response[str]:
    found: api.Tokens = ask(api.list_tokens, given, who)
    units: list[tuple[str, str]] = []
    if frame.may("coverage:read"):
        listed: units_api.Units = ask(units_api.list_units, given, who)
        units = [(one.path, one.path) for one in listed.items]
    return frame.show("fleet/tokens.html", tokens=found.items, units=units, made=made)


@get("/fleet/tokens", opt={"needs": "tokens:read"}, sync_to_thread=True)
def tokens(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """All tokens, the newest first."""
    return _page(given, who, frame)


@post("/fleet/tokens", opt={"needs": "tokens:write"}, sync_to_thread=True, status_code=200)
def make(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str]:
    """Make a token. Its text is on this one page, and nowhere else."""
    data = form.into(
        api.NewToken,
        "uses",
        "unit",
        "note",
        seconds=(form.number("hours") or 24) * _HOUR,
        tags=form.lines("tags"),
        networks=form.lines("networks"),
        devices=form.lines("devices"),
        approval=form.ticked("approval"),
    )
    return _page(given, who, frame, ask(api.create_token, given, who, data=data))


@get("/fleet/tokens/{token:int}", opt={"needs": "tokens:read"}, sync_to_thread=True)
def enrolled(given: Here, who: Who, frame: shown.Here, token: api.TokenId) -> Response[str]:
    """What a token enrolled."""
    found: api.Enrolled = ask(api.list_enrolled, given, who, token=token)
    return frame.show("fleet/token.html", token=token, agents=found.agents)


@post("/fleet/tokens/{token:int}/end", opt={"needs": "tokens:write"}, sync_to_thread=True)
def end(given: Here, who: Who, token: api.TokenId, form: Form) -> Redirect:
    """End a token, and with a reason what it enrolled."""
    ask(api.revoke_token, given, who, token=token, data=form.into(api.EndToken, "agents_too"))
    return go("/fleet/tokens", done="token_ended")


ROUTES: Final = (tokens, make, enrolled, end)
