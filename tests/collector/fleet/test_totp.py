"""The second factor: each code once, wrong ones count, recovery codes for a lost phone, and nothing of it in clear."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from hypothesis import given as given_any
from hypothesis import strategies as st
from nacl.secret import SecretBox

from aimscope_collector import accounts
from aimscope_collector.accounts import NotAllowed
from aimscope_collector.http import cookies
from aimscope_collector.http.logging_in import opened
from aimscope_collector.keys import KeysError
from aimscope_collector.store import accounts as store
from aimscope_collector.store import audit, codes, sessions
from aimscope_collector.store.accounts import Account, Denied
from aimscope_collector.store.database import writing
from aimscope_collector.store.sessions import Logins
from aimscope_collector.store.tables.people import ACCOUNT, RECOVERY_CODE
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import NOW

PASSWORD = "correct horse battery"
BOX = SecretBox(b"c" * 32)
STEP = codes.STEP


@pytest.fixture(scope="module")
def hashed() -> str:
    return accounts.hash_password(PASSWORD)


@pytest.fixture
def make(database: sa.Engine, hashed: str) -> Callable[..., Account]:
    def made(name: str, *roles: str, **more: Any) -> Account:
        arguments: dict[str, Any] = {"hashed": hashed, "by": "init", "at": NOW} | more
        with writing(database) as connection:
            account = store.create(connection, name=name, roles=roles or ("viewer",), **arguments)
            if arguments["hashed"]:
                store.set_password(connection, account=account.id, hashed=hashed, by=name, at=NOW)
        return account

    return made


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    with made.client:
        yield made


def set_up(database: sa.Engine, account: Account) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    with writing(database) as connection:
        begun = codes.begin(connection, account=account.id, box=BOX, randomness=os.urandom)
    made = pyotp.TOTP(begun.secret)
    recovery = codes.confirm(
        database, account=account.id, code=made.at(NOW - STEP), box=BOX, now=NOW, randomness=os.urandom
    )
    return made, recovery


def check(database: sa.Engine, account: Account, code: str, now: int = NOW) -> Account:
    return codes.check(database, account=account.id, code=code, box=BOX, now=now)


def said(database: sa.Engine) -> list[str]:
    with database.connect() as connection:
        assert audit.verify(connection) is None
        return [entry.action for entry in audit.entries(connection)]


@pytest.mark.parametrize(("at", "code"), [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")])
def test_codes_are_those_of_the_standard(at: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()  # RFC 6238, appendix B, the last six digits
    assert codes.matching_step(secret, code, now=at, after=-1) == at // STEP
    assert codes.matching_step(secret, f" {code[:3]} {code[3:]}", now=at, after=-1) == at // STEP
    assert codes.matching_step(secret, code, now=at, after=at // STEP) is None, "taken already"
    assert codes.matching_step(secret, code, now=at + 2 * STEP, after=-1) is None
    assert codes.matching_step(secret, code[:5], now=at, after=-1) is None


@given_any(st.text(max_size=40))
def test_any_text_that_is_no_code_is_refused(text: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    right = {pyotp.TOTP(secret).at(59 + drift) for drift in (-STEP, 0, STEP)}
    assert (codes.matching_step(secret, text, now=59, after=-1) is not None) is ("".join(text.split()) in right)


def test_a_code_is_asked_for_and_taken_once(database: sa.Engine, make: Callable[..., Account]) -> None:
    account = make("ann")
    assert not store.log_in(database, name="ann", password=PASSWORD, now=NOW).second_factor
    made, _ = set_up(database, account)
    assert store.log_in(database, name="ann", password=PASSWORD, now=NOW).second_factor
    with pytest.raises(Denied):
        check(database, account, made.at(NOW - STEP))  # the code that confirmed it
    assert check(database, account, made.at(NOW)).name == "ann"
    with pytest.raises(Denied):
        check(database, account, made.at(NOW))
    assert check(database, account, made.at(NOW + STEP), now=NOW).name == "ann", "a clock that is a step ahead"
    with pytest.raises(Denied):
        check(database, account, made.at(NOW), now=NOW)  # an earlier step than one that was taken
    actions = said(database)
    assert actions.count("login.code-asked") == 1
    assert actions.count("login.code-refused") == 3
    assert actions.count("code.set-up") == 1


def test_one_code_sent_twice_at_once_is_taken_once(database: sa.Engine, make: Callable[..., Account]) -> None:
    account = make("ann")
    made, _ = set_up(database, account)

    def attempt(_: int) -> bool:
        try:
            return check(database, account, made.at(NOW)).name == "ann"
        except Denied:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]


def test_what_was_begun_and_not_confirmed_is_not_asked_for(database: sa.Engine, make: Callable[..., Account]) -> None:
    account = make("ann")
    with writing(database) as connection:
        first = codes.begin(connection, account=account.id, box=BOX, randomness=os.urandom)
        second = codes.begin(connection, account=account.id, box=BOX, randomness=os.urandom)
    assert not store.log_in(database, name="ann", password=PASSWORD, now=NOW).second_factor
    arguments: dict[str, Any] = {"account": account.id, "box": BOX, "now": NOW, "randomness": os.urandom}
    with pytest.raises(Denied):
        check(database, account, pyotp.TOTP(second.secret).at(NOW))
    with pytest.raises(Denied):
        codes.confirm(database, code=pyotp.TOTP(first.secret).at(NOW), **arguments)
    assert len(codes.confirm(database, code=pyotp.TOTP(second.secret).at(NOW), **arguments)) == codes.RECOVERY
    with pytest.raises(NotAllowed, match="remove it"), writing(database) as connection:
        codes.begin(connection, account=account.id, box=BOX, randomness=os.urandom)
    with pytest.raises(NotAllowed):
        codes.confirm(database, code=pyotp.TOTP(second.secret).at(NOW + STEP), **arguments)


def test_wrong_codes_lock_and_the_password_does_not_make_them_good(
    database: sa.Engine, make: Callable[..., Account]
) -> None:
    account = make("ann")
    made, _ = set_up(database, account)
    for _ in range(4):
        store.log_in(database, name="ann", password=PASSWORD, now=NOW)
        with pytest.raises(Denied):
            check(database, account, "000000")
    store.log_in(database, name="ann", password=PASSWORD, now=NOW)
    with pytest.raises(Denied) as raised:
        check(database, account, "000000")
    assert raised.value.retry_after == 30
    with pytest.raises(Denied):
        check(database, account, made.at(NOW))
    with pytest.raises(Denied):
        store.log_in(database, name="ann", password=PASSWORD, now=NOW + 29)
    assert store.log_in(database, name="ann", password=PASSWORD, now=NOW + 30).name == "ann"
    assert check(database, account, made.at(NOW + 30), now=NOW + 30).failures == 0


def test_recovery_codes_are_for_one_login_each(database: sa.Engine, make: Callable[..., Account]) -> None:
    account, other = make("ann"), make("bob")
    _, recovery = set_up(database, account)
    set_up(database, other)
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in recovery)
    assert len(set(recovery)) == codes.RECOVERY
    with pytest.raises(Denied):
        check(database, other, recovery[0])
    assert check(database, account, recovery[0].upper().replace("-", " ")).name == "ann"
    with pytest.raises(Denied):
        check(database, account, recovery[0])
    with writing(database) as connection:
        assert codes.standing(connection, account.id).recovery_left == codes.RECOVERY - 1
        codes.renew(connection, account=account.id, randomness=os.urandom, by="ann", at=NOW)
        assert codes.standing(connection, account.id).recovery_left == codes.RECOVERY
    with pytest.raises(Denied):
        check(database, account, recovery[1])


def test_the_database_alone_makes_no_codes(database: sa.Engine, make: Callable[..., Account]) -> None:
    account, other = make("ann"), make("bob")
    with writing(database) as connection:
        begun = codes.begin(connection, account=account.id, box=BOX, randomness=os.urandom)
    arguments: dict[str, Any] = {"account": account.id, "now": NOW, "randomness": os.urandom}
    recovery = codes.confirm(database, code=pyotp.TOTP(begun.secret).at(NOW), box=BOX, **arguments)
    with writing(database) as connection:
        rows = [connection.execute(sa.select(table)).all() for table in (ACCOUNT, RECOVERY_CODE)]
        kept = repr(rows) + repr(audit.entries(connection))
        sealed = connection.execute(sa.select(ACCOUNT.c.totp).where(ACCOUNT.c.id == account.id)).scalar_one()
        connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == other.id).values(totp=sealed, totp_at=NOW))
    assert begun.secret not in kept
    assert not any(code in kept or code.replace("-", "") in kept for code in recovery)
    with pytest.raises(KeysError, match="another account"):
        check(database, other, pyotp.TOTP(begun.secret).at(NOW))
    with pytest.raises(KeysError, match="another key"):
        codes.check(
            database, account=account.id, code=pyotp.TOTP(begun.secret).at(NOW), box=SecretBox(b"x" * 32), now=NOW
        )


def test_it_is_given_up_and_reset(database: sa.Engine, make: Callable[..., Account]) -> None:
    account = make("ann")
    set_up(database, account)
    with writing(database) as connection:
        sessions.open_session(connection, account, secret="s", csrf="c", now=NOW)
        codes.remove(connection, account=account.id, by="root", at=NOW)
        assert sessions.by_secret(connection, "s", now=NOW) is None
        assert codes.standing(connection, account.id) == codes.SecondFactor(since=None, recovery_left=0)
        with pytest.raises(NotAllowed):
            codes.remove(connection, account=account.id, by="root", at=NOW)
    assert not store.log_in(database, name="ann", password=PASSWORD, now=NOW).second_factor
    assert said(database).count("code.removed") == 1


def test_who_logs_in_elsewhere_has_none_here(database: sa.Engine, make: Callable[..., Account]) -> None:
    account = make("ann", hashed=None, origin="oidc")
    with writing(database) as connection, pytest.raises(NotAllowed, match="elsewhere"):
        codes.begin(connection, account=account.id, box=BOX, randomness=os.urandom)


def in_browser(api: Api, account: Account) -> dict[str, str]:
    made = opened(api.app.state.given, account)
    return {
        "cookie": f"{cookies.named('http')}={made.secret}",
        "sec-fetch-site": "same-origin",
        "x-csrf-token": made.csrf,
    }


def basic(name: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()}


def test_through_the_api(api: Api, make: Callable[..., Account]) -> None:
    account, root = make("ann"), make("root", "admin")
    headers = in_browser(api, account)
    begun = api.client.post("/api/v1/second-factor", headers=headers).json()
    assert begun["uri"].startswith("otpauth://totp/aimscope:ann?")
    made = pyotp.TOTP(begun["secret"])
    path = "/api/v1/second-factor/confirm"
    assert api.client.post(path, headers=headers, json={"code": "000000"}).status_code == 422
    assert api.client.post(path, headers=headers, json={"code": made.at(NOW)}).status_code == 200
    refused = api.client.get("/api/v1/me", headers=basic("ann"))
    assert (refused.status_code, refused.json()["type"]) == (401, "code-needed")
    change = {"name": "ann", "password": PASSWORD, "new": PASSWORD + "!"}
    assert api.client.post("/api/v1/password", json=change).status_code == 401, (
        "nor is the password enough to change it"
    )
    path = "/api/v1/second-factor/recovery"
    assert api.client.post(path, headers=headers, json={"code": made.at(NOW)}).status_code == 401, "taken already"
    again = api.client.post(path, headers=headers, json={"code": made.at(NOW + STEP)})
    assert len(again.json()["codes"]) == codes.RECOVERY
    listed = json.dumps(api.client.get("/api/v1/accounts", headers=in_browser(api, root)).json())
    assert begun["secret"] not in listed
    path = f"/api/v1/accounts/{account.id}/second-factor/reset"
    assert api.client.post(path, headers=headers).status_code == 403
    assert api.client.post(path, headers=in_browser(api, root)).status_code == 200
    assert api.client.get("/api/v1/me", headers=basic("ann")).status_code == 200


def test_a_role_that_needs_it_does_nothing_before(api: Api, make: Callable[..., Account]) -> None:
    root, ann = make("root", "admin"), make("ann", "viewer")
    key = api.key("admin")
    with writing(api.engine) as connection:
        sessions.set_logins(connection, Logins(code_roles=("admin",)), by="root", at=NOW)
    headers = in_browser(api, root)
    for who in (headers, basic("root")):
        refused = api.client.get("/api/v1/accounts", headers=who)
        assert (refused.status_code, refused.json()["type"]) == (403, "must-enrol")
        assert api.client.get("/api/v1/me", headers=who).status_code == 403
    assert api.client.get("/api/v1/me", headers=in_browser(api, ann)).status_code == 200
    assert api.client.get("/api/v1/accounts", headers=key).status_code == 200, "programs have no phone"
    begun = api.client.post("/api/v1/second-factor", headers=headers).json()
    made = pyotp.TOTP(begun["secret"])
    confirm = {"code": made.at(NOW)}
    assert api.client.post("/api/v1/second-factor/confirm", headers=headers, json=confirm).status_code == 200
    assert api.client.get("/api/v1/accounts", headers=headers).status_code == 200
    refused = api.client.post("/api/v1/second-factor/remove", headers=headers, json={"code": made.at(NOW + STEP)})
    assert refused.status_code == 422, "the role needs it"


def test_a_key_and_a_first_password_set_up_nothing(api: Api, database: sa.Engine, hashed: str) -> None:
    assert api.client.post("/api/v1/second-factor", headers=api.key("admin")).status_code == 422
    with writing(database) as connection:
        fresh = store.create(connection, name="new", roles=["viewer"], hashed=hashed, by="t", at=NOW)
    refused = api.client.post("/api/v1/second-factor", headers=in_browser(api, fresh))
    assert (refused.status_code, refused.json()["type"]) == (403, "must-change")
