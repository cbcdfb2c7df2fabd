"""An account with limits sees and changes what is its units', route by route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.alerts import Alert
from aimscope_collector.store import agents, alerts, audit
from aimscope_collector.store.database import writing
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import NOW, Planted

UNITS = ("emea", "emea/sales", "emeaa", "apac", 'a"b')
MINE = {"emea", "emea/sales"}


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    planted = Planted(database)
    for number, unit in enumerate(UNITS):
        agent = planted.agent(f"h{number}", unit, versions='{"catalogue":1}')
        planted.looked(agent, "applications", "application", status="denied")
    planted.agent("nowhere")
    with made.client:
        yield made


def test_tokens(api: Api) -> None:
    ids: dict[str, int] = {}
    with writing(api.engine) as connection:
        for unit in (*UNITS, ""):
            ids[unit], _ = agents.create_token(connection, draw=lambda u=unit: f"t{u}", by="t", now=NOW, unit=unit)  # type: ignore[misc]
    who, everybody = api.key("security", units=("emea",)), api.key("security")
    assert {one["id"] for one in api.get("/tokens", everybody)["items"]} == set(ids.values())
    assert {one["id"] for one in api.get("/tokens", who)["items"]} == {ids[unit] for unit in MINE}
    for unit, number in ids.items():
        expected = unit in MINE
        seen = api.client.get(f"/api/v1/tokens/{number}/agents", headers=who)
        assert (seen.status_code == 200) is expected, unit
        ended = api.client.post(f"/api/v1/tokens/{number}/revoke", headers=who, json={})
        assert ended.status_code == (201 if expected else 404), unit
        made = api.client.post("/api/v1/tokens", headers=who, json={"unit": unit})
        assert made.status_code == (201 if expected else 403), unit
    revoked = {one["id"] for one in api.get("/tokens", everybody)["items"] if one["revoked_at"] is not None}
    assert revoked == {ids[unit] for unit in MINE}


def test_alerts(api: Api) -> None:
    with writing(api.engine) as connection:
        for number, unit in enumerate((*UNITS, 'x","unit":"emea"', None)):
            facts: dict[str, str | int | bool | None] = {"service": f"s{number}"}
            if unit is not None:
                facts["unit"] = unit
            told = Alert(rule="new_unit", key=f"k{number}", at=NOW, severity="info", text="t", facts=facts)
            alerts.tell(connection, [told], now=NOW, destinations=())
    assert len(api.get("/alerts", api.key("reviewer"))["items"]) == len(UNITS) + 2
    seen = api.get("/alerts", api.key("reviewer", units=("EMEA",)))["items"]
    assert {one["facts"]["unit"] for one in seen} == MINE
    quoted = api.get("/alerts", api.key("reviewer", units=('a"b',)))["items"]
    assert {one["facts"]["unit"] for one in quoted} == {'a"b'}
    limited = api.key("security", units=("emea",))
    for method, path in (("PUT", "/alerts/policy"), ("POST", "/alerts/deliveries/x/retry")):
        assert api.client.request(method, f"/api/v1{path}", headers=limited, json={}).status_code == 403


def test_the_audit_log(api: Api) -> None:
    with writing(api.engine) as connection:
        for unit in UNITS:
            audit.record(connection, at=NOW, actor="ann", action="decision.taken", about="x", facts={"unit": unit})
        facts: dict[str, str | int | bool | None] = {"why": '"unit":"emea"'}
        audit.record(connection, at=NOW, actor="ann", action="decision.taken", about="x", facts=facts)
    every = api.get("/audit", api.key("auditor"), action="decision.taken")["items"]
    assert len(every) == len(UNITS) + 1
    who = api.key("auditor", units=("emea",))
    pages, cursor = [], None
    while True:
        page = api.get("/audit", who, limit=1, **({"cursor": cursor} if cursor else {}))
        pages += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert {one["facts"].get("unit") for one in pages} == MINE


def test_coverage_and_runs(api: Api) -> None:
    who, everybody = api.key("auditor", units=("emea",)), api.key("auditor")
    seen, every = (api.get("/coverage", each) for each in (who, everybody))
    assert [gap["agents"] for gap in every["gaps"]] == [len(UNITS)]
    assert [gap["agents"] for gap in seen["gaps"]] == [len(MINE)]
    assert {part["unit"] for part in seen["units"]} == MINE
    assert len(api.get("/runs", everybody)["items"]) == len(UNITS)
    assert {run["agent"] for run in api.get("/runs", who)["items"]} == {"u-h0", "u-h1"}


def test_rules_of_units(api: Api) -> None:
    rules = [{"what": "host", "pattern": f"h{number}", "unit": unit} for number, unit in enumerate(UNITS)]
    api.send("/unit-rules", api.key("security"), {"items": rules}, method="PUT")
    who = api.key("security", units=("emea",))
    assert {rule["unit"] for rule in api.get("/unit-rules", who)["items"]} == MINE
    assert {unit["path"] for unit in api.get("/units", who)["items"]} == MINE
    assert {agent["unit"] for agent in api.get("/agents", who)["items"]} == MINE
    assert {asset["unit"] for asset in api.get("/assets", who)["items"]} == MINE
    answer = api.client.put("/api/v1/unit-rules", headers=who, json={"items": []})
    assert answer.status_code == 403


def test_who_has_limits_cannot_take_them_away_nor_reach_beyond(api: Api) -> None:
    with api.engine.connect() as connection:
        before = connection.execute(sa.text("select count(*) from account")).scalar_one()
    limited, everybody = (
        api.key("admin", "security", "privacy", units=("emea",)),
        api.key("admin", "security", "privacy"),
    )
    made = {"name": "eve", "roles": ["admin"]}
    asked: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
        ("POST", "/accounts", made),
        ("POST", "/accounts/999/roles", {"roles": ["admin"]}),
        ("POST", "/accounts/999/reset", {}),
        ("POST", "/accounts/999/second-factor/reset", {}),
        ("PUT", "/policy", {}),
        ("PUT", "/settings", {}),
        ("PUT", "/logins", {}),
        ("POST", "/privacy", {}),
        ("GET", "/privacy/watch", None),
        ("GET", "/reveals", None),
        ("POST", "/reveals", {"pseudonym": "P-1", "role": "security", "reason": "x"}),
        ("POST", "/people/P-1/access", {"reason": "x"}),
        ("POST", "/people/P-1/erase", {"reason": "x"}),
        ("GET", "/exports", None),
        ("GET", "/exports/siem/preview", None),
        ("POST", "/exports/siem/replay", {"since": 0}),
        ("GET", "/metrics", None),
        ("POST", "/inventory/preview", {"aimscope_inventory": 1}),
    )
    for method, path, body in asked:
        refused = api.client.request(method, f"/api/v1{path}", headers=limited, json=body)
        assert refused.status_code == 403, (method, path)
        assert "limits" in refused.text or "people:reveal" in refused.text, refused.text
        allowed = api.client.request(method, f"/api/v1{path}", headers=everybody, json=body)
        assert allowed.status_code != 403, (method, path, allowed.text)
    with api.engine.connect() as connection:
        after = connection.execute(sa.text("select count(*) from account")).scalar_one()
    assert after == before + 3, "two keys' owners, and whom the one without limits made"
    assert "accounts:write" not in api.get("/me", limited)["permissions"]
