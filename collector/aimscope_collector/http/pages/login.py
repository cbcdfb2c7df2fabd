"""Logging in and out: the password, the code where there is one, and what has to be done before anything else."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.response import Redirect

from aimscope_collector.accounts import Principal
from aimscope_collector.http import cookies
from aimscope_collector.http.access import NOTHING, address_of
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.given import Given, Here
from aimscope_collector.http.logging_in import code_given, logged_in, opened
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import sessions
from aimscope_collector.store.accounts import Account
from aimscope_collector.store.database import writing
from aimscope_collector.store.sessions import Session, Stage

_LONGEST: Final = 2_000
Asked = Request[Any, Any, Any]


def onward(said: str) -> str:
    """Where to go after logging in: an address of this collector, or its first page."""
    inside = said.startswith("/") and not said.startswith(("//", "/\\", "/login", "/logout"))
    return said if inside and len(said) <= _LONGEST and said.isprintable() and "\\" not in said else "/"


def begun(request: Asked, given: Given, account: Account, stage: Stage, path: str) -> Redirect:
    """A session with a new secret in place of the one the browser had, and where it leads."""
    scheme = request.scope.get("scheme")
    before = cookies.secret_of(request.cookies, scheme)
    made = opened(given, account, stage=stage, client=request.headers.get("user-agent", ""), instead=before)
    answer = Redirect(path, status_code=303)
    answer.set_cookie(cookies.holding(made.secret, scheme))
    return answer


def entrance(
    frame: shown.Here, given: Given, *, status: int = 200, path: str = "/", failed: str = "", name: str = ""
) -> Response[str]:
    """The page that asks for name and password, or leads to where people log in."""
    label = given.provider.label if given.provider is not None else ""
    shows = {"onward": path, "failed": failed, "name": name, "elsewhere": label, "rescue": given.rescue}
    return frame.show("login.html", status=status, **shows)


@get("/login", opt={"needs": NOTHING}, sync_to_thread=True)
def login(request: Asked, given: Here, frame: shown.Here) -> Response[Any]:
    """Name and password."""
    if isinstance(request.scope.get("user"), Principal):
        return Redirect(onward(frame.query.get("next", "")), status_code=303)
    return entrance(frame, given, path=onward(frame.query.get("next", "")))


@post("/login", opt={"needs": NOTHING, "entrance": True}, sync_to_thread=True)
def log_in(request: Asked, given: Here, frame: shown.Here, form: Form) -> Response[Any]:
    """A session, or its first half where a code is to come."""
    path, name = onward(form.text("next")), form.text("name")
    try:
        account = logged_in(given, name, form.exact("password"), address_of(request))
    except Failed as failed:
        return entrance(frame, given, status=failed.status, path=path, failed=failed.detail, name=name)
    if account.second_factor:
        return begun(request, given, account, "code", f"/login/code?{urlencode({'next': path})}")
    return begun(request, given, account, "full", path)


@get("/login/code", opt={"needs": NOTHING}, sync_to_thread=True)
def ask_code(request: Asked, frame: shown.Here) -> Response[Any]:
    """The code, after the password."""
    if _half(request) is None:
        return shown.go("/login")
    return frame.show("login_code.html", onward=onward(frame.query.get("next", "")), failed="")


@post("/login/code", opt={"needs": NOTHING}, sync_to_thread=True)
def take_code(request: Asked, given: Here, frame: shown.Here, form: Form) -> Response[Any]:
    """The session, once the code is right."""
    session, path = _half(request), onward(form.text("next"))
    if session is None:
        return shown.go("/login")
    try:
        account = code_given(given, session.principal.account, form.text("code"), address_of(request))
    except Failed as failed:
        return frame.show("login_code.html", status=failed.status, onward=path, failed=failed.detail)
    return begun(request, given, account, "full", path)


@post("/logout", opt={"needs": NOTHING}, sync_to_thread=True)
def log_out(request: Asked, given: Here) -> Redirect:
    """End the session."""
    scheme = request.scope.get("scheme")
    session, secret = request.scope.get("auth"), cookies.secret_of(request.cookies, scheme)
    if isinstance(session, Session):
        with writing(given.engine) as connection:
            sessions.end(connection, secret, by=session.principal.name, at=given.now())
    there = {"elsewhere": 1} if isinstance(session, Session) and session.origin == "oidc" else {}
    answer = shown.go("/login", done="logged_out", **there)
    answer.set_cookie(cookies.gone(scheme))
    return answer


def _half(request: Asked) -> Session | None:
    session = request.scope.get("auth")
    return session if isinstance(session, Session) and session.stage == "code" else None


ROUTES: Final = (login, log_in, ask_code, take_code, log_out)
