"""The second factor of an account: set up, confirmed, given up; reset by who changes accounts."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, PathParameter

from aimscope_collector.accounts import NotAllowed, Principal
from aimscope_collector.http.access import ENTERING, address_of
from aimscope_collector.http.given import Given, Here, Who
from aimscope_collector.http.logging_in import code_given
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import codes, sessions
from aimscope_collector.store.accounts import Denied
from aimscope_collector.store.codes import Enrolment, SecondFactor
from aimscope_collector.store.database import writing

Id = Annotated[int, PathParameter(ge=1, le=1 << 53)]


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the second factor, or a recovery code."""

    code: Annotated[str, msgspec.Meta(max_length=64)]


class Recovery(msgspec.Struct, frozen=True):
    """Recovery codes, each for one login: shown this once."""

    codes: tuple[str, ...]


class Removed(msgspec.Struct, frozen=True):
    """No code is asked for any more; all sessions are ended."""

    removed: bool = True


def _in_person(who: Principal) -> None:
    if who.scopes is not None:
        raise NotAllowed("A key changes nothing about how its owner logs in: log in with a browser.")
    if who.must_change:
        raise Failed(403, "must-change", "Change the first password before anything else: POST /api/v1/password.")


@get("/second-factor", opt={"needs": ENTERING}, sync_to_thread=True, tags=["accounts"])
def show_second_factor(given: Here, who: Who) -> SecondFactor:
    """What one has."""
    with given.engine.connect() as connection:
        return codes.standing(connection, who.account)


@post("/second-factor", opt={"needs": ENTERING}, sync_to_thread=True, tags=["accounts"])
def begin_second_factor(given: Here, who: Who) -> Enrolment:
    """A new secret, which counts once a code of it was confirmed."""
    _in_person(who)
    box = given.codes()
    with writing(given.engine) as connection:
        return codes.begin(connection, account=who.account, box=box, randomness=given.randomness)


@post("/second-factor/confirm", opt={"needs": ENTERING}, sync_to_thread=True, tags=["accounts"], status_code=200)
def confirm_second_factor(given: Here, who: Who, data: JSONBody[Code]) -> Recovery:
    """The first code: from now on one is asked for after the password."""
    _in_person(who)
    try:
        made = codes.confirm(
            given.engine,
            account=who.account,
            code=data.code,
            box=given.codes(),
            now=given.now(),
            randomness=given.randomness,
        )
    except Denied:
        raise Failed(422, "refused", "This is not the code of this moment: type the one that is shown now.") from None
    return Recovery(made)


@post("/second-factor/recovery", opt={"needs": ENTERING}, sync_to_thread=True, tags=["accounts"], status_code=200)
def renew_recovery(request: Request[Any, Any, Any], given: Here, who: Who, data: JSONBody[Code]) -> Recovery:
    """Other recovery codes, for a code; the old ones open nothing any more."""
    return renewed(given, who, data.code, address_of(request))


def renewed(given: Given, who: Principal, code: str, address: str) -> Recovery:
    """The same, for pages too."""
    _in_person(who)
    code_given(given, who.account, code, address, login=False)
    with writing(given.engine) as connection:
        return Recovery(
            codes.renew(connection, account=who.account, randomness=given.randomness, by=who.name, at=given.now())
        )


@post("/second-factor/remove", opt={"needs": ENTERING}, sync_to_thread=True, tags=["accounts"], status_code=200)
def remove_second_factor(request: Request[Any, Any, Any], given: Here, who: Who, data: JSONBody[Code]) -> Removed:
    """Give it up, with a code; not where one's role needs it."""
    removed(given, who, data.code, address_of(request))
    return Removed()


def removed(given: Given, who: Principal, code: str, address: str) -> None:
    """The same, for pages too."""
    _in_person(who)
    with given.engine.connect() as connection:
        needed = set(sessions.logins(connection).code_roles) & set(who.roles)
    if needed:
        raise NotAllowed(f"The role {min(needed)} needs a second factor: an administrator resets it for a new phone.")
    code_given(given, who.account, code, address, login=False)
    with writing(given.engine) as connection:
        codes.remove(connection, account=who.account, by=who.name, at=given.now())


@post(
    "/accounts/{account:int}/second-factor/reset",
    opt={"needs": "accounts:write"},
    sync_to_thread=True,
    status_code=200,
    tags=["accounts"],
)
def reset_second_factor(given: Here, who: Who, account: Id) -> Removed:
    """Somebody lost phone and recovery codes: no code is asked for until they set up another. Ends all sessions."""
    with writing(given.engine) as connection:
        codes.remove(connection, account=account, by=who.name, at=given.now())
    return Removed()


ROUTES: Final = (
    show_second_factor,
    begin_second_factor,
    confirm_second_factor,
    renew_recovery,
    remove_second_factor,
    reset_second_factor,
)
