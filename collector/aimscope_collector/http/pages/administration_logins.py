"""Administration: how people log in, how long things are kept, when somebody is told, what a risk weighs."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.accounts import PERMISSIONS
from aimscope_collector.alerts import RULES, AlertPolicy
from aimscope_collector.http.api import exports, records, sessions, settings, weights
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form, Sent
from aimscope_collector.http.given import Given, Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.http.sign_on.configured import FILE
from aimscope_collector.http.sign_on.provider import Unreachable
from aimscope_collector.retention import Retention
from aimscope_collector.store.sessions import Logins

_DAY: Final = 86_400
_HOUR: Final = 3_600
_MEGABYTE: Final = 1_000_000


@get("/administration/logins", opt={"needs": "policy:read"}, sync_to_thread=True)
def logins(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """When sessions end, who needs a second factor, and where people log in."""
    return frame.show(
        "administration/logins.html",
        logins=ask(sessions.show_logins, given, who),
        roles=tuple(PERMISSIONS),
        provider=given.provider,
        file=FILE,
        checked="",
        trouble="",
    )


@post("/administration/logins", opt={"needs": "settings:write"}, sync_to_thread=True)
def set_logins(given: Here, who: Who, form: Form) -> Redirect:
    """Set that."""
    data = form.into(Logins, "idle_minutes", "hours", code_roles=form.all("code_roles"))
    ask(sessions.set_logins, given, who, data=data)
    return shown.go("/administration/logins", done="logins")


@post("/administration/logins/check", opt={"needs": "settings:write"}, sync_to_thread=True)
def check_provider(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """Ask the provider what it says of itself."""
    checked, trouble = _answer(given)
    return frame.show(
        "administration/logins.html",
        logins=ask(sessions.show_logins, given, who),
        roles=tuple(PERMISSIONS),
        provider=given.provider,
        file=FILE,
        checked=checked,
        trouble=trouble,
    )


def _answer(given: Given) -> tuple[str, str]:
    if given.provider is None:
        return "", ""
    try:
        return given.provider.about().authorization_endpoint, ""
    except Unreachable as error:
        return "", str(error)


@get("/administration/retention", opt={"needs": "policy:read"}, sync_to_thread=True)
def retention(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """How many days each table is kept."""
    kept = msgspec.structs.asdict(ask(settings.show_settings, given, who).retention)
    return frame.show("administration/retention.html", kept=kept)


@post("/administration/retention", opt={"needs": "settings:write"}, sync_to_thread=True)
def set_retention(given: Here, who: Who, form: Form) -> Redirect:
    """Set that."""
    kept = form.into(Retention, *Retention.__struct_fields__)
    ask(settings.set_settings, given, who, data=settings.Settings(retention=kept))
    return shown.go("/administration/retention", done="retention")


@get("/administration/alerts", opt={"needs": "alerts:read"}, sync_to_thread=True)
def alerts(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """When somebody is told, and where that goes."""
    policy = ask(records.show_alert_policy, given, who)
    return frame.show(
        "administration/alerts.html",
        policy=policy,
        rules=RULES,
        days=policy.cooldown / _DAY,
        megabytes=policy.volume / _MEGABYTE,
        hours=policy.silent_after / _HOUR,
        share=policy.coverage_share * 100,
        deliveries=ask(records.list_deliveries, given, who).items,
        destinations=_destinations(given, who),
    )


def _destinations(given: Given, who: Who) -> list[exports.Going] | None:
    """Where alerts and events may go; ``None`` where that cannot be told here."""
    if not who.may("exports:read"):
        return None
    try:
        return list(ask(exports.list_destinations, given, who).items)
    except Failed:
        return None


@post("/administration/alerts", opt={"needs": "alerts:write"}, sync_to_thread=True)
def set_alerts(given: Here, who: Who, form: Form) -> Redirect:
    """Change that."""
    data = form.into(
        AlertPolicy,
        "daily_cap",
        "coverage_least",
        rules=form.all("rules"),
        cooldown=round(_amount(form, "days") * _DAY),
        volume=round(_amount(form, "megabytes") * _MEGABYTE),
        silent_after=round(_amount(form, "hours") * _HOUR),
        coverage_share=_amount(form, "share") / 100,
    )
    ask(records.set_alert_policy, given, who, data=data)
    return shown.go("/administration/alerts", done="alerts")


@post("/administration/alerts/retry", opt={"needs": "alerts:write"}, sync_to_thread=True)
def retry(given: Here, who: Who, form: Form) -> Redirect:
    """Try what waits for a destination again."""
    done = ask(records.retry_deliveries, given, who, destination=form.text("destination")[:64])
    return shown.go("/administration/alerts", done="deliveries", n=done.items)


@get("/administration/risk", opt={"needs": "inventory:read"}, sync_to_thread=True)
def risk(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """What each factor adds to a risk."""
    return frame.show("administration/risk.html", found=ask(weights.show_weights, given, who))


@post("/administration/risk", opt={"needs": "inventory:write"}, sync_to_thread=True)
def set_risk(given: Here, who: Who, form: Form) -> Redirect:
    """Other weights, as a new version of the inventory."""
    known = ask(weights.show_weights, given, who).items
    wanted = {one.name: _amount(form, one.name) for one in known if form.text(one.name)}
    changed = form.into(weights.Changed, "note", weights=wanted)
    ask(weights.set_weights, given, who, data=changed)
    return shown.go("/administration/risk", done="risk")


def _amount(form: Sent, name: str) -> float:
    """A number with a fraction. Raises ``Failed``."""
    said = form.text(name)
    try:
        found = float(said)
    except ValueError:
        found = float("nan")
    if not abs(found) < 1e12:
        raise Failed(400, "malformed", f"{name}: {said[:40]} is no number.")
    return found


ROUTES: Final = (
    logins,
    set_logins,
    check_provider,
    retention,
    set_retention,
    alerts,
    set_alerts,
    retry,
    risk,
    set_risk,
)
