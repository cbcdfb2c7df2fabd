"""Sessions end when they should, belong to one browser, and are of no use to a page of somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given as given_any
from hypothesis import strategies as st

from aimscope_collector import accounts
from aimscope_collector.accounts import NotAllowed
from aimscope_collector.http import cookies
from aimscope_collector.http.attempts import Attempts, grouped
from aimscope_collector.http.logging_in import browser, opened
from aimscope_collector.serving import behind
from aimscope_collector.store import accounts as store
from aimscope_collector.store import audit, sessions
from aimscope_collector.store.accounts import Account
from aimscope_collector.store.database import writing
from aimscope_collector.store.sessions import Logins
from aimscope_collector.store.tables.people import SESSION
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import NOW

HOUR = 3_600
PASSWORD = "correct horse battery"
OWN = {"sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def hashed() -> str:
    return accounts.hash_password(PASSWORD)


@pytest.fixture
def make(database: sa.Engine, hashed: str) -> Callable[..., Account]:
    def made(name: str, *roles: str, changed: bool = True, **more: Any) -> Account:
        with writing(database) as connection:
            arguments: dict[str, Any] = {"hashed": hashed, "by": "init", "at": NOW} | more
            account = store.create(connection, name=name, roles=roles or ("viewer",), **arguments)
            if changed and hashed and "origin" not in more:
                store.set_password(connection, account=account.id, hashed=hashed, by=name, at=NOW)
            found = store.get(connection, account.id)
        assert found is not None
        return found

    return made


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    with made.client:
        yield made


def in_browser(api: Api, account: Account, **more: Any) -> tuple[dict[str, str], str]:
    """Headers that a browser of ours sends, and the token that our pages hold."""
    made = opened(api.app.state.given, account, **more)
    return {"cookie": f"{cookies.named('http')}={made.secret}", **OWN}, made.csrf


def open_(connection: sa.Connection, account: Account, secret: str, now: int = NOW, **more: Any) -> None:
    sessions.open_session(connection, account, secret=secret, csrf=f"c-{secret}", now=now, **more)


def test_sessions_end(database: sa.Engine, make: Callable[..., Account]) -> None:
    made = make("ann")
    with writing(database) as connection:
        open_(connection, made, "s")
        session = sessions.by_secret(connection, "s", now=NOW)
        assert session is not None
        assert (session.principal.name, session.csrf, session.stage) == ("ann", "c-s", "full")
        assert sessions.by_secret(connection, "t", now=NOW) is None
        assert sessions.by_secret(connection, session.id, now=NOW) is None, "what is listed opens nothing"
        assert sessions.by_secret(connection, "s", now=NOW + 1_799)
        assert sessions.by_secret(connection, "s", now=NOW + 1_800) is None, "idle"
        for minutes in range(0, 720, 25):
            sessions.slide(connection, "s", now=NOW + 60 * minutes)
        assert sessions.by_secret(connection, "s", now=NOW + 12 * HOUR - 1)
        assert sessions.by_secret(connection, "s", now=NOW + 12 * HOUR) is None, "too old"
        sessions.end(connection, "s", by="ann", at=NOW)
        sessions.end(connection, "s", by="ann", at=NOW)
        assert sessions.by_secret(connection, "s", now=NOW) is None
        assert [entry.action for entry in audit.entries(connection)].count("logout") == 1


def test_other_limits_hold_at_once(database: sa.Engine, make: Callable[..., Account]) -> None:
    made = make("ann")
    with writing(database) as connection:
        open_(connection, made, "s")
        sessions.slide(connection, "s", now=NOW + 20 * 60)
        assert sessions.by_secret(connection, "s", now=NOW + 40 * 60)
        sessions.set_logins(connection, Logins(idle_minutes=15), by="root", at=NOW)
        assert sessions.by_secret(connection, "s", now=NOW + 40 * 60) is None
        sessions.set_logins(connection, Logins(hours=1, idle_minutes=720), by="root", at=NOW)
        assert sessions.by_secret(connection, "s", now=NOW + HOUR - 1)
        assert sessions.by_secret(connection, "s", now=NOW + HOUR) is None
        assert [entry.action for entry in audit.entries(connection)].count("logins.changed") == 2


@pytest.mark.parametrize("change", ["password", "roles", "disable"])
def test_what_changes_an_account_ends_its_sessions_and_nobody_elses(
    database: sa.Engine, make: Callable[..., Account], change: str
) -> None:
    make("root", "admin")
    ann, bob = make("ann"), make("bob")
    with writing(database) as connection:
        open_(connection, ann, "s")
        open_(connection, bob, "t")
        if change == "password":
            store.set_password(connection, account=ann.id, hashed="x", by="ann", at=NOW)
        elif change == "roles":
            store.change_roles(connection, account=ann.id, roles=["auditor"], units=[], by="root", at=NOW)
        else:
            store.disable(connection, account=ann.id, by="root", at=NOW)
        assert sessions.by_secret(connection, "s", now=NOW) is None
        assert sessions.by_secret(connection, "t", now=NOW)


def test_own_sessions_are_listed_and_ended(database: sa.Engine, make: Callable[..., Account]) -> None:
    ann, bob = make("ann"), make("bob")
    with writing(database) as connection:
        open_(connection, ann, "old", NOW - HOUR)
        open_(connection, ann, "a", client="Firefox on Linux")
        open_(connection, ann, "b", NOW + 1)
        open_(connection, ann, "half", stage="code")
        open_(connection, bob, "c")
        found = sessions.listed(connection, account=ann.id, now=NOW + 2)
        assert [one.client for one in found] == ["", "Firefox on Linux"], "neither what is over nor half of a login"
        theirs = sessions.listed(connection, account=bob.id, now=NOW)[0].id
        for bad in (theirs, "%", "_" * 16, "", found[0].id[:8], found[0].id + "0"):
            with pytest.raises(NotAllowed):
                sessions.end_listed(connection, account=ann.id, session=bad, by="ann", at=NOW)
        sessions.end_listed(connection, account=ann.id, session=found[0].id, by="ann", at=NOW)
        assert sessions.by_secret(connection, "b", now=NOW + 2) is None
        assert sessions.by_secret(connection, "a", now=NOW + 2)
        open_(connection, ann, "d")
        assert sessions.end_all(connection, account=ann.id, by="ann", at=NOW, keep="d") >= 1
        assert sessions.by_secret(connection, "d", now=NOW)
        assert sessions.by_secret(connection, "a", now=NOW) is None
        assert sessions.by_secret(connection, "c", now=NOW)


def test_an_account_has_so_many_sessions_and_the_oldest_goes(database: sa.Engine, make: Callable[..., Account]) -> None:
    ann, bob = make("ann"), make("bob")
    with writing(database) as connection:
        open_(connection, bob, "theirs")
        for number in range(sessions.MOST + 3):
            open_(connection, ann, f"s{number}", NOW + number)
        alive = [n for n in range(sessions.MOST + 3) if sessions.by_secret(connection, f"s{n}", now=NOW + 30)]
        assert alive == list(range(3, sessions.MOST + 3))
        assert sessions.by_secret(connection, "theirs", now=NOW + 30)


def test_what_is_over_goes_in_steps(database: sa.Engine, make: Callable[..., Account]) -> None:
    ann = make("ann")
    row = {"account": ann.id, "created_at": NOW, "csrf": "", "last_used": NOW}
    with writing(database) as connection:
        rows = [row | {"hash": f"{n:064}", "expires_at": NOW + (n % 2) * HOUR} for n in range(50)]
        connection.execute(SESSION.insert(), rows)
        assert sessions.expire(connection, now=NOW + 1, limit=20) == 20
    assert sessions.sweep(database, now=NOW + 1) == 5
    assert sessions.sweep(database, now=NOW + 1) == 0
    assert sessions.sweep(database, now=NOW + 1_800) == 25, "idle"


def test_no_secret_of_a_session_is_in_the_database(api: Api, make: Callable[..., Account]) -> None:
    made = opened(api.app.state.given, make("ann"))
    assert len(made.secret) == 43, "256 bits"
    with api.engine.connect() as connection:
        assert made.secret not in repr(connection.execute(sa.select(SESSION)).all())


def test_a_cookie_says_who_asks(api: Api, make: Callable[..., Account]) -> None:
    headers, _ = in_browser(api, make("ann", "auditor"))
    assert api.client.get("/api/v1/me", headers=headers).json()["name"] == "ann"
    listed = api.client.get("/api/v1/sessions", headers=headers).json()["items"]
    assert [one["current"] for one in listed] == [True]
    for cookie in ("aimscope=", "aimscope=x", f"aimscope={'x' * 5_000}", f"{cookies.named('https')}=x", "a=b"):
        assert api.client.get("/api/v1/me", headers={"cookie": cookie}).status_code == 401
    api.now += 31 * 60
    assert api.client.get("/api/v1/me", headers=headers).status_code == 401


def test_a_session_stays_while_it_is_used(api: Api, make: Callable[..., Account]) -> None:
    headers, _ = in_browser(api, make("ann"))
    for _ in range(5):
        api.now += 20 * 60
        assert api.client.get("/api/v1/me", headers=headers).status_code == 200


def test_a_session_is_good_for_reading_where_nothing_can_be_written(
    api: Api, make: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, _ = in_browser(api, make("ann"))
    api.now += 20 * 60

    def full(*_: Any, **__: Any) -> None:
        raise sa.exc.OperationalError("update", {}, Exception("disk full"))

    monkeypatch.setattr(sessions, "slide", full)
    assert api.client.get("/api/v1/me", headers=headers).status_code == 200


def test_half_a_login_is_nobody(api: Api, make: Callable[..., Account]) -> None:
    headers, _ = in_browser(api, make("ann", "admin"), stage="code")
    assert api.client.get("/api/v1/me", headers=headers).status_code == 401
    assert api.client.get("/api/v1/accounts", headers=headers).status_code == 401


def test_what_a_browser_was_made_to_send_changes_nothing(api: Api, make: Callable[..., Account]) -> None:
    headers, token = in_browser(api, make("ann", "admin"))
    other, others_token = in_browser(api, make("bob", "admin"))
    new = {"name": "eve", "roles": ["admin"]}

    def sent(**more: str) -> Any:
        changed = {name.replace("_", "-"): value for name, value in more.items()}
        wanted = {name: value for name, value in {**headers, **changed}.items() if value}
        return api.client.post("/api/v1/accounts", headers=wanted, json=new)

    refused = [
        sent(),
        sent(x_csrf_token=""),
        sent(x_csrf_token="wrong"),
        sent(x_csrf_token=others_token),
        sent(x_csrf_token=token, sec_fetch_site="cross-site"),
        sent(x_csrf_token=token, sec_fetch_site="same-site"),
        sent(x_csrf_token=token, sec_fetch_site="none"),
        sent(x_csrf_token=token, sec_fetch_site=""),
        sent(x_csrf_token=token, sec_fetch_site="", origin="null"),
        sent(x_csrf_token=token, sec_fetch_site="", origin="https://evil.example"),
        sent(x_csrf_token=token, sec_fetch_site="", origin="http://testserver.local.evil.example"),
        sent(x_csrf_token=token, sec_fetch_site="cross-site", origin="http://testserver.local"),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert {answer.json()["type"] for answer in refused} == {"token", "other-origin"}
    with api.engine.connect() as connection:
        assert store.find(connection, "eve") is None
    host = str(api.client.base_url.netloc, "ascii")
    assert sent(x_csrf_token=token, sec_fetch_site="", origin=f"http://{host}").status_code == 201
    assert api.client.get("/api/v1/accounts", headers={**other, "sec-fetch-site": "cross-site"}).status_code == 200


def test_a_token_in_a_form_is_read_and_the_body_is_not_lost(api: Api, make: Callable[..., Account]) -> None:
    headers, token = in_browser(api, make("ann", "admin"))
    for content, said in ((f"csrf={token}", 400), ("csrf=wrong", 403), ("", 403), ("csrf=a&csrf=b", 403)):
        answer = api.client.post(
            "/api/v1/accounts",
            headers={**headers, "content-type": "application/x-www-form-urlencoded"},
            content=content,
        )
        assert answer.status_code == said, answer.text  # with the token it is read, and is no JSON


def test_keys_need_no_token(api: Api) -> None:
    headers = {**api.key("admin"), "sec-fetch-site": "cross-site"}
    new = {"name": "eve", "roles": ["viewer"]}
    assert api.client.post("/api/v1/accounts", headers=headers, json=new).status_code == 201


def test_a_password_in_a_header_is_not_helped_by_a_cookie(api: Api, make: Callable[..., Account]) -> None:
    headers, _ = in_browser(api, make("ann", "admin"))
    answer = api.client.get("/api/v1/me", headers={**headers, "authorization": "Bearer ak_wrong"})
    assert answer.status_code == 401


def test_sessions_are_ended_through_the_api(api: Api, make: Callable[..., Account]) -> None:
    ann = make("ann")
    headers, token = in_browser(api, ann)
    other, _ = in_browser(api, ann)
    with_token = {**headers, "x-csrf-token": token}
    assert api.client.delete("/api/v1/sessions", headers=with_token).json() == {"sessions": 1}
    assert api.client.get("/api/v1/me", headers=other).status_code == 401
    again, _ = in_browser(api, ann)
    listed = api.client.get("/api/v1/sessions", headers=headers).json()["items"]
    there = next(one["id"] for one in listed if not one["current"])
    assert api.client.delete(f"/api/v1/sessions/{there}", headers=headers).status_code == 403, "no token"
    assert api.client.delete(f"/api/v1/sessions/{there}", headers=with_token).status_code == 200
    assert api.client.get("/api/v1/me", headers=again).status_code == 401
    assert api.client.get("/api/v1/me", headers=headers).status_code == 200


def test_cookies_are_what_browsers_keep_to_themselves() -> None:
    made = cookies.holding("s", "https").to_header(header="")
    assert made.startswith("__Host-aimscope=s")
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
        assert part in made
    assert "Domain" not in made
    plain = cookies.holding("s", "http").to_header(header="")
    assert "Secure" not in plain
    assert "HttpOnly" in plain
    assert "Max-Age=0" in cookies.gone("https").to_header(header="")
    assert cookies.secret_of({"aimscope": "planted", "__Host-aimscope": "s"}, "https") == "s"
    assert cookies.secret_of({"aimscope": "planted"}, "https") == ""


def test_behind_a_proxy_cookies_are_made_for_tls() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["scheme"])

    scope = {"type": "http", "scheme": "http", "client": ("10.0.0.5", 1), "headers": []}
    asyncio.run(behind(app, ["10.0.0.5"])(scope, None, None))  # type: ignore[arg-type]
    assert cookies.named(seen[0]) == "__Host-aimscope"


@given_any(st.text(), st.text())
def test_any_origin_that_is_not_ours_is_another(origin: str, host: str) -> None:
    if cookies.same_origin({"origin": origin, "host": host}):
        assert host
        assert origin.casefold().rpartition("//")[2].startswith(host.casefold())
    assert not cookies.same_origin({"origin": f"https://{host}.evil.example", "host": "collector.example"})


def test_attempts_of_an_address_leak_away() -> None:
    made = Attempts(burst=3, seconds=10, most=2)
    assert [made.take("192.0.2.1", now=0) for _ in range(4)] == [0, 0, 0, 10]
    assert made.take("192.0.2.1", now=9) == 1
    assert made.take("192.0.2.1", now=10) == 0
    assert made.take("192.0.2.2", now=10) == 0, "another address"
    made.good("192.0.2.2")
    assert [made.take("192.0.2.2", now=10) for _ in range(4)] == [0, 0, 0, 10], "a right one does not count"
    made.take("192.0.2.3", now=10)
    assert made.take("192.0.2.1", now=10) == 0, "what is remembered is bounded"
    assert grouped("2001:db8::1") == grouped("2001:db8::ffff:1") != grouped("2001:db8:0:1::1")
    assert grouped("::ffff:192.0.2.1") == grouped("192.0.2.1")
    assert len(grouped("x" * 1_000)) == 64


def test_an_address_that_guesses_is_slowed_whatever_the_names(api: Api, make: Callable[..., Account]) -> None:
    make("ann")
    said = []
    for number in range(22):
        body = {"name": f"u{number}", "password": "wrong", "new": PASSWORD + "!"}
        said.append(api.client.post("/api/v1/password", json=body).status_code)
    assert said == [401] * 20 + [429] * 2
    right = {"name": "ann", "password": PASSWORD, "new": PASSWORD + "!"}
    assert api.client.post("/api/v1/password", json=right).status_code == 429
    api.now += 15
    assert api.client.post("/api/v1/password", json=right).status_code == 200


def test_a_browser_is_told_by_its_name() -> None:
    assert browser("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0") == "Firefox on Linux"
    chrome = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
    assert browser(chrome) == "Chrome on Windows"
    assert browser(chrome + " Edg/140.0") == "Edge on Windows"
    assert browser("<script>") == ""
