"""Units, and the rules by which devices belong to them."""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.http.api import assets as api
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.frame.shown import go
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed

_WHAT: Final = ("host", "subnet", "tag", "group")


@get("/fleet/units", opt={"needs": "coverage:read"}, sync_to_thread=True)
def units(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """Units with their scope, and the rules."""
    found: api.Units = ask(api.list_units, given, who)
    rules: api.Rules | None = ask(api.list_rules, given, who) if frame.may("agents:read") else None
    text = None if rules is None else "\n".join(f"{rule.what} {rule.pattern} -> {rule.unit}" for rule in rules.items)
    return frame.show("fleet/units.html", units=found.items, rules=text)


@post("/fleet/units", opt={"needs": "agents:write"}, sync_to_thread=True)
def keep(given: Here, who: Who, form: Form) -> Redirect:
    """Make or change a unit."""
    data = form.into(api.SetUnit, "path", "scope", "justification", below=form.ticked("below"))
    ask(api.set_unit, given, who, data=data)
    return go("/fleet/units", done="unit_kept")


@post("/fleet/units/rules", opt={"needs": "agents:write"}, sync_to_thread=True)
def rules(given: Here, who: Who, form: Form) -> Redirect:
    """Replace the rules: a line each, as ``host mkt-* -> emea/marketing``."""
    items = [_rule(number, line) for number, line in enumerate(form.lines("rules"), 1)]
    ask(api.set_rules, given, who, data=form.into(api.Rules, items=items))
    return go("/fleet/units", done="rules_kept")


def _rule(number: int, line: str) -> dict[str, str]:
    said, arrow, unit = line.partition("->")
    what, _, pattern = said.strip().partition(" ")
    if what not in _WHAT or not pattern.strip() or not arrow or not unit.strip():
        wanted = f"{'|'.join(_WHAT)} PATTERN -> UNIT"
        raise Failed(400, "malformed", f"Line {number} of the rules is not of the form: {wanted}.")
    return {"what": what, "pattern": pattern.strip(), "unit": unit.strip()}


ROUTES: Final = (units, keep, rules)
