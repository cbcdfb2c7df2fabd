"""Administration as an administrator, a privacy officer and an auditor use it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector import accounts
from aimscope_collector.accounts import PERMISSIONS, Principal
from aimscope_collector.http.sign_on.configured import Configured, Granted, SignOn
from aimscope_collector.http.sign_on.provider import Provider
from aimscope_collector.inventory.model import Inventory, Organisation
from aimscope_collector.privacy import PrivacyPolicy
from aimscope_collector.retention import Retention
from aimscope_collector.store import accounts as store
from aimscope_collector.store import alerts, audit, inventories, outbox, privacy, reveals, sessions
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.sightings import SUBJECT
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.browser import PASSWORD, Browser
from tests.collector.fleet.planted import DOOR, NOW

PAGES = ("accounts", "roles", "logins", "policy", "privacy", "alerts", "risk", "retention")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture(scope="module")
def hashed() -> str:
    return accounts.hash_password(PASSWORD)


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    with made.client:
        yield made


@pytest.fixture
def somebody(api: Api, hashed: str) -> Callable[..., Browser]:
    def made(name: str, *roles: str) -> Browser:
        with writing(api.engine) as connection:
            account = store.create(connection, name=name, roles=roles, hashed=hashed, by="init", at=NOW)
            store.set_password(connection, account=account.id, hashed=hashed, by=name, at=NOW)
        browser = Browser(api)
        browser.log_in(name, PASSWORD)
        return browser

    return made


def said(api: Api) -> list[str]:
    with api.engine.connect() as connection:
        assert audit.verify(connection) is None
        return [entry.action for entry in audit.entries(connection, limit=1_000)]


class Fields(HTMLParser):
    """What the first form to ``action`` would send, untouched."""

    def __init__(self, text: str, action: str) -> None:
        super().__init__()
        self.found: dict[str, Any] = {}
        self._action = action
        self._in = False
        self._area = ""
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        name = said.get("name") or ""
        if tag == "form":
            self._in = said.get("action") == self._action
        elif not self._in:
            return
        elif tag == "input" and said.get("type") == "checkbox":
            if "checked" in said:
                self.found.setdefault(name, []).append(said.get("value"))
        elif tag == "input":
            self.found[name] = said.get("value") or ""
        elif tag == "textarea":
            self._area = name
            self.found[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in said:
            self.found[self._select] = said.get("value")

    def handle_data(self, data: str) -> None:
        if self._area:
            self.found[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in = False
        self._area = ""


def resend(browser: Browser, action: str, **changed: Any) -> None:
    """Open the page, change some fields of its form, and send all of them."""
    browser.open(action)
    fields = Fields(browser.text, action).found
    assert fields, f"{action} has no form"
    browser.send(action, **{name: value for name, value in (fields | changed).items() if value != []})


@pytest.mark.parametrize("role", PERMISSIONS)
def test_each_role_sees_what_it_may_and_no_form_that_it_may_not_send(
    api: Api, somebody: Callable[..., Browser], role: str
) -> None:
    browser = somebody("ann", role)
    browser.open("/administration")
    assert browser.status == 200
    tabs = set(re.findall(r'href="/administration/(\w+)"', browser.text)) & set(PAGES)
    for page in PAGES:
        browser.open(f"/administration/{page}")
        assert browser.status == (200 if page in tabs else 403), page
        if browser.status == 200:
            forms = set(re.findall(r'method="post" action="(/administration[^"]*)"', browser.text))
            enabled = "<fieldset" not in browser.text or "disabled>" not in browser.text
            if role in ("auditor", "viewer", "privacy") and enabled:
                assert forms == set(), page
    assert tabs >= {"logins", "policy", "privacy", "retention"}
    assert ("accounts" in tabs) is (role in ("admin", "auditor", "privacy"))


def test_an_account_from_its_first_password_to_its_end(api: Api, somebody: Callable[..., Browser]) -> None:
    admin = somebody("root", "admin")
    admin.open("/administration/accounts")
    admin.send("/administration/accounts", name="Ben", roles=["reviewer", "viewer"], units="emea\n\n apac/sales ")
    password = re.search(r'<code id="password">([^<]+)</code>', admin.text)
    assert password
    ben = Browser(api)
    ben.log_in("ben", password[1])
    assert ben.path == "/account/password"
    admin.open("/administration/accounts")
    assert password[1] not in admin.text
    path = re.search(r'href="(/administration/accounts/\d+)">ben<', admin.text)
    assert path
    with api.engine.connect() as connection:
        made = store.find(connection, "ben")
    assert made is not None
    assert (made.roles, made.units) == (("viewer", "reviewer"), ("emea", "apac/sales"))

    admin.open(path[1])
    admin.send(f"{path[1]}/roles", roles=["auditor"], units="")
    assert admin.path == f"{path[1]}?done=roles"
    ben.open("/account/password")
    assert ben.path.startswith("/login"), "other roles end the session"
    admin.send(f"{path[1]}/reset")
    again = re.search(r'<code id="password">([^<]+)</code>', admin.text)
    assert again
    assert again[1] != password[1]
    admin.open(path[1])
    admin.send(f"{path[1]}/disable")
    assert "The account is disabled" in admin.text
    ben.log_in("ben", again[1])
    assert ben.status == 401
    admin.open(path[1])
    admin.send(f"{path[1]}/enable")
    ben.log_in("ben", again[1])
    assert ben.path == "/account/password"
    for _ in range(6):
        Browser(api).log_in("ben", "wrong")
    admin.open("/administration/accounts")
    assert "locked" in admin.text
    admin.open(path[1])
    admin.send(f"{path[1]}/enable")
    admin.open("/administration/accounts")
    assert "locked" not in admin.text
    assert {"account.created", "account.roles", "password.reset", "account.disabled"} <= set(said(api))


def test_what_is_refused_is_said(api: Api, somebody: Callable[..., Browser]) -> None:
    admin = somebody("root", "admin")
    for fields in (
        {"name": "root", "roles": ["viewer"]},
        {"name": "x y", "roles": ["viewer"]},
        {"name": "ann", "roles": ["king"]},
        {"name": "ann"},
        {"name": HOSTILE, "roles": ["viewer"]},
    ):
        admin.open("/administration/accounts")
        admin.send("/administration/accounts", **fields)
        assert admin.status in (400, 422), fields
        assert 'role="alert"' in admin.text
        assert "<script>alert" not in admin.text
    with api.engine.connect() as connection:
        me = store.find(connection, "root")
    assert me is not None
    admin.open(f"/administration/accounts/{me.id}")
    admin.send(f"/administration/accounts/{me.id}/disable")
    assert "last administrator" in admin.text
    admin.open("/administration/accounts/999999")
    assert admin.status == 404


def test_rules_of_logging_in(api: Api, somebody: Callable[..., Browser]) -> None:
    admin = somebody("root", "admin")
    resend(admin, "/administration/logins", idle_minutes="15", code_roles=["admin", "security"])
    assert admin.path == "/account/second-factor", "the administrator's own role needs one now"
    with api.engine.connect() as connection:
        rules = sessions.logins(connection)
    assert (rules.idle_minutes, rules.hours, rules.code_roles) == (15, 12, ("admin", "security"))
    assert "logins.changed" in said(api)


def test_a_provider_is_shown_and_asked(api: Api, somebody: Callable[..., Browser]) -> None:
    admin = somebody("root", "admin")
    admin.open("/administration/logins")
    assert "People log in here" in admin.text
    file = Configured(
        issuer="http://127.0.0.1:9",
        client_id="aimscope",
        address="https://aimscope.example.org",
        groups={HOSTILE: Granted(("viewer",), ("emea",))},
        local="everybody",
    )
    given = api.app.state.given
    api.app.state.given = msgspec.structs.replace(
        given, provider=Provider(SignOn(file, "the secret of the client"), lambda: NOW)
    )
    admin.open("/administration/logins")
    assert "https://aimscope.example.org/login/elsewhere/back" in admin.text
    assert "the secret" not in admin.text
    assert "<script>alert" not in admin.text
    admin.send("/administration/logins/check")
    assert "cannot be reached" in admin.text


def test_the_policy_of_agents(api: Api, somebody: Callable[..., Browser]) -> None:
    admin, officer = somebody("root", "admin"), somebody("pia", "privacy")
    admin.open("/administration/policy")
    assert "There is no policy yet" in admin.text
    resend(admin, "/administration/policy", off="processes\nbrowsers", users="drop", every="6h", gateway=[])
    assert "The policy is signed" in admin.text
    offered = api.get("/policy", api.key("auditor"))["policy"]
    assert offered["endpoint"] == {"off": ["processes", "browsers"], "every": "6h"}
    assert offered["gateway"] == {"enabled": False}
    assert offered["privacy"] == {"users": "drop"}
    before = offered
    resend(admin, "/administration/policy")
    assert api.get("/policy", api.key("auditor"))["policy"] == before, "what the form shows is what is in force"
    resend(admin, "/administration/policy", users="keep", off="", gateway="yes")
    officer.open("/administration/privacy")
    for words in ("Names of users: keep", "gateway again", "Sensors switched on"):
        assert words in officer.text


def test_privacy_and_its_watch(api: Api, somebody: Callable[..., Browser]) -> None:
    admin, officer = somebody("root", "admin"), somebody("pia", "privacy")
    resend(admin, "/administration/privacy", least_group="8", excluded_groups="board\nworks council")
    assert admin.path == "/administration/privacy?done=privacy"
    with api.engine.connect() as connection:
        assert privacy.policy(connection) == PrivacyPolicy(least_group=8, excluded_groups=("board", "works council"))
    resend(admin, "/administration/privacy", least_group="3", second_person=[])
    assert admin.path == "/administration/privacy?done=privacy_wider"
    officer.open("/administration/privacy")
    assert "Groups of 3 are shown" in officer.text
    assert "without a second person" in officer.text
    resend(admin, "/administration/privacy", least_group="0")
    assert admin.status in (400, 422)


def test_the_second_person_answers(api: Api, somebody: Callable[..., Browser]) -> None:
    officer = somebody("pia", "privacy")
    asker = Principal(account=99, name="sam", roles=("security",))
    person = DOOR.person("ann")
    pseudonym = person.pseudonym
    with writing(api.engine) as connection:
        connection.execute(SUBJECT.insert().values(pseudonym=pseudonym, sealed=person.sealed))
        for reason in (f"incident 7 {HOSTILE}", "incident 8"):
            reveals.ask(
                connection,
                pseudonym=pseudonym,
                what="person",
                by=asker,
                role="security",
                reason=reason,
                at=NOW,
                policy=PrivacyPolicy(),
            )
    officer.open("/administration/privacy")
    assert "incident 8" in officer.text
    assert "<script>alert" not in officer.text
    officer.send("/administration/privacy/agree")
    assert "You agreed" in officer.text
    officer.send("/administration/privacy/refuse")
    assert "You refused" in officer.text
    assert "Nobody waits for an answer" in officer.text


def test_alerts_and_what_waits(api: Api, somebody: Callable[..., Browser]) -> None:
    admin = somebody("root", "admin")
    resend(admin, "/administration/alerts", rules=["clone", "break_glass"], days="0.5", megabytes="250", share="50")
    assert "Saved" in admin.text
    with writing(api.engine) as connection:
        policy = alerts.policy(connection)
        outbox.put(connection, event="e1", payload={}, destinations=["soc"], now=NOW)
    assert policy.rules == {"clone", "break_glass"}
    assert (policy.cooldown, policy.volume, policy.coverage_share) == (43_200, 250_000_000, 0.5)
    resend(admin, "/administration/alerts")
    with api.engine.connect() as connection:
        assert alerts.policy(connection) == policy, "what the form shows is what is in force"
    admin.open("/administration/alerts")
    assert "soc" in admin.text
    admin.send("/administration/alerts/retry")
    assert "One item is tried again" in admin.text
    for wrong in ("nan", "-1", "1e300", "x", ""):
        resend(admin, "/administration/alerts", days=wrong)
        assert admin.status in (400, 422), wrong


def test_weights_are_a_version_of_the_inventory(api: Api, somebody: Callable[..., Browser]) -> None:
    admin = somebody("root", "admin")
    admin.open("/administration/risk")
    assert "there is none yet" in admin.text
    assert 'action="/administration/risk"' not in admin.text
    with writing(api.engine) as connection:
        inventories.keep(
            connection,
            inventory=Inventory(aimscope_inventory=1, organisation=Organisation(name="Acme")),
            author="init",
            note="",
            effective_from=NOW,
            now=NOW,
        )
    resend(admin, "/administration/risk", credential="2.5", note="keys leak here")
    assert "In force" in admin.text
    with api.engine.connect() as connection:
        found = inventories.in_force(connection, at=NOW)
        version = inventories.current(connection, at=NOW)
    assert found is not None
    assert version is not None
    assert (found.risk.weights.credential, found.risk.weights.agentic) == (2.5, 1.0)
    assert found.organisation.name == "Acme"
    assert (version.number, version.author, version.note) == (2, "root", "keys leak here")
    assert None in api.touched, "every risk is rated anew"
    resend(admin, "/administration/risk", credential="1e9", note="x")
    assert admin.status in (400, 422)
    resend(admin, "/administration/risk", credential="1", note="")
    assert admin.status in (400, 422)


def test_retention(api: Api, somebody: Callable[..., Browser]) -> None:
    admin = somebody("root", "admin")
    resend(admin, "/administration/retention", sightings="90")
    assert "What is older goes" in admin.text
    kept = api.get("/settings", api.key("auditor"))["retention"]
    assert msgspec.convert(kept, Retention) == Retention(sightings=90)
    resend(admin, "/administration/retention", sightings="0")
    assert admin.status in (400, 422)
    assert "settings.changed" in said(api)


def test_who_is_limited_to_units_changes_nothing_of_the_whole(api: Api, hashed: str) -> None:
    with writing(api.engine) as connection:
        account = store.create(
            connection, name="lim", roles=["admin"], hashed=hashed, by="init", at=NOW, units=["emea"]
        )
        store.set_password(connection, account=account.id, hashed=hashed, by="lim", at=NOW)
    browser = Browser(api)
    browser.log_in("lim", PASSWORD)
    resend(browser, "/administration/alerts", days="1")
    assert browser.status == 403


def test_every_page_says_when_in_utc(api: Api, somebody: Callable[..., Browser]) -> None:
    browser = somebody("root", "admin")
    with api.engine.connect() as connection:
        me = store.find(connection, "root")
    assert me is not None
    browser.open(f"/administration/accounts/{me.id}")
    day = datetime.datetime.fromtimestamp(NOW, datetime.UTC).date().isoformat()
    assert f'datetime="{day}' in browser.text
