"""What people do about one finding: decide, comment, correct, ask for a name."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from aimscope_collector.http.api import deciding as api
from aimscope_collector.http.api import people
from aimscope_collector.http.api.deciding import ActionId, Check, Correct, FindingId, Say
from aimscope_collector.http.api.findings import Detailed, show_finding
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form, Sent
from aimscope_collector.http.frame.shown import Frame
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.pages.finding import Again, draw
from aimscope_collector.http.pages.findings import decision_of
from aimscope_collector.http.problems import Failed
from aimscope_collector.review import Refused, Wrong
from aimscope_collector.store.decisions import Conflict
from aimscope_collector.store.reveals import NotRevealed

_ENTERED: Final = (
    *("action", "reason", "question", "assignee", "due", "until", "review_on", "approver", "row", "wrong", "where"),
    *("except_units", "text", "cause", "correction", "owner", "done_by", "why"),
)
_Answer = Response[str] | Redirect


def _done(
    given: Here, who: Who, frame: Frame, finding: str, form: Sent, handler: HTTPRouteHandler, word: str, data: Any
) -> _Answer:
    """Ask the API, and see the finding again: with what was entered where it was refused."""
    try:
        ask(handler, given, who, finding=finding, data=data)
    except (Conflict, Refused) as error:
        return _again(given, who, frame, finding, form, error)
    return shown.go(f"/findings/{finding}", done=word)


def _again(given: Here, who: Who, frame: Frame, finding: str, form: Sent, error: Exception) -> Response[str]:
    entered = {name: form.text(name) for name in _ENTERED if form.text(name)}
    return draw(
        given, who, frame, finding, again=Again(409 if isinstance(error, Conflict) else 422, str(error), entered)
    )


@post("/findings/{finding:str}/decide", opt={"needs": "findings:decide"}, sync_to_thread=True, status_code=303)
def decide(given: Here, who: Who, frame: shown.Here, finding: FindingId, form: Form) -> _Answer:
    """Decide. Where somebody decided since the page was made, theirs is shown and nothing is overwritten."""
    try:
        wrong = _wrong(given, who, finding, form.text("wrong")) if form.text("action") == "dismiss" else None
        data = decision_of(form, wrong=wrong, version=form.text("version") or None)
    except Failed as error:
        if error.status != 400:
            raise
        return _again(given, who, frame, finding, form, error)
    return _done(given, who, frame, finding, form, api.decide, "decided", data)


def _wrong(given: Here, who: Who, finding: str, said: str) -> Wrong | None:
    """The evidence that is called wrong. Raises ``Failed``."""
    if said in ("", "all"):
        return Wrong() if said else None
    detail: Detailed = ask(show_finding, given, who, finding=finding)
    for piece in detail.evidence or ():
        if str(piece.id) == said:
            return Wrong(kind=piece.kind, evidence=dict(piece.fields))
    raise Failed(400, "malformed", "That evidence is no longer there: look at the finding again.")


@post("/findings/{finding:str}/comment", opt={"needs": "findings:decide"}, sync_to_thread=True, status_code=303)
def comment(given: Here, who: Who, frame: shown.Here, finding: FindingId, form: Form) -> _Answer:
    """Write something."""
    data = Say(form.text("text")[:4_000])
    return _done(given, who, frame, finding, form, api.comment, "commented", data)


@post("/findings/{finding:str}/actions", opt={"needs": "findings:decide"}, sync_to_thread=True, status_code=303)
def open_action(given: Here, who: Who, frame: shown.Here, finding: FindingId, form: Form) -> _Answer:
    """Open a corrective action."""
    due = form.day("done_by")
    if due is None:
        return _again(given, who, frame, finding, form, Failed(400, "malformed", "Say until when it is to be done."))
    data = Correct(cause=form.text("cause"), action=form.text("correction"), owner=form.text("owner"), due=due)
    return _done(given, who, frame, finding, form, api.open_action, "action_opened", data)


@post(
    "/findings/{finding:str}/actions/{action:int}",
    opt={"needs": "findings:decide"},
    sync_to_thread=True,
    status_code=303,
)
def go_on(given: Here, who: Who, frame: shown.Here, finding: FindingId, action: ActionId, form: Form) -> _Answer:
    """The action was carried out; or, with ``effective``, whether it helped."""
    try:
        if form.text("effective"):
            data = Check(effective=form.text("effective") == "yes", check=form.text("check"))
            ask(api.check_action, given, who, action=action, data=data)
        else:
            ask(api.finish_action, given, who, action=action)
    except Refused as error:
        return _again(given, who, frame, finding, form, error)
    return shown.go(f"/findings/{finding}", done="action_changed")


@post("/findings/{finding:str}/reveal", opt={"needs": "people:reveal"}, sync_to_thread=True, status_code=303)
def reveal(given: Here, who: Who, frame: shown.Here, finding: FindingId, form: Form) -> _Answer:
    """Ask for the name behind a pseudonym; a second person may have to agree."""
    what, _, pseudonym = form.text("whom").partition(" ")
    try:
        data = form.into(people.Ask, "role", what=what, pseudonym=pseudonym, reason=form.text("why"))
        ask(people.ask, given, who, data=data)
    except (NotRevealed, Failed) as error:
        if isinstance(error, Failed) and error.status != 400:
            raise
        return _again(given, who, frame, finding, form, error)
    return shown.go(f"/findings/{finding}", done="reveal_asked")


@post(
    "/findings/{finding:str}/reveals/{number:int}/open",
    opt={"needs": "people:reveal"},
    sync_to_thread=True,
    status_code=200,
)
def reveal_name(
    given: Here, who: Who, frame: shown.Here, finding: FindingId, number: people.Id, form: Form
) -> Response[str]:
    """The name, once more each time it is asked for; each time is audited."""
    try:
        found: people.Name = ask(people.open_name, given, who, reveal=number)
    except NotRevealed as error:
        return _again(given, who, frame, finding, form, error)
    return frame.show("finding/name.html", name=found.name, back=f"/findings/{finding}")


@post(
    "/findings/{finding:str}/reveals/{number:int}/answer",
    opt={"needs": "people:approve"},
    sync_to_thread=True,
    status_code=303,
)
def reveal_answered(
    given: Here, who: Who, frame: shown.Here, finding: FindingId, number: people.Id, form: Form
) -> _Answer:
    """Agree or refuse, as the second person."""
    try:
        ask(people.agree if form.text("answer") == "agree" else people.refuse, given, who, reveal=number)
    except NotRevealed as error:
        return _again(given, who, frame, finding, form, error)
    return shown.go(f"/findings/{finding}", done="reveal_answered")


ROUTES: Final = (decide, comment, open_action, go_on, reveal, reveal_name, reveal_answered)
