"""Every route × role: one table, and nothing is served that says nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from litestar import Litestar, get

from aimscope_collector.accounts import PERMISSIONS, Role, hash_password
from aimscope_collector.http.access import ENTERING, KNOWN, NOTHING, PREFIX, rules
from aimscope_collector.http.application import make_api, routes
from aimscope_collector.store import accounts
from aimscope_collector.store.database import writing
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import NOW

ALLOWED_TOO = {"POST /api/v1/reveals", "GET /api/v1/reveals"}
"""Routes that look further than the table."""
OPEN = {
    "/api/v1/health",
    "/api/v1/openapi.json",
    "/api/v1/password",
    "/static/{digest:str}/{name:str}",
    "/login",
    "/login/code",
    "/login/elsewhere",
    "/login/elsewhere/back",
    "/login/elsewhere/out",
    "/logout",
}
"""What anybody may ask; a password is changed with the password; files that pages load are the same for everybody."""


def test_the_description_is_openapi_3_1_and_names_every_route(api: Api) -> None:
    said = api.client.get("/api/v1/openapi.json").json()
    assert said["openapi"].startswith("3.1")
    named = {(method.upper(), path) for path, item in said["paths"].items() for method in item}
    served = {
        (rule.method, re.sub(r":\w+}", "}", rule.path)) for rule in rules(api.app) if rule.path.startswith(PREFIX)
    }
    assert {route for route in served if not re.search(r"/schema|/openapi.json", route[1])} == {
        route for route in named if route[0] != "OPTIONS"
    }


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    """An API over an empty database."""
    made = Api(database)
    with made.client:
        yield made


@pytest.mark.parametrize("role", PERMISSIONS)
def test_each_role_reaches_what_the_table_allows_and_nothing_else(api: Api, role: Role) -> None:
    who = api.key(role)
    wrong = []
    for rule in rules(api.app):
        path = re.sub(r"\{[^}]*:int\}", "999999", re.sub(r"\{[^}]*:str\}", "x-none", rule.path))
        answer = api.client.request(rule.method, path, headers=who, content=b"{}")
        allowed = rule.needs in (NOTHING, KNOWN, ENTERING) or rule.needs in PERMISSIONS[role]
        if (answer.status_code != 403) is not allowed and f"{rule.method} {rule.path}" not in ALLOWED_TOO:
            wrong.append((rule, answer.status_code))
        if answer.status_code >= 500:
            wrong.append((rule, answer.status_code))
    assert wrong == []


def test_nobody_reaches_only_what_anybody_may_know(api: Api) -> None:
    open_to_all = set()
    for rule in rules(api.app):
        path = re.sub(r"\{[^}]*:int\}", "1", re.sub(r"\{[^}]*:str\}", "x", rule.path))
        answer = api.client.request(rule.method, path, content=b"{}", follow_redirects=False)
        if not path.startswith(PREFIX) and rule.needs != NOTHING:
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")
        elif answer.status_code != 401:
            open_to_all.add((rule.path, rule.needs))
        else:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "unauthorised"
    assert {needs for _, needs in open_to_all} <= {NOTHING}
    assert {path for path, _ in open_to_all if "/schema" not in path} == OPEN


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "PATCH", "QUERY"])
def test_methods_that_no_route_has_are_refused(api: Api, method: str) -> None:
    for path in ("/api/v1/findings", "/api/v1/inventory", "/api/v1/health"):
        assert 400 <= api.client.request(method, path, headers=api.key("admin")).status_code < 500


def test_a_route_that_does_not_say_what_it_needs_is_not_served() -> None:
    @get("/careless", sync_to_thread=False)
    def careless() -> None: ...

    with pytest.raises(ValueError, match="/careless does not say"):
        rules(Litestar([careless], openapi_config=None))


def test_every_permission_of_the_api_is_one_of_the_table() -> None:
    assert len(routes()) > 50
    assert make_api.__doc__


def test_a_key_carries_no_more_than_its_scopes(api: Api) -> None:
    who = api.key("admin", scopes=["findings:read", "keys:write"])
    assert api.client.get("/api/v1/findings", headers=who).status_code == 200
    refused = api.client.get("/api/v1/accounts", headers=who)
    assert (refused.status_code, refused.json()["type"]) == (403, "forbidden")
    more = {"name": "more", "scopes": ["accounts:write"]}
    assert api.client.post("/api/v1/keys", headers=who, json=more).status_code == 403


@pytest.mark.parametrize(
    "header",
    ["Bearer ak_wrong", "Bearer", "Basic !!!", "Basic eDp5", "Digest x", "Bearer " + "a" * 5_000, "Basic w6k="],
)
def test_a_credential_that_is_wrong_is_refused_at_once(api: Api, header: str) -> None:
    answer = api.client.get("/api/v1/health", headers={"authorization": header})
    assert (answer.status_code, answer.json()["type"]) == (401, "unauthorised")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_revoked_key_opens_nothing(api: Api) -> None:
    who = api.key("viewer")
    own = api.get("/keys", who)["items"]
    assert api.client.delete(f"/api/v1/keys/{own[0]['id']}", headers=who).status_code == 200
    assert api.client.get("/api/v1/me", headers=who).status_code == 401


def test_an_expired_key_opens_nothing(api: Api) -> None:
    who = api.key("viewer")
    api.now += 2 * 86_400
    assert api.client.get("/api/v1/me", headers=who).status_code == 401


def test_a_first_password_has_to_be_changed_before_anything_else(api: Api) -> None:
    with writing(api.engine) as connection:
        accounts.create(connection, name="ann", roles=["admin"], hashed=hash_password("frst-passwrd-1"), by="t", at=NOW)

    def basic(password: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(f"ann:{password}".encode()).decode()}

    refused = api.client.get("/api/v1/accounts", headers=basic("frst-passwrd-1"))
    assert (refused.status_code, refused.json()["type"]) == (403, "must-change")
    change = {"name": "ann", "password": "frst-passwrd-1", "new": "a longer one, mine"}
    assert api.client.post("/api/v1/password", json={**change, "password": "no"}).status_code == 401
    assert api.client.post("/api/v1/password", json=change).status_code == 200
    key = {"name": "laptop", "scopes": ["accounts:read"]}
    made = api.client.post("/api/v1/keys", headers=basic("a longer one, mine"), json=key).json()
    answer = api.client.get("/api/v1/accounts", headers={"authorization": f"Bearer {made['secret']}"})
    assert [one["name"] for one in answer.json()["items"]] == ["ann"]
    assert made["secret"] not in api.client.get("/api/v1/keys", headers=basic("a longer one, mine")).text
