"""Accounts: who gets in, who is kept out, and that each of it is in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector import accounts
from aimscope_collector.accounts import PERMISSIONS, SCOPES, NotAllowed, Principal
from aimscope_collector.store import accounts as store
from aimscope_collector.store import audit, credentials, sessions
from aimscope_collector.store.accounts import Account, Denied
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.people import ACCOUNT, API_KEY

PASSWORD = "seven green horses"
NOW = 1_000_000


@pytest.fixture(scope="module")
def hashed() -> str:
    return accounts.hash_password(PASSWORD)


@pytest.fixture
def make(database: sa.Engine, hashed: str) -> Callable[..., Account]:
    def made(name: str, *roles: str, **more: Any) -> Account:
        with writing(database) as connection:
            arguments: dict[str, Any] = {"hashed": hashed, "by": "init", "at": NOW} | more
            return store.create(connection, name=name, roles=roles, **arguments)

    return made


def said(database: sa.Engine) -> list[tuple[str, str]]:
    with database.connect() as connection:
        assert audit.verify(connection) is None
        return [(entry.action, entry.about) for entry in audit.entries(connection)]


def test_roles_hold_only_permissions_that_there_are() -> None:
    for role, words in PERMISSIONS.items():
        assert words <= set(SCOPES), role
    assert set().union(*PERMISSIONS.values()) == set(SCOPES), "what nobody may do is no permission"


def test_what_roles_promise() -> None:
    personal = {"sightings:read", "devices:see", "people:reveal", "people:access", "people:erase", "agents:read"}
    assert not PERMISSIONS["viewer"] & personal
    changing = {word for word in SCOPES if not word.endswith(":read")} - {"keys:write"}
    assert not PERMISSIONS["auditor"] & changing
    assert PERMISSIONS["auditor"] >= {word for word in SCOPES if word.endswith(":read")}
    assert not PERMISSIONS["privacy"] & {word for word in SCOPES if word.endswith((":write", ":decide", ":erase"))}
    assert [role for role in PERMISSIONS if "devices:see" in PERMISSIONS[role]] == ["security"]
    assert [role for role in PERMISSIONS if "findings:decide" in PERMISSIONS[role]] == ["reviewer"]
    assert [role for role in PERMISSIONS if "people:reveal" in PERMISSIONS[role]] == ["security"]


def test_a_principal_may_what_its_roles_and_its_key_both_allow() -> None:
    person = Principal(account=1, name="ann", roles=("viewer", "reviewer"))
    assert person.may("findings:decide")
    assert not person.may("devices:see")
    key = Principal(account=1, name="ann", roles=("reviewer",), scopes=frozenset(("findings:read", "devices:see")))
    assert key.may("findings:read")
    assert not key.may("findings:decide")
    assert not key.may("devices:see")
    assert not Principal(account=1, name="ann", roles=("admin",), must_change=True).may("settings:write")
    with pytest.raises(KeyError):
        person.may("findings:raed")


def test_units_limit() -> None:
    limited = Principal(account=1, name="ann", roles=("reviewer",), units=("emea",))
    assert limited.reaches("emea/sales")
    assert not limited.reaches("apac")
    assert not limited.reaches(None)
    assert Principal(account=1, name="ann", roles=("reviewer",)).reaches(None)


@pytest.mark.parametrize(
    "password", ["short", "x" * 300, "aaaaaaaaaaaaaaaaa", "abcdabcdabcdabcd", "ann.smith-2026", "ANN.SMITH and more"]
)
def test_weak_passwords_are_refused(password: str) -> None:
    accounts.check_password(PASSWORD, "ann.smith")
    with pytest.raises(NotAllowed):
        accounts.check_password(password, "ann.smith")


@pytest.mark.parametrize("name", ["", " ", "-ann", "a b", "a\0b", "x" * 129, "äöü", "<b>"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(NotAllowed):
        accounts.check_name(name)
    assert accounts.check_name(" Ann@Corp.example ") == "ann@corp.example"


def test_locks_grow_and_are_bounded() -> None:
    assert [accounts.locked_for(count) for count in (0, 4, 5, 6, 7)] == [0, 0, 30, 60, 120]
    assert accounts.locked_for(10_000) == 900


def test_secrets_are_drawn_and_only_their_hash_is_kept() -> None:
    password = accounts.first_password(lambda size: bytes(range(size)))
    assert len(password) == 27
    accounts.check_password(accounts.first_password(lambda size: b"\x5a\x13\xee" * (size // 3)), "x")
    assert accounts.new_key(lambda size: b"\0" * size) == "ak_" + "A" * 43
    assert accounts.matches(accounts.hash_password(PASSWORD), PASSWORD)
    assert not accounts.matches(None, PASSWORD)
    assert not accounts.matches("nonsense", PASSWORD)


def test_the_first_password_has_to_be_changed(database: sa.Engine, make: Callable[..., Account]) -> None:
    made = make("Root", "admin")
    account = store.log_in(database, name=" ROOT", password=PASSWORD, now=NOW)
    assert account.must_change
    assert not account.principal().may("accounts:write")
    other = accounts.hash_password("another long password")
    with writing(database) as connection:
        store.set_password(connection, account=made.id, hashed=other, by="root", at=NOW)
    account = store.log_in(database, name="root", password="another long password", now=NOW)
    assert account.principal().may("accounts:write")
    with pytest.raises(Denied):
        store.log_in(database, name="root", password=PASSWORD, now=NOW)
    with writing(database) as connection:
        store.set_password(connection, account=made.id, hashed=other, by="admin", at=NOW, first=True)
        reset = store.get(connection, made.id)
    assert reset is not None
    assert reset.must_change
    assert [action for action, _ in said(database)] == [
        "account.created",
        "login.done",
        "password.changed",
        "login.done",
        "login.refused",
        "password.reset",
    ]


def test_an_account_locks_backs_off_and_opens_again(database: sa.Engine, make: Callable[..., Account]) -> None:
    make("ann", "viewer")
    for _ in range(5):
        with pytest.raises(Denied):
            store.log_in(database, name="ann", password="wrong", now=NOW)
    with pytest.raises(Denied, match="30 seconds") as raised:
        store.log_in(database, name="ann", password=PASSWORD, now=NOW)
    assert raised.value.retry_after == 30
    with pytest.raises(Denied):
        store.log_in(database, name="ann", password="wrong", now=NOW + 30)
    with pytest.raises(Denied) as raised:
        store.log_in(database, name="ann", password=PASSWORD, now=NOW + 31)
    assert raised.value.retry_after == 59
    account = store.log_in(database, name="ann", password=PASSWORD, now=NOW + 90)
    assert (account.failures, account.locked_until) == (0, 0)
    assert ("login.locked", "ann") in said(database)


def test_many_guesses_at_once_gain_nothing(database: sa.Engine, make: Callable[..., Account]) -> None:
    make("ann", "viewer")

    def guess(number: int) -> None:
        with pytest.raises(Denied):
            store.log_in(database, name="ann", password=f"wrong {number}", now=NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(guess, range(12)))
    actions = [action for action, _ in said(database)]
    assert actions.count("login.refused") == 5, "no more passwords were looked at than one after another"
    assert 1 <= actions.count("login.locked") <= 4, "once a minute, by each of those at once"


def test_what_is_said_does_not_tell_whether_there_is_such_an_account(
    database: sa.Engine, make: Callable[..., Account]
) -> None:
    make("ann", "viewer")
    texts = set()
    for name in ("ann", "nobody", "my secret password", "a\0b"):
        with pytest.raises(Denied) as raised:
            store.log_in(database, name=name, password="wrong", now=NOW)
        texts.add(str(raised.value))
    assert len(texts) == 1
    assert [about for action, about in said(database) if action == "login.refused"] == ["ann", ""]


def test_a_disabled_account_and_its_keys_open_nothing(database: sa.Engine, make: Callable[..., Account]) -> None:
    make("root", "admin")
    made = make("ann", "reviewer")
    with writing(database) as connection:
        credentials.create_key(
            connection,
            account=made.id,
            name="k",
            scopes=["findings:read"],
            secret="ak_1",
            at=NOW,
            expires_at=NOW + 9,
            by="ann",
        )
        sessions.open_session(connection, made, secret="s", csrf="c", now=NOW)
        assert credentials.by_key(connection, "ak_1", now=NOW)
        assert sessions.by_secret(connection, "s", now=NOW)
        store.disable(connection, account=made.id, by="root", at=NOW)
        assert credentials.by_key(connection, "ak_1", now=NOW) is None
        assert sessions.by_secret(connection, "s", now=NOW) is None
    with pytest.raises(Denied):
        store.log_in(database, name="ann", password=PASSWORD, now=NOW)
    with writing(database) as connection:
        store.enable(connection, account=made.id, by="root", at=NOW)
    assert store.log_in(database, name="ann", password=PASSWORD, now=NOW).name == "ann"


def test_the_last_administrator_stays(database: sa.Engine, make: Callable[..., Account]) -> None:
    root = make("root", "admin")
    make("limited", "admin", units=["emea"])
    with writing(database) as connection:
        with pytest.raises(NotAllowed, match="last administrator"):
            store.disable(connection, account=root.id, by="root", at=NOW)
        with pytest.raises(NotAllowed, match="last administrator"):
            store.change_roles(connection, account=root.id, roles=["viewer"], units=[], by="root", at=NOW)
        with pytest.raises(NotAllowed, match="last administrator"):
            store.change_roles(connection, account=root.id, roles=["admin"], units=["emea"], by="root", at=NOW)
    make("second", "admin")
    with writing(database) as connection:
        changed = store.change_roles(
            connection, account=root.id, roles=["viewer", "auditor"], units=["emea"], by="second", at=NOW
        )
    assert (changed.roles, changed.units) == (("viewer", "auditor"), ("emea",))


def test_names_are_one_whatever_their_case_and_roles_are_known(
    database: sa.Engine, make: Callable[..., Account]
) -> None:
    make("ann", "viewer")
    for name, roles in (("ANN", ["viewer"]), ("bob", ["king"]), ("bob", [])):
        with pytest.raises(NotAllowed):
            make(name, *roles)
    with database.connect() as connection:
        assert [one.name for one in store.all_accounts(connection)] == ["ann"]


def test_who_logs_in_elsewhere_has_no_password_here(database: sa.Engine, make: Callable[..., Account]) -> None:
    made = make("ann", "viewer", hashed=None, origin="oidc")
    assert not made.must_change
    with pytest.raises(Denied):
        store.log_in(database, name="ann", password="", now=NOW)
    with writing(database) as connection, pytest.raises(NotAllowed, match="elsewhere"):
        store.set_password(connection, account=made.id, hashed="x", by="ann", at=NOW)


def test_keys(database: sa.Engine, make: Callable[..., Account]) -> None:
    made = make("ann", "reviewer", units=["emea"])
    with writing(database) as connection:
        store.set_password(connection, account=made.id, hashed="x", by="ann", at=NOW)
        good: dict[str, Any] = {
            "account": made.id,
            "name": "export",
            "scopes": ["findings:read", "findings:decide"],
            "secret": "ak_secret",
            "at": NOW,
            "expires_at": NOW + 100,
            "by": "ann",
        }
        bads: tuple[dict[str, Any], ...] = (
            {"scopes": ["audit:read"]},
            {"scopes": []},
            {"expires_at": NOW},
            {"expires_at": NOW + 400 * 86_400},
            {"name": ""},
            {"account": 99},
        )
        for bad in bads:
            with pytest.raises(NotAllowed):
                credentials.create_key(connection, **good | bad)
        key = credentials.create_key(connection, **good)
        found = credentials.by_key(connection, "ak_secret", now=NOW)
        assert found is not None
        assert found[0] == key.id
        assert found[1].may("findings:decide")
        assert not found[1].may("inventory:write")
        assert found[1].units == ("emea",)
        assert credentials.by_key(connection, "ak_secret", now=NOW + 100) is None
        assert credentials.by_key(connection, "ak_other", now=NOW) is None
        assert credentials.by_key(connection, "secret", now=NOW) is None
        credentials.used(connection, {key.id: NOW + 5})
        credentials.used(connection, {key.id: NOW + 3, 99: NOW})
        credentials.used(connection, {})
        assert [one.last_used for one in credentials.keys(connection, account=made.id)] == [NOW + 5]
        store.change_roles(connection, account=made.id, roles=["viewer"], units=[], by="root", at=NOW)
        again = credentials.by_key(connection, "ak_secret", now=NOW)
        assert again is not None
        assert not again[1].may("findings:decide"), "a key loses what its owner loses"
        credentials.revoke_key(connection, key=key.id, by="ann", at=NOW)
        assert credentials.by_key(connection, "ak_secret", now=NOW) is None
        with pytest.raises(NotAllowed):
            credentials.revoke_key(connection, key=key.id, by="ann", at=NOW)
    assert {"key.created", "key.revoked"} <= {action for action, _ in said(database)}


def test_no_secret_is_in_the_database(database: sa.Engine, make: Callable[..., Account]) -> None:
    made = make("ann", "reviewer")
    store.log_in(database, name="ann", password=PASSWORD, now=NOW)
    with writing(database) as connection:
        credentials.create_key(
            connection,
            account=made.id,
            name="k",
            scopes=["findings:read"],
            secret="ak_secret",
            at=NOW,
            expires_at=NOW + 9,
            by="ann",
        )
        text = repr([connection.execute(sa.select(table)).all() for table in (ACCOUNT, API_KEY)])
        text += repr(audit.entries(connection))
    assert "ak_secret" not in text
    assert PASSWORD not in text
