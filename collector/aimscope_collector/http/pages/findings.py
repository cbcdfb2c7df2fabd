"""The queue of findings: filtered, searched, sorted, and decided for many at once."""

from __future__ import annotations

from typing import Any, Final, get_args

from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.findings import VERDICTS, Level
from aimscope_collector.http.api._findings import Found, Order
from aimscope_collector.http.api.deciding import Decide, Decided, DecideMany, decide_many
from aimscope_collector.http.api.findings import list_findings
from aimscope_collector.http.api.queue import Queue, count_findings, list_versions
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form, Sent
from aimscope_collector.http.frame.queried import Queried, queried
from aimscope_collector.http.frame.texts import text, word
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.pages._views import views_for
from aimscope_collector.http.paging import MOST
from aimscope_collector.http.problems import Failed
from aimscope_collector.reports.cells import Value, csv_bytes
from aimscope_collector.review import STATES, day_of

_ROWS: Final = 50
_MOST: Final = 10_000
_SAID: Final = (
    *("id", "name", "vendor", "category", "service", "unit", "condition", "verdict", "state", "risk", "score"),
    *("row", "assignee", "bytes_out", "bytes_in"),
)
_COLUMNS: Final = (*_SAID, "devices", "people", "first", "last")
LEVELS: Final[tuple[Level, ...]] = ("critical", "high", "medium", "low")
ORDERS: Final[tuple[Order, ...]] = get_args(Order)
NUMBERS: Final = ("shadow", "overdue", "opened", "waiting")
"""Filters that numbers of the overview link with: nobody types them, and the page says that they are on."""
FILTERS: Final = (
    *("text", "verdict", "state", "risk", "unit", "category", "service", "assignee"),
    *("days", "from", "to", "gone", "order", *NUMBERS),
)
"""Parameters of the queue that say what is in it: those a saved view keeps."""


def filters(asked: Queried) -> dict[str, Any]:
    """The filters of the list, as the API's handlers name them. Raises ``Failed``."""
    days = asked.days()
    return {
        "category": asked.name("category"),
        "verdict": asked.one_of("verdict", VERDICTS),
        "state_": asked.one_of("state", STATES),
        "unit": asked.name("unit"),
        "service": asked.name("service"),
        "risk": asked.one_of("risk", LEVELS),
        "assignee": asked.name("assignee"),
        "text": asked.name("text"),
        "gone": asked.ticked("gone"),
        "shadow": asked.ticked("shadow"),
        "overdue": asked.ticked("overdue"),
        "waiting": asked.ticked("waiting"),
        "opened": int(opened) if (opened := asked.one_of("opened", ("7", "30", "90"))) else None,
        "days": days,
        "first": None if days else asked.day("from"),
        "last": None if days else asked.day("to"),
    }


@get("/findings", opt={"needs": "findings:read"}, sync_to_thread=True)
def findings(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """The queue, the most pressing first."""
    asked = queried(frame)
    wanted = filters(asked)
    order = asked.one_of("order", ORDERS) or "risk"
    page = ask(list_findings, given, who, **wanted, order=order, limit=_ROWS, cursor=asked.text("cursor") or None)
    counts = ask(count_findings, given, who, **wanted)
    known: dict[str, str] = {}
    if page.items and who.may("findings:decide"):
        known = ask(list_versions, given, who, finding=[one.id for one in page.items]).versions
    kept = {name: value for name in FILTERS if (value := frame.query.get(name))}
    return frame.show(
        "findings/queue.html",
        page=page,
        versions=known,
        counts=counts,
        order=order,
        choices=_choices(counts),
        kept=kept,
        only=[
            (name, text(f"findings.only.{name}", n=int(kept[name]) if name == "opened" else 0))
            for name in NUMBERS
            if name in kept
        ],
        views=views_for(given, who, "findings"),
        filtered=bool(kept.keys() - {"order", "state"}),
    )


@get("/findings.csv", opt={"needs": "findings:read"}, sync_to_thread=True)
def save_list(given: Here, who: Who, frame: shown.Here) -> Response[bytes]:
    """The queue as a file, with the same filters: the first ten thousand."""
    asked = queried(frame)
    wanted = filters(asked)
    order = asked.one_of("order", ORDERS) or "risk"
    rows: list[list[Value]] = []
    cursor: str | None = None
    while len(rows) < _MOST:
        page = ask(list_findings, given, who, **wanted, order=order, limit=MOST, cursor=cursor)
        rows += [_cells(one) for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    headers = {"content-disposition": 'attachment; filename="findings.csv"'}
    return Response(csv_bytes(_COLUMNS, rows), media_type="text/csv", headers=headers)


def _cells(one: Found) -> list[Value]:
    few = f"fewer than {one.fewer_than}"
    counts = [few if one.assets is None else one.assets, few if one.subjects is None else one.subjects]
    dates = [None if at is None else day_of(at) for at in (one.first, one.last)]
    said: list[Value] = [getattr(one, name) for name in _SAID]
    return [*said, *counts, *dates]


def _choices(counts: Queue) -> dict[str, list[tuple[str, str]]]:
    """What each filter offers, in words."""
    return {
        "verdict": [(one, word("verdict", one)) for one in VERDICTS],
        "risk": [(one, word("risk", one)) for one in LEVELS],
        "order": [(one, text(f"findings.orders.{one}")) for one in ORDERS],
        "unit": [(one, one) for one in counts.units],
        "category": [(one, word("category", one)) for one in counts.categories],
        "assignee": [(one, one) for one in counts.assignees],
        "days": [(str(one), text("frame.days", n=one)) for one in (7, 30, 90)],
    }


def decision_of(sent: Sent, **fixed: object) -> Decide:
    """A decision as a form says it. Raises ``Failed``."""
    action = sent.text("action")
    if not action:
        raise Failed(400, "malformed", "Choose what to decide.")
    settles = action in ("register", "tolerate", "prohibit", "dismiss")
    everywhere = sent.text("where") == "everywhere"
    values: dict[str, object] = {
        "everywhere": everywhere,
        "except_units": sent.lines("except_units") if everywhere else (),
        "until": sent.day("until") if settles else None,
        "review_on": sent.day("review_on") if settles else None,
        "due": sent.day("due") if action == "assign" else None,
        "assignee": sent.text("assignee") if action == "assign" else None,
        "question": sent.text("question") if action == "escalate" else "",
    }
    return sent.into(Decide, "action", "reason", "approver", "row", "answers", **(values | fixed))


@post("/findings/decide", opt={"needs": "findings:decide"}, sync_to_thread=True, status_code=303)
def decide_several(given: Here, who: Who, form: Form) -> Redirect:
    """One decision for every finding that is ticked, all or none; each as it stood when the page was made."""
    ticked = form.all("finding")
    if not ticked:
        raise Failed(400, "malformed", "Nothing is ticked: tick the findings that you decide.")
    several = [each.partition(" ") for each in ticked]
    data = DecideMany(
        findings=tuple(id_ for id_, _, _ in several),
        decision=decision_of(form),
        versions={id_: version for id_, _, version in several if version},
    )
    decided: Decided = ask(decide_many, given, who, data=data)
    more = len(decided.standings.keys() - set(data.findings))
    done = "findings_decided_and_more" if more else "findings_decided"
    return shown.go("/findings", **_back(form), done=done, n=more or len(ticked))


def _back(form: Sent) -> dict[str, str]:
    """The filters of the queue the form was in, so that one comes back to it."""
    return {name: value for name in FILTERS if (value := form.text(f"back-{name}"))}


ROUTES: Final = (findings, save_list, decide_several)
