"""Administration: who may log in, and what they may."""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.response import Redirect

from aimscope_collector.accounts import PERMISSIONS, SCOPES
from aimscope_collector.http.api import accounts as api
from aimscope_collector.http.api import second_factor as factor
from aimscope_collector.http.api.accounts import Id
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import not_found

_TABS: Final = (
    ("/administration/accounts", "accounts:read"),
    ("/administration/logins", "policy:read"),
    ("/administration/policy", "policy:read"),
)


@get("/administration", opt={"needs": "policy:read"}, sync_to_thread=True)
def administration(frame: shown.Here) -> Redirect:
    """The first page of it that one may see."""
    return Redirect(next(path for path, needs in _TABS if frame.may(needs)), status_code=303)


@get("/administration/accounts", opt={"needs": "accounts:read"}, sync_to_thread=True)
def accounts(given: Here, who: Who, frame: shown.Here) -> Response[str]:
    """Every account, and a form for a new one."""
    found = ask(api.list_accounts, given, who).items
    return frame.show("administration/accounts.html", accounts=found, roles=tuple(PERMISSIONS))


@get("/administration/roles", opt={"needs": "accounts:read"}, sync_to_thread=True)
def roles(frame: shown.Here) -> Response[str]:
    """Which role may what."""
    return frame.show("administration/roles.html", permissions=PERMISSIONS, scopes=SCOPES)


@post("/administration/accounts", opt={"needs": "accounts:write"}, sync_to_thread=True)
def create(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[str]:
    """Make an account; its first password is shown once."""
    wanted = form.into(api.NewAccount, "name", roles=form.all("roles"), units=form.lines("units"))
    made = ask(api.create_account, given, who, data=wanted)
    return frame.show("administration/password.html", account=made.account, password=made.password)


@get("/administration/accounts/{account:int}", opt={"needs": "accounts:read"}, sync_to_thread=True)
def account(given: Here, who: Who, frame: shown.Here, account: Id) -> Response[str]:
    """One account, its keys, and what can be done about it."""
    found = next((one for one in ask(api.list_accounts, given, who).items if one.id == account), None)
    if found is None:
        raise not_found("account")
    keys = [one for one in ask(api.list_keys, given, who, everybody=True).items if one.account == account]
    return frame.show("administration/account.html", account=found, keys=keys, roles=tuple(PERMISSIONS))


@post("/administration/accounts/{account:int}/roles", opt={"needs": "accounts:write"}, sync_to_thread=True)
def change_roles(given: Here, who: Who, account: Id, form: Form) -> Redirect:
    """Give it other roles and limits."""
    wanted = form.into(api.Roles, roles=form.all("roles"), units=form.lines("units"))
    ask(api.change_roles, given, who, account=account, data=wanted)
    return shown.go(f"/administration/accounts/{account}", done="roles")


@post("/administration/accounts/{account:int}/reset", opt={"needs": "accounts:write"}, sync_to_thread=True)
def reset(given: Here, who: Who, frame: shown.Here, account: Id) -> Response[str]:
    """Another first password, shown once."""
    made = ask(api.reset_password, given, who, account=account)
    return frame.show("administration/password.html", account=made.account, password=made.password)


@post("/administration/accounts/{account:int}/second-factor", opt={"needs": "accounts:write"}, sync_to_thread=True)
def reset_factor(given: Here, who: Who, account: Id) -> Redirect:
    """No code is asked for until its owner sets up another."""
    ask(factor.reset_second_factor, given, who, account=account)
    return shown.go(f"/administration/accounts/{account}", done="factor_reset")


@post("/administration/accounts/{account:int}/disable", opt={"needs": "accounts:write"}, sync_to_thread=True)
def disable(given: Here, who: Who, account: Id) -> Redirect:
    """Nobody gets in with it."""
    ask(api.disable_account, given, who, account=account)
    return shown.go(f"/administration/accounts/{account}", done="disabled")


@post("/administration/accounts/{account:int}/enable", opt={"needs": "accounts:write"}, sync_to_thread=True)
def enable(given: Here, who: Who, account: Id) -> Redirect:
    """Undo that, and unlock."""
    ask(api.enable_account, given, who, account=account)
    return shown.go(f"/administration/accounts/{account}", done="enabled")


@post("/administration/accounts/{account:int}/keys/revoke", opt={"needs": "accounts:write"}, sync_to_thread=True)
def revoke(given: Here, who: Who, account: Id, form: Form) -> Redirect:
    """One of its keys opens nothing any more."""
    ask(api.revoke_key, given, who, key=form.number("key") or 0)
    return shown.go(f"/administration/accounts/{account}", done="key_revoked")


ROUTES: Final = (
    administration,
    accounts,
    roles,
    create,
    account,
    change_roles,
    reset,
    reset_factor,
    disable,
    enable,
    revoke,
)
