"""The register of the AI management system's scope: units and systems, in, out or not yet, and why (4.3)."""

from __future__ import annotations

from typing import Final, get_args

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.http.api import scope as api
from aimscope_collector.http.api.inventory import show_inventory
from aimscope_collector.http.api.queue import count_findings
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.frame.queried import queried
from aimscope_collector.http.frame.shown import Frame
from aimscope_collector.http.frame.texts import word
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.review import Refused
from aimscope_collector.store.scope import Place, Placed, What

_PLACES: Final[tuple[Place, ...]] = get_args(Place)
_WHAT: Final[tuple[What, ...]] = get_args(What)
_MOST: Final = 500


class Line(msgspec.Struct, frozen=True):
    """A unit or system, and where it was put; ``placed`` is ``None`` where nobody decided.

    ``says`` is what the inventory itself says of a system, and why.
    """

    what: What
    name: str
    placed: Placed | None
    inside: bool | None = None
    says: str = ""


@get("/scope", opt={"needs": "inventory:read"}, sync_to_thread=True)
def scope(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """The register."""
    return _draw(given, who, frame, {})


def _draw(
    given: Here, who: Who, frame: Frame, entered: dict[str, str], problem: Exception | None = None
) -> Response[str]:
    frame.path = "/scope"
    asked = queried(frame)
    register: api.Register = ask(api.show_scope, given, who)
    placed = {(one.what, one.name.casefold()): one for one in register.items}
    lines = [*_units(given, who, placed), *_systems(given, who, placed)]
    known = {(one.what, one.name.casefold()) for one in lines}
    lines += [Line(one.what, one.name, one) for key, one in placed.items() if key not in known]
    return frame.show(
        "scope/register.html",
        status=422 if problem else 200,
        problem=problem,
        units=[one for one in lines if one.what == "unit"][:_MOST],
        systems=[one for one in lines if one.what == "system"][:_MOST],
        history=register.history,
        places=[(one, word("scope", one)) for one in _PLACES],
        kinds=[(one, word("scope_of", one)) for one in _WHAT],
        entered=entered or {"what": asked.one_of("what", _WHAT) or "unit", "name": asked.name("name") or ""},
    )


def _units(given: Here, who: Who, placed: dict[tuple[What, str], Placed]) -> list[Line]:
    """Units that findings are in; a unit without any is there once somebody decided about it."""
    if not who.may("findings:read"):
        return []
    names = ask(count_findings, given, who, gone=True).units
    return [Line("unit", name, placed.get(("unit", name.casefold()))) for name in names]


def _systems(given: Here, who: Who, placed: dict[tuple[What, str], Placed]) -> list[Line]:
    try:
        inventory: Inventory = ask(show_inventory, given, who)
    except Failed as error:
        if error.status != 404:
            raise
        return []
    return [
        Line(
            "system", use.name, placed.get(("system", use.name.casefold())), use.scope.in_aims, use.scope.justification
        )
        for use in {use.name: use for use in inventory.systems}.values()
    ]


@post("/scope", opt={"needs": "inventory:write"}, sync_to_thread=True, status_code=303)
def put(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str] | Redirect:
    """Decide about one."""
    try:
        data = form.into(api.Put, "what", "name", "place", "justification", justification=form.text("justification"))
        ask(api.put_scope, given, who, data=data)
    except (Refused, Failed) as error:
        if isinstance(error, Failed) and error.status not in (400, 422):
            raise
        entered = {name: form.text(name) for name in ("what", "name", "place", "justification")}
        return _draw(given, who, frame, entered, error)
    return shown.go("/scope", done="scope_decided")


ROUTES: Final = (scope, put)
