"""One's own account: password, second factor, sessions, API keys."""

from __future__ import annotations

import io
from typing import Any, Final

import segno
from litestar import Response, get, post
from litestar.response import Redirect
from markupsafe import Markup

from aimscope_collector.accounts import SCOPES, NotAllowed
from aimscope_collector.http.access import ENTERING, KNOWN, address_of
from aimscope_collector.http.api import accounts as api
from aimscope_collector.http.api import second_factor as factor
from aimscope_collector.http.api import sessions as own
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.pages.login import Asked, begun
from aimscope_collector.http.problems import Failed


@get("/account", opt={"needs": KNOWN}, sync_to_thread=True)
def account(request: Asked, given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """What one is and may, and how one logs in."""
    return frame.show(
        "account.html",
        me=ask(api.show_me, given, who),
        factor=ask(factor.show_second_factor, given, who),
        sessions=ask(own.list_sessions, given, who, request=request).items,
        keys=ask(api.list_keys, given, who).items if frame.may("keys:write") else None,
        scopes={word: said for word, said in SCOPES.items() if who.may(word)},
    )


@get("/account/password", opt={"needs": ENTERING}, sync_to_thread=True)
def password(frame: shown.Here, given: Here, who: Who) -> Response[str]:
    """Another password; the first one has to be changed before anything else."""
    return _password(frame, given, who)


def _password(frame: shown.Here, given: Here, who: Who, failed: str = "", status: int = 200) -> Response[str]:
    asked = ask(factor.show_second_factor, given, who).since is not None
    return frame.show("account_password.html", status=status, failed=failed, first=who.must_change, asked=asked)


@post("/account/password", opt={"needs": ENTERING}, sync_to_thread=True)
def change_password(request: Asked, given: Here, who: Who, frame: shown.Here, form: Form) -> Response[Any]:
    """Change it: all sessions end, and this browser gets a new one."""
    if who.scopes is not None:
        raise NotAllowed("A key changes nothing about how its owner logs in: log in with a browser.")
    if form.exact("new") != form.exact("again"):
        return _password(frame, given, who, "The new password was typed in two ways: type it again.", 422)
    change = api.ChangePassword(who.name, form.exact("password"), form.exact("new"), form.text("code"))
    try:
        changed = api.password_changed(given, change, address_of(request))
    except (Failed, NotAllowed) as failed:
        return _password(frame, given, who, str(failed), failed.status if isinstance(failed, Failed) else 422)
    return begun(request, given, changed, "full", f"{'/' if who.must_change else '/account'}?done=password")


@get("/account/second-factor", opt={"needs": ENTERING}, sync_to_thread=True)
def second_factor(given: Here, who: Who, frame: shown.Here) -> Response[Any]:
    """Whether a code is asked for, and what can be done about it."""
    if who.must_change:
        return shown.go("/account/password")
    standing = ask(factor.show_second_factor, given, who)
    return frame.show("account_factor.html", factor=standing, needed=who.must_enrol, failed="")


@post("/account/second-factor", opt={"needs": ENTERING}, sync_to_thread=True)
def begin(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """A secret for the phone, drawn and as text."""
    made = ask(factor.begin_second_factor, given, who)
    return frame.show("account_factor_begun.html", secret=made.secret, drawing=drawn(made.uri), failed="")


def drawn(uri: str) -> Markup:
    """A QR code (ISO/IEC 18004) as a drawing within the page: its dots are dark on white in either colour scheme."""
    out = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=False, scale=5, border=4, light="#fff", svgclass="qr", lineclass=None
    )
    return Markup(out.getvalue().decode())  # noqa: S704  # the library's own drawing: nothing of the address is text in it


@post("/account/second-factor/confirm", opt={"needs": ENTERING}, sync_to_thread=True)
def confirm(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str]:
    """The first code; then the recovery codes, shown once."""
    try:
        made = ask(factor.confirm_second_factor, given, who, data=factor.Code(form.text("code")[:64]))
    except Failed as failed:
        if failed.status != 422:
            raise
        values = {"secret": "", "drawing": "", "failed": failed.detail}
        return frame.show("account_factor_begun.html", status=422, **values)
    return frame.show("account_recovery.html", codes=made.codes)


@post("/account/second-factor/recovery", opt={"needs": ENTERING}, sync_to_thread=True)
def renew(request: Asked, given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str]:
    """Other recovery codes."""
    try:
        made = factor.renewed(given, who, form.text("code")[:64], address_of(request))
    except Failed as failed:
        return _factor(frame, given, who, failed)
    return frame.show("account_recovery.html", codes=made.codes)


@post("/account/second-factor/remove", opt={"needs": ENTERING}, sync_to_thread=True)
def remove(request: Asked, given: Here, who: Who, frame: shown.Here, form: Form) -> Response[Any]:
    """Give it up; one has to log in again."""
    try:
        factor.removed(given, who, form.text("code")[:64], address_of(request))
    except Failed as failed:
        return _factor(frame, given, who, failed)
    return shown.go("/login", done="factor_removed")


def _factor(frame: shown.Here, given: Here, who: Who, failed: Failed) -> Response[str]:
    if failed.status not in (401, 422, 429):
        raise failed
    standing = ask(factor.show_second_factor, given, who)
    values = {"factor": standing, "needed": who.must_enrol, "failed": failed.detail}
    return frame.show("account_factor.html", status=422 if failed.status == 401 else failed.status, **values)


@post("/account/sessions/end", opt={"needs": KNOWN}, sync_to_thread=True)
def end_session(given: Here, who: Who, form: Form) -> Redirect:
    """End one of one's own sessions."""
    ask(own.end_session, given, who, session=form.text("session"))
    return shown.go("/account", done="session_ended")


@post("/account/sessions/end-others", opt={"needs": KNOWN}, sync_to_thread=True)
def end_others(request: Asked, given: Here, who: Who) -> Redirect:
    """End all but this one."""
    ended = ask(own.end_other_sessions, given, who, request=request).sessions
    return shown.go("/account", done="sessions_ended", n=ended)


@post("/account/keys", opt={"needs": "keys:write"}, sync_to_thread=True)
def make_key(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str]:
    """A key for a program, shown once."""
    wanted = form.into(api.NewKey, "name", "days", scopes=form.all("scopes"))
    made = ask(api.create_key, given, who, data=wanted)
    return frame.show("account_key.html", key=made.key, secret=made.secret)


@post("/account/keys/revoke", opt={"needs": "keys:write"}, sync_to_thread=True)
def revoke_key(given: Here, who: Who, form: Form) -> Redirect:
    """The key opens nothing any more."""
    ask(api.revoke_key, given, who, key=form.number("key") or 0)
    return shown.go("/account", done="key_revoked")


ROUTES: Final = (
    account,
    password,
    change_password,
    second_factor,
    begin,
    confirm,
    renew,
    remove,
    end_session,
    end_others,
    make_key,
    revoke_key,
)
