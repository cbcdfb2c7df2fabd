"""Administration: what agents may collect, what is shown of people, and who asked for names."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.http.api import people, settings
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form, Sent
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor
from aimscope_collector.http.problems import Failed
from aimscope_collector.privacy import PrivacyPolicy

_PARTS: Final = ("gateway", "logs", "network")
_ROWS: Final = 100


@get("/administration/policy", opt={"needs": "policy:read"}, sync_to_thread=True)
def policy(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """What agents may collect."""
    offered: settings.Offered | None = None
    try:
        offered = ask(settings.show_policy, given, who)
    except Failed as failed:
        if failed.status != 404:
            raise
    found = offered.policy if offered is not None else settings.Policy()
    return frame.show("administration/policy.html", offered=offered, policy=found, parts_of=_PARTS)


@post("/administration/policy", opt={"needs": "policy:write"}, sync_to_thread=True)
def set_policy(given: Here, who: Who, form: Form) -> Redirect:
    """Sign and offer another policy."""
    endpoint: dict[str, Any] = {
        "enabled": form.ticked("endpoint"),
        "off": form.lines("off"),
        "opt_in": form.lines("opt_in"),
        "every": form.text("every"),
        "cron": form.text("cron"),
    }
    parts = {name: _part(form, name) for name in _PARTS}
    keeping = {"users": form.text("users", "keep"), "devices": form.text("devices", "keep")}
    data = form.into(settings.Policy, endpoint=endpoint, privacy=keeping, **parts)
    ask(settings.set_policy, given, who, data=data)
    return shown.go("/administration/policy", done="policy")


def _part(form: Sent, name: str) -> dict[str, Any]:
    return {"enabled": form.ticked(name), "exclude": form.lines(f"{name}_exclude")}


@get("/administration/privacy", opt={"needs": "policy:read"}, sync_to_thread=True)
def privacy(given: Here, who: Who, frame: shown.Here, cursor: Cursor = None) -> Response[str]:
    """What is shown of people; requests for names that wait; what widened, and every name that was revealed."""
    waits = who.may("people:approve") or who.may("privacy:read") or who.may("people:reveal")
    watched = ask(people.watch, given, who, limit=_ROWS, cursor=cursor) if who.may("privacy:read") else None
    return frame.show(
        "administration/privacy.html",
        policy=ask(people.show_privacy, given, who),
        waiting=ask(people.list_reveals, given, who, waiting=True).items if waits else None,
        watched=watched,
    )


@post("/administration/privacy", opt={"needs": "policy:write"}, sync_to_thread=True)
def set_privacy(given: Here, who: Who, form: Form) -> Redirect:
    """Change what is shown."""
    data = form.into(
        PrivacyPolicy,
        "least_group",
        "time",
        "reveal_hours",
        excluded_groups=form.lines("excluded_groups"),
        second_person=form.ticked("second_person"),
    )
    changed = ask(people.set_privacy, given, who, data=data)
    return shown.go("/administration/privacy", done="privacy_wider" if changed.widened else "privacy")


@post("/administration/privacy/agree", opt={"needs": "people:approve"}, sync_to_thread=True)
def agree(given: Here, who: Who, form: Form) -> Redirect:
    """Agree to a reveal, as the second person."""
    ask(people.agree, given, who, reveal=form.number("reveal") or 0)
    return shown.go("/administration/privacy", done="agreed")


@post("/administration/privacy/refuse", opt={"needs": "people:approve"}, sync_to_thread=True)
def refuse(given: Here, who: Who, form: Form) -> Redirect:
    """Refuse it."""
    ask(people.refuse, given, who, reveal=form.number("reveal") or 0)
    return shown.go("/administration/privacy", done="refused")


ROUTES: Final = (policy, set_policy, privacy, set_privacy, agree, refuse)
