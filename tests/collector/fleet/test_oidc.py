"""Logging in elsewhere, against a real provider: who is believed, what they may, and all that is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from aimscope_collector import accounts
from aimscope_collector.http.sign_on.configured import Configured, Granted, SignOn
from aimscope_collector.http.sign_on.provider import Provider as Client
from aimscope_collector.store import accounts as store
from aimscope_collector.store import audit, credentials, sign_on, watching
from aimscope_collector.store.accounts import Account
from aimscope_collector.store.database import writing
from aimscope_collector.store.sign_on import UnderWay
from aimscope_collector.store.tables.people import SIGN_ON
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.oidc_provider import CLIENT, SECRET, Provider, running
from tests.collector.fleet.planted import NOW

PASSWORD = "correct horse battery"
OURS = "http://127.0.0.1"
GROUPS = {
    "reviewers": Granted(("reviewer",)),
    "emea": Granted(("auditor",), ("emea",)),
    "admins": Granted(("admin",)),
}


class Elsewhere:
    """Our collector and the provider, and browsers between them."""

    def __init__(self, api: Api, provider: Provider) -> None:
        self.api = api
        self.provider = provider
        self.configure()

    def configure(self, **more: Any) -> None:
        arguments: dict[str, Any] = {
            "issuer": self.provider.issuer,
            "client_id": CLIENT,
            "address": OURS,
            "groups": GROUPS,
        }
        said = SignOn(Configured(**arguments | more), SECRET)
        given = msgspec.structs.replace(self.api.app.state.given, provider=Client(said, lambda: self.api.now))
        self.api.app.state.given = given

    def browser(self) -> TestClient[Any]:
        return TestClient(self.api.app, base_url=OURS, raise_server_exceptions=False)

    def leave(self, browser: TestClient[Any], onward: str = "/audit") -> str:
        """To the provider and back to our door: the address that the provider sends the browser to."""
        answer = browser.get(f"/login/elsewhere?next={onward}", follow_redirects=False)
        assert answer.status_code == 303, answer.text
        back = httpx.get(answer.headers["location"], follow_redirects=False)
        return back.headers["location"].removeprefix(OURS)

    def log_in(self, browser: TestClient[Any] | None = None) -> Any:
        browser = browser or self.browser()
        return browser.get(self.leave(browser), follow_redirects=False)

    def account(self, name: str = "ann") -> Account | None:
        with self.api.engine.connect() as connection:
            return store.find(connection, name)

    def said(self) -> list[str]:
        with self.api.engine.connect() as connection:
            assert audit.verify(connection) is None
            return [entry.action for entry in audit.entries(connection)]


@pytest.fixture
def elsewhere(database: sa.Engine) -> Iterator[Elsewhere]:
    api = Api(database)
    with api.client, running(lambda: api.now) as provider:
        yield Elsewhere(api, provider)


def refused(elsewhere: Elsewhere, answer: Any) -> None:
    assert answer.status_code == 403, answer.text
    assert "aimscope" not in answer.cookies
    assert elsewhere.account() is None
    assert "login.done" not in elsewhere.said()


def test_who_comes_back_is_logged_in_where_they_wanted(elsewhere: Elsewhere) -> None:
    browser = elsewhere.browser()
    answer = elsewhere.log_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit")
    account = elsewhere.account()
    assert account is not None
    assert (account.roles, account.units, account.origin, account.must_change) == (("reviewer",), (), "oidc", False)
    assert browser.get("/api/v1/me").json()["name"] == "ann"
    assert "aimscope-elsewhere" not in browser.cookies
    assert elsewhere.said() == ["account.created", "login.done"]
    with elsewhere.api.engine.connect() as connection:
        assert connection.execute(sa.select(SIGN_ON)).all() == [], "nothing is left of it"


@pytest.mark.parametrize(
    "change",
    [
        lambda claims: claims.update(nonce="another"),
        lambda claims: claims.pop("nonce"),
        lambda claims: claims.update(aud="another"),
        lambda claims: claims.update(aud=["another", "third"]),
        lambda claims: claims.update(aud=[CLIENT, "another"]),  # for several, and not said whose it is
        lambda claims: claims.update(aud=[CLIENT, "another"], azp="another"),
        lambda claims: claims.pop("aud"),
        lambda claims: claims.update(iss="https://evil.example"),
        lambda claims: claims.update(exp=NOW - 61),
        lambda claims: claims.update(exp="never"),
        lambda claims: claims.pop("exp"),
        lambda claims: claims.update(iat=NOW + 3_600),
        lambda claims: claims.update(nbf=NOW + 3_600),
        lambda claims: claims.pop("sub"),
        lambda claims: claims.update(sub=""),
        lambda claims: claims.update(sub=7),
        lambda claims: claims.update(sub="s" * 300),
        lambda claims: claims.update(at_hash="bm90IHRoZSBoYXNo"),
    ],
)
def test_a_token_that_is_not_for_this_login_is_refused(
    elsewhere: Elsewhere, change: Callable[[dict[str, Any]], Any]
) -> None:
    elsewhere.provider.change = change
    refused(elsewhere, elsewhere.log_in())


@pytest.mark.parametrize(
    "change",
    [
        lambda claims: claims.update(exp=NOW - 59),
        lambda claims: claims.update(iat=NOW + 59),
        lambda claims: claims.update(aud=[CLIENT]),
        lambda claims: claims.update(aud=[CLIENT, "another"], azp=CLIENT),
    ],
)
def test_clocks_may_differ_a_little_and_audiences_be_several(
    elsewhere: Elsewhere, change: Callable[[dict[str, Any]], Any]
) -> None:
    elsewhere.provider.change = change
    assert elsewhere.log_in().status_code == 303


@pytest.mark.parametrize("how", ["none", "confused", "other", "empty", "text", "half"])
def test_a_token_that_the_provider_did_not_sign_is_refused(elsewhere: Elsewhere, how: str) -> None:
    provider = elsewhere.provider
    ways: dict[str, Callable[[dict[str, Any]], str]] = {
        "none": provider.none,
        "confused": provider.confused,
        "other": lambda claims: provider.signed(claims, provider.other, kid="one"),
        "empty": lambda _: "",
        "text": lambda _: "no token at all",
        "half": lambda claims: provider.signed(claims).rpartition(".")[0] + ".",
    }
    provider.sign = ways[how]
    refused(elsewhere, elsewhere.log_in())


def test_new_keys_of_the_provider_are_learned(elsewhere: Elsewhere) -> None:
    provider = elsewhere.provider
    assert elsewhere.log_in().status_code == 303
    asked = provider.asked.count("/keys")
    assert elsewhere.log_in().status_code == 303
    assert provider.asked.count("/keys") == asked, "remembered"
    provider.published = [provider.other]
    provider.sign = lambda claims: provider.signed(claims, provider.other)
    assert elsewhere.log_in().status_code == 403, "not asked for more than once a minute"
    elsewhere.api.now += 61
    assert elsewhere.log_in().status_code == 303
    provider.sign = provider.signed
    elsewhere.api.now += 61
    assert elsewhere.log_in().status_code == 403, "the old key is none any more"


def test_what_comes_back_belongs_to_the_browser_that_left(elsewhere: Elsewhere) -> None:
    one, other = elsewhere.browser(), elsewhere.browser()
    first, second = elsewhere.leave(one), elsewhere.leave(other)
    state = httpx.URL(first).params["state"]
    swapped = str(httpx.URL(second).copy_set_param("state", state))
    refused(elsewhere, other.get(swapped, follow_redirects=False))
    refused(elsewhere, elsewhere.browser().get(first, follow_redirects=False))  # a browser that never left
    for path in ("/login/elsewhere/back", str(httpx.URL(first).copy_remove_param("state"))):
        refused(elsewhere, elsewhere.browser().get(path, follow_redirects=False))
    assert one.get(first, follow_redirects=False).status_code == 303


@pytest.mark.parametrize("param", ["code", "iss", "error"])
def test_an_answer_that_is_no_login_is_refused(elsewhere: Elsewhere, param: str) -> None:
    browser = elsewhere.browser()
    back = httpx.URL(elsewhere.leave(browser))
    wrong = {
        "code": back.copy_set_param("code", "guessed"),
        "iss": back.copy_set_param("iss", "https://evil.example"),
        "error": back.copy_remove_param("code").copy_set_param("error", "access_denied"),
    }
    refused(elsewhere, browser.get(str(wrong[param]), follow_redirects=False))


def test_a_code_counts_once(elsewhere: Elsewhere) -> None:
    browser = elsewhere.browser()
    back = elsewhere.leave(browser)
    cookie = browser.cookies["aimscope-elsewhere"]
    assert browser.get(back, follow_redirects=False).status_code == 303
    again = elsewhere.browser()
    again.cookies.set("aimscope-elsewhere", cookie)
    assert again.get(back, follow_redirects=False).status_code == 403
    late = elsewhere.browser()
    back = elsewhere.leave(late)
    elsewhere.api.now += 601
    assert late.get(back, follow_redirects=False).status_code == 403, "it took too long"


def test_the_verifier_and_the_secret_are_asked_for(elsewhere: Elsewhere) -> None:
    browser = elsewhere.browser()
    back = elsewhere.leave(browser)
    code = httpx.URL(back).params["code"]
    elsewhere.provider.codes[code]["code_challenge"] = "x"
    refused(elsewhere, browser.get(back, follow_redirects=False))
    elsewhere.provider.secret = "another"
    refused(elsewhere, elsewhere.log_in())


def test_no_group_no_entry_and_lost_groups_take_everything(elsewhere: Elsewhere) -> None:
    provider = elsewhere.provider
    for groups in (["football"], [], None, "football", {"reviewers": True}, [["reviewers"]], 7):
        provider.person = {"preferred_username": "ann", "groups": groups}
        refused(elsewhere, elsewhere.log_in())
    provider.person = {"preferred_username": "ann"}
    refused(elsewhere, elsewhere.log_in())
    provider.person = {"preferred_username": "ann", "groups": "reviewers"}
    browser = elsewhere.browser()
    assert elsewhere.log_in(browser).status_code == 303
    account = elsewhere.account()
    assert account is not None
    with writing(elsewhere.api.engine) as connection:
        credentials.create_key(
            connection,
            account=account.id,
            name="k",
            scopes=["findings:read"],
            secret="ak_1",
            at=NOW,
            expires_at=NOW + 86_400,
            by="ann",
        )
    bearer = {"authorization": "Bearer ak_1"}
    assert elsewhere.api.client.get("/api/v1/findings", headers=bearer).status_code == 200
    provider.person = {"preferred_username": "ann", "groups": ["football"]}
    assert elsewhere.log_in().status_code == 403
    assert elsewhere.api.client.get("/api/v1/findings", headers=bearer).status_code == 403
    assert browser.get("/api/v1/me").status_code == 401
    provider.person = {"preferred_username": "ann", "groups": ["reviewers"]}
    assert elsewhere.log_in().status_code == 303
    assert elsewhere.api.client.get("/api/v1/findings", headers=bearer).status_code == 200


def test_roles_follow_the_provider_at_each_login(elsewhere: Elsewhere) -> None:
    provider = elsewhere.provider
    browser = elsewhere.browser()
    elsewhere.log_in(browser)
    provider.person = {"preferred_username": "ann", "groups": ["reviewers", "emea"]}
    elsewhere.log_in()
    account = elsewhere.account()
    assert account is not None
    assert (account.roles, account.units) == (("reviewer", "auditor"), ("emea",))
    assert browser.get("/api/v1/me").status_code == 401, "other roles, another session"
    assert "account.roles" in elsewhere.said()


def test_a_person_is_known_by_the_subject_not_by_a_name(elsewhere: Elsewhere) -> None:
    provider = elsewhere.provider
    with writing(elsewhere.api.engine) as connection:
        hashed = accounts.hash_password(PASSWORD)
        root = store.create(connection, name="root", roles=["admin"], hashed=hashed, by="init", at=NOW)
    for number, name in enumerate(("root", "ROOT", "<script>", "", 7, None)):
        provider.subject, provider.person = f"s{number}", {"preferred_username": name, "groups": ["reviewers"]}
        assert elsewhere.log_in().status_code == 303
    with elsewhere.api.engine.connect() as connection:
        known = store.all_accounts(connection)
    assert [one for one in known if one.name == "root"] == [root]
    assert len(known) == 7
    assert all(one.name.startswith("oidc-") for one in known if one.id != root.id)
    provider.subject = "s0"
    provider.person = {"preferred_username": "renamed", "groups": ["reviewers"]}
    elsewhere.log_in()
    with elsewhere.api.engine.connect() as connection:
        assert len(store.all_accounts(connection)) == 7


def test_a_disabled_account_stays_out(elsewhere: Elsewhere) -> None:
    elsewhere.log_in()
    account = elsewhere.account()
    assert account is not None
    with writing(elsewhere.api.engine) as connection:
        store.disable(connection, account=account.id, by="root", at=NOW)
    assert elsewhere.log_in().status_code == 403


def test_groups_may_be_told_elsewhere_and_only_of_the_same_person(elsewhere: Elsewhere) -> None:
    provider = elsewhere.provider
    provider.person = {"preferred_username": "ann"}
    provider.userinfo = {"sub": "somebody else", "groups": ["admins"]}
    refused(elsewhere, elsewhere.log_in())
    provider.userinfo = {"sub": "s-1", "groups": ["reviewers"], "iss": "x"}
    assert elsewhere.log_in().status_code == 303


def test_a_password_is_for_an_emergency_and_that_is_told(elsewhere: Elsewhere) -> None:
    hashed = accounts.hash_password(PASSWORD)
    with writing(elsewhere.api.engine) as connection:
        for name, role in (("root", "admin"), ("bob", "viewer")):
            made = store.create(connection, name=name, roles=[role], hashed=hashed, by="init", at=NOW)
            store.set_password(connection, account=made.id, hashed=hashed, by=name, at=NOW)
    own = {"sec-fetch-site": "same-origin"}

    def log_in(name: str, password: str = PASSWORD) -> int:
        sent = {"name": name, "password": password}
        answer = elsewhere.browser().post("/login", data=sent, headers=own, follow_redirects=False)
        return int(answer.status_code)

    assert log_in("bob") == log_in("root", "wrong") == 401
    assert "login.break_glass" not in elsewhere.said()
    assert log_in("root") == 303
    assert elsewhere.said().count("login.break_glass") == 1
    with writing(elsewhere.api.engine) as connection:
        told = watching.look(connection, now=NOW + 1, destinations=())
        assert [(alert.rule, alert.severity) for alert in told] == [("break_glass", "critical")]
        assert watching.look(connection, now=NOW + 2, destinations=()) == [], "told once"
    elsewhere.configure(local="everybody")
    assert log_in("bob") == log_in("root") == 303
    assert elsewhere.said().count("login.break_glass") == 1
    page = elsewhere.browser().get("/login").text
    assert "/login/elsewhere?next=/" in page


def test_logging_out_there_too(elsewhere: Elsewhere) -> None:
    browser = elsewhere.browser()
    elsewhere.log_in(browser)
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/account").text)
    assert token
    page = browser.post("/logout", data={"csrf": token[1]}, headers={"sec-fetch-site": "same-origin"})
    assert "/login/elsewhere/out" in page.text
    assert "/login/elsewhere/out" not in elsewhere.browser().get("/login").text
    answer = elsewhere.browser().get("/login/elsewhere/out", follow_redirects=False)
    assert answer.headers["location"].startswith(f"{elsewhere.provider.issuer}/out?client_id=aimscope&post_logout")
    elsewhere.provider.metadata = {"end_session_endpoint": ""}
    elsewhere.configure()
    answer = elsewhere.browser().get("/login/elsewhere/out", follow_redirects=False)
    assert answer.headers["location"] == "/login"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "ftp://127.0.0.1/keys"},
        {"authorization_endpoint": 7},
        {"end_session_endpoint": "http://evil.example/out"},
    ],
)
def test_a_provider_that_is_not_the_one_that_was_meant(elsewhere: Elsewhere, metadata: dict[str, Any]) -> None:
    elsewhere.provider.metadata = metadata
    answer = elsewhere.browser().get("/login/elsewhere", follow_redirects=False)
    assert answer.status_code == 503


def test_a_provider_that_does_not_answer_is_said(elsewhere: Elsewhere) -> None:
    elsewhere.configure(issuer="http://127.0.0.1:9")
    for _ in range(2):
        answer = elsewhere.browser().get("/login/elsewhere", follow_redirects=False)
        assert answer.status_code == 503
        assert "cannot be reached" in answer.text


def test_without_a_file_nobody_logs_in_elsewhere(database: sa.Engine) -> None:
    api = Api(database)
    for path in ("/login/elsewhere", "/login/elsewhere/back?code=x&state=y", "/login/elsewhere/out"):
        assert api.client.get(path).status_code == 404


def test_logins_under_way_are_bounded(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_on, "MOST", 3)
    login = UnderWay("s", "n", "v", "/")
    with writing(database) as connection:
        for number in range(5):
            sign_on.begin(connection, login, secret=f"c{number}", now=NOW + number)
        assert [number for number in range(5) if sign_on.take(connection, f"c{number}", now=NOW)] == [2, 3, 4]
        sign_on.begin(connection, login, secret="a", now=NOW)
        sign_on.begin(connection, login, secret="b", now=NOW + 700)
        assert len(connection.execute(sa.select(SIGN_ON)).all()) == 1, "what is over goes"
