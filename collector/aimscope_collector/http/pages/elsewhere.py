"""Logging in elsewhere: there and back, and out again."""

from __future__ import annotations

import hmac
from typing import Final

from litestar import Response, get
from litestar.response import Redirect

from aimscope_collector.http import cookies
from aimscope_collector.http.access import NOTHING, address_of
from aimscope_collector.http.frame import shown
from aimscope_collector.http.given import Given, Here
from aimscope_collector.http.logging_in import not_too_often
from aimscope_collector.http.pages.login import Asked, begun, entrance, onward
from aimscope_collector.http.problems import Failed
from aimscope_collector.http.sign_on.provider import Provider, Unreachable
from aimscope_collector.http.sign_on.tokens import NoGroup, NotBelieved, Person
from aimscope_collector.store import sign_on
from aimscope_collector.store.accounts import Account
from aimscope_collector.store.database import writing
from aimscope_collector.store.sign_on import UnderWay

_COOKIE: Final = "elsewhere"
_LONGEST: Final = 4_096


@get("/login/elsewhere", opt={"needs": NOTHING}, sync_to_thread=True)
def leave(request: Asked, given: Here, frame: shown.Here) -> Response[None]:
    """Send the browser to the provider."""
    provider = _provider(given)
    not_too_often(given, address_of(request))
    login = sign_on.drawn(given.randomness, onward(frame.query.get("next", "")))
    secret = given.randomness(32).hex()
    try:
        address = provider.start(state=login.state, nonce=login.nonce, verifier=login.verifier)
    except Unreachable as error:
        raise Failed(503, "unavailable", str(error)) from None
    with writing(given.engine) as connection:
        sign_on.begin(connection, login, secret=secret, now=given.now())
    answer = Redirect(address, status_code=303)
    answer.set_cookie(cookies.holding(secret, request.scope.get("scheme"), _COOKIE, seconds=sign_on.SECONDS))
    return answer


@get("/login/elsewhere/back", opt={"needs": NOTHING}, sync_to_thread=True)
def come_back(request: Asked, given: Here, frame: shown.Here) -> Response[str] | Redirect:
    """Who comes back with a code that belongs to a login of this very browser is logged in."""
    provider = _provider(given)
    try:
        login = _under_way(request, given, frame, provider)
        person = provider.finish(code=frame.query["code"], nonce=login.nonce, verifier=login.verifier)
        account = _account(given, person)
    except NoGroup as error:
        with writing(given.engine) as connection:
            sign_on.lost(connection, subject=error.subject, at=given.now(), why=str(error))
        return entrance(frame, given, status=403, failed=str(error))
    except NotBelieved as error:
        return entrance(frame, given, status=403, failed=str(error))
    except Unreachable as error:
        return entrance(frame, given, status=503, failed=str(error))
    given.attempts.good(address_of(request))
    answer = begun(request, given, account, "full", login.onward)
    answer.set_cookie(cookies.gone(request.scope.get("scheme"), _COOKIE))
    return answer


def _under_way(request: Asked, given: Given, frame: shown.Here, provider: Provider) -> UnderWay:
    secret = cookies.secret_of(request.cookies, request.scope.get("scheme"), _COOKIE)
    with writing(given.engine) as connection:
        login = sign_on.take(connection, secret, now=given.now()) if secret else None
    said = frame.query
    if login is None or not hmac.compare_digest(login.state.encode(), said.get("state", "").encode("utf-8", "replace")):
        raise NotBelieved("This login was not begun in this browser, or took too long: begin again.")
    if said.get("iss", provider.configured.issuer) != provider.configured.issuer:  # RFC 9207, 2.4
        raise NotBelieved("The answer is another provider's: begin again.")
    if not 0 < len(said.get("code", "")) <= _LONGEST:
        raise NotBelieved("The provider logged nobody in: begin again.")
    return login


def _account(given: Given, person: Person) -> Account:
    with writing(given.engine) as connection:
        account = sign_on.arrived(
            connection,
            subject=person.subject,
            name=person.name,
            roles=person.roles,
            units=person.units,
            at=given.now(),
        )
    if account is None:
        raise NotBelieved("Your account is disabled here: ask who runs this collector.")
    return account


def _provider(given: Given) -> Provider:
    if given.provider is None:
        raise Failed(404, "not-found", "People log in here with a name and a password.")
    return given.provider


@get("/login/elsewhere/out", opt={"needs": NOTHING}, sync_to_thread=True)
def out(request: Asked, given: Here) -> Redirect:
    """End the session with the provider too; it sends the browser back."""
    provider = _provider(given)
    not_too_often(given, address_of(request))
    back = provider.configured.address.rstrip("/") + "/login"
    return Redirect(provider.farewell(back) or "/login", status_code=303)


ROUTES: Final = (leave, come_back, out)
