"""Logging in through the pages, as a browser does: forms, cookies, redirects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pyotp
import pytest
import sqlalchemy as sa
from hypothesis import given as given_any
from hypothesis import strategies as st

from aimscope_collector import accounts
from aimscope_collector.http.frame.texts import texts
from aimscope_collector.http.pages.login import onward
from aimscope_collector.store import accounts as store
from aimscope_collector.store import audit, sessions
from aimscope_collector.store.accounts import Account
from aimscope_collector.store.database import writing
from aimscope_collector.store.sessions import Logins
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.browser import PASSWORD, Browser
from tests.collector.fleet.planted import NOW

NEW = " a longer one, mine "  # with its spaces


@pytest.fixture(scope="module")
def hashed() -> str:
    return accounts.hash_password(PASSWORD)


@pytest.fixture
def make(database: sa.Engine, hashed: str) -> Callable[..., Account]:
    def made(name: str, *roles: str, first: bool = False) -> Account:
        with writing(database) as connection:
            account = store.create(connection, name=name, roles=roles or ("viewer",), hashed=hashed, by="init", at=NOW)
            if not first:
                store.set_password(connection, account=account.id, hashed=hashed, by=name, at=NOW)
        return account

    return made


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    with made.client:
        yield made


def test_who_is_nobody_logs_in_and_is_where_they_wanted(api: Api, make: Callable[..., Account]) -> None:
    make("ann", "auditor")
    browser = Browser(api)
    browser.open("/audit?actor=ann")
    assert browser.path == "/login?next=%2Faudit%3Factor%3Dann"
    browser.send("/login", name="ann", password="wrong")
    assert browser.status == 401
    assert "Name or password is wrong" in browser.text
    browser.send("/login", name=" ANN ", password=PASSWORD)
    assert (browser.status, browser.path) == (200, "/audit?actor=ann")
    assert "login.done" in browser.text
    browser.open("/login")
    assert browser.path == "/", "whoever is logged in has no business there"
    secret = browser.client.cookies["aimscope"]
    browser.send("/logout")
    assert browser.path.startswith("/login?done=logged_out")
    assert "You are logged out" in browser.text
    assert "aimscope" not in browser.client.cookies
    browser.client.cookies.set("aimscope", secret, domain="127.0.0.1")
    assert browser.open("/audit")
    assert browser.path.startswith("/login"), "the session is over, not only the cookie"


def test_unknown_names_and_wrong_passwords_look_alike(api: Api, make: Callable[..., Account]) -> None:
    make("ann")
    pages = []
    for name in ("ann", "nobody"):
        browser = Browser(api)
        browser.log_in(name, "wrong")
        pages.append((browser.status, browser.text.replace(name, "…")))
    assert pages[0] == pages[1]


def test_the_lock_is_shown(api: Api, make: Callable[..., Account]) -> None:
    make("ann")
    browser = Browser(api)
    for _ in range(5):
        browser.log_in("ann", "wrong")
    assert "Try again in 30 seconds" in browser.text
    browser.log_in("ann")
    assert browser.status == 401
    api.now += 31
    browser.log_in("ann")
    assert browser.path == "/"


def test_a_first_password_is_changed_first(api: Api, make: Callable[..., Account]) -> None:
    make("root", "admin", first=True)
    browser = Browser(api)
    browser.log_in("root")
    assert browser.path == "/account/password"
    before = browser.client.cookies["aimscope"]
    assert 'class="side"' not in browser.text or "/audit" not in browser.text, "nothing else is offered"
    for wrong in (
        {"password": PASSWORD, "new": NEW, "again": NEW + "x"},
        {"password": PASSWORD, "new": "short", "again": "short"},
        {"password": PASSWORD, "new": PASSWORD, "again": PASSWORD},
        {"password": "wrong", "new": NEW, "again": NEW},
    ):
        browser.send("/account/password", **wrong)
        assert browser.status in (401, 422)
        assert 'role="alert"' in browser.text
    browser.send("/account/password", password=PASSWORD, new=NEW, again=NEW)
    assert browser.path == "/?done=password"
    assert browser.client.cookies["aimscope"] != before, "another secret than before"
    browser.send("/logout")
    browser.log_in("root", NEW.strip())
    assert browser.status == 401
    browser.log_in("root", NEW)
    assert browser.path == "/"


def test_a_second_factor_is_set_up_asked_for_and_given_up(api: Api, make: Callable[..., Account]) -> None:
    make("ann")
    browser = Browser(api)
    browser.log_in("ann")
    browser.open("/account/second-factor")
    browser.send("/account/second-factor")
    assert "<svg" in browser.text
    assert "style=" not in browser.text, "the policy forbids it"
    found = re.search(r'<code id="secret">([A-Z2-7]{32})</code>', browser.text)
    assert found
    made = pyotp.TOTP(found[1])
    browser.send("/account/second-factor/confirm", code="000000")
    assert browser.status == 422
    browser.send("/account/second-factor/confirm", code=made.at(NOW))
    recovery = re.findall(r"<code>([a-z2-7-]{19})</code>", browser.text)
    assert len(recovery) == 10
    browser.open("/account")
    browser.send("/logout")

    api.now += 60
    browser.log_in("ann")
    assert browser.path == "/login/code?next=%2F"
    half = browser.client.cookies["aimscope"]
    browser.open("/account")
    assert browser.path == "/login?next=%2Faccount", "half a login is none"
    browser.open("/login/code?next=/account")
    browser.send("/login/code", code="123456")
    assert browser.status == 401
    browser.send("/login/code", code=made.at(api.now))
    assert browser.path == "/account"
    assert browser.client.cookies["aimscope"] != half
    other = Browser(api)
    other.client.cookies.set("aimscope", half, domain="127.0.0.1")
    other.open("/account")
    assert other.path.startswith("/login"), "the first half opens nothing any more"

    other.log_in("ann")
    other.send("/login/code", code=recovery[3])
    assert other.path == "/"
    browser.open("/account/second-factor")
    browser.send("/account/second-factor/recovery", code="000000")
    assert browser.status == 422
    api.now += 60
    browser.send("/account/second-factor/recovery", code=made.at(api.now))
    assert len(re.findall(r"<code>([a-z2-7-]{19})</code>", browser.text)) == 10
    api.now += 60
    browser.open("/account/second-factor")
    browser.send("/account/second-factor/remove", code=made.at(api.now))
    assert browser.path == "/login?done=factor_removed"
    browser.log_in("ann")
    assert browser.path == "/"


def test_a_role_that_needs_a_second_factor_is_led_to_it(api: Api, make: Callable[..., Account]) -> None:
    make("root", "admin")
    with writing(api.engine) as connection:
        sessions.set_logins(connection, Logins(code_roles=("admin",)), by="root", at=NOW)
    browser = Browser(api)
    browser.log_in("root")
    assert browser.path == "/account/second-factor"
    assert "Your role needs a second factor" in browser.text
    browser.send("/account/second-factor")
    found = re.search(r'<code id="secret">([A-Z2-7]{32})</code>', browser.text)
    assert found
    browser.send("/account/second-factor/confirm", code=pyotp.TOTP(found[1]).at(NOW))
    browser.open("/audit")
    assert browser.path == "/audit"


def test_a_page_of_somebody_else_logs_nobody_in_or_out(api: Api, make: Callable[..., Account]) -> None:
    make("ann")
    browser = Browser(api)
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    answer = browser.client.post("/login", data={"name": "ann", "password": PASSWORD}, headers=evil)
    assert answer.status_code == 403
    assert not browser.client.cookies
    browser.log_in("ann")
    for headers, data in ((evil, {}), ({"sec-fetch-site": "same-origin"}, {"csrf": "wrong"})):
        assert browser.client.post("/logout", data=data, headers=headers).status_code == 403
    browser.open("/account")
    assert browser.path == "/account"


def test_logging_in_again_ends_what_was_open_in_this_browser(api: Api, make: Callable[..., Account]) -> None:
    make("ann")
    browser = Browser(api)
    browser.client.cookies.set("aimscope", "planted-by-somebody", domain="127.0.0.1")
    browser.log_in("ann")
    first = browser.client.cookies.get("aimscope")
    assert first != "planted-by-somebody"
    answer = browser.client.post(
        "/login", data={"name": "ann", "password": PASSWORD}, headers={"sec-fetch-site": "same-origin"}
    )
    assert answer.status_code == 200
    with api.engine.connect() as connection:
        assert first is not None
        assert sessions.by_secret(connection, first, now=api.now) is None


def test_sessions_and_keys_of_ones_own(api: Api, make: Callable[..., Account]) -> None:
    make("ann", "reviewer")
    browser, other = Browser(api), Browser(api)
    browser.log_in("ann")
    other.log_in("ann")
    browser.open("/account")
    assert browser.text.count("Firefox on Linux") == 2
    browser.send("/account/sessions/end")
    assert "The session is ended" in browser.text
    other.open("/account")
    assert other.path.startswith("/login")
    other.log_in("ann")
    browser.open("/account")
    browser.send("/account/sessions/end-others")
    assert "One other session is ended" in browser.text
    browser.send("/account/keys", name="<b>export</b>", days="7", scopes=["findings:read"])
    secret = re.search(r"<code>(ak_[\w-]+)</code>", browser.text)
    assert secret
    assert "<b>export" not in browser.text
    bearer = {"authorization": f"Bearer {secret[1]}"}
    assert api.client.get("/api/v1/me", headers=bearer).status_code == 200
    browser.open("/account")
    assert secret[1] not in browser.text
    browser.send("/account/keys", name="more", days="7", scopes=["accounts:write"])
    assert browser.status == 422
    browser.open("/account")
    browser.send("/account/keys/revoke")
    assert api.client.get("/api/v1/me", headers=bearer).status_code == 401


def test_what_happens_is_in_the_audit_log(api: Api, make: Callable[..., Account]) -> None:
    make("ann")
    browser = Browser(api)
    browser.log_in("ann", "wrong")
    browser.log_in("ann")
    browser.send("/logout")
    with api.engine.connect() as connection:
        actions = [entry.action for entry in audit.entries(connection)][-3:]
        assert PASSWORD not in repr(audit.entries(connection))
    assert actions == ["login.refused", "login.done", "logout"]


@given_any(st.text(max_size=60))
def test_nobody_is_sent_elsewhere(said: str) -> None:
    for path in (said, f"/{said}", f"//{said}", f"/\\{said}", f"https://evil.example/{said}"):
        found = onward(path)
        assert re.match(r"/(?![/\\])", found)
        assert "\\" not in found
    assert onward("/findings?verdict=prohibited") == "/findings?verdict=prohibited"
    assert onward("/\t/evil.example") == "/"


def test_every_notice_has_its_text() -> None:
    assert {"done.logged_out", "done.password", "done.key_revoked"} <= set(texts())
