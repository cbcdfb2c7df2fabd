"""What else the API gives: services, devices, units, agents, tokens, inventory, coverage, audit, people, policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.privacy import PrivacyPolicy
from aimscope_collector.store import audit, outbox, privacy
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import ASSET
from aimscope_collector.store.tables.sightings import SUBJECT, USAGE_DAY
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted

ROW = """\
aimscope_inventory: 1
systems:
  - {id: AI-1, name: Cursor, services: [cursor], status: approved, owner: ann}
"""


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    """An API over an empty database."""
    made = Api(database)
    with made.client:
        yield made


@pytest.fixture
def fleet(api: Api) -> Planted:
    planted = Planted(api.engine)
    for name, unit in (("h1", "emea/sales"), ("h2", "emea/it"), ("h3", "apac")):
        agent = planted.agent(name, unit)
        planted.saw(agent, "cursor", "application", id="dpkg:cursor", subject="ann")
        planted.looked(agent, "applications", "application")
    planted.client("192.0.2.9")
    planted.reconcile()
    return planted


def test_services_say_what_is_in_use(api: Api, fleet: Planted) -> None:
    who = api.key("viewer")
    used = api.get("/services", who, in_use=True)["items"]
    assert [(one["id"], one["findings"], one["units"]) for one in used] == [("cursor", 3, 3)]
    every = api.get("/services", who, limit=1)
    more = api.get("/services", who, limit=500, cursor=every["next"])
    assert [one["id"] for one in (*every["items"], *more["items"])] == sorted(
        {one["id"] for one in (*every["items"], *more["items"])}
    )


def test_use_by_day_hides_small_groups(api: Api, fleet: Planted) -> None:
    with writing(api.engine) as connection:
        connection.execute(
            USAGE_DAY.insert(),
            [
                {"day": 20261120, "service": "cursor", "unit": 1, "assets": 9, "subjects": 2},
                {"day": 20260101, "service": "cursor", "unit": 1, "assets": 9, "subjects": 9},
            ],
        )
    seen = api.get("/services/cursor/usage", api.key("viewer"), days=30)["days"]
    assert [(one["assets"], one["subjects"]) for one in seen] == [(9, None)]
    seen = api.get("/services/cursor/usage", api.key("reviewer"), days=30)["days"]
    assert [(one["assets"], one["subjects"]) for one in seen] == [(9, 2)]
    assert api.client.get("/api/v1/services/none/usage", headers=api.key("viewer")).status_code == 404


def test_names_of_devices_only_for_those_who_see_devices(api: Api, fleet: Planted) -> None:
    assets = api.get("/assets", api.key("security"), names=True)["items"]
    assert {one["name"] for one in assets} == {"h1", "h2", "h3", "192.0.2.9"}
    auditor = api.key("auditor")
    assert {one["name"] for one in api.get("/assets", auditor)["items"]} == {None}
    refused = api.client.get("/api/v1/assets", headers=auditor, params={"names": True})
    assert refused.status_code == 403
    unmanaged = api.get("/assets", auditor, managed=False)["items"]
    assert [one["source"] for one in unmanaged] == ["gateway"]


def test_a_list_of_devices_is_the_fleet_there_should_be(api: Api, fleet: Planted) -> None:
    who = api.key("security")
    named = ROW.replace("owner: ann", "owner: ann, hosts: ['ne*']")
    api.client.put("/api/v1/inventory", headers=api.key("reviewer"), content=named.encode())
    body = b"name,unit\nh1,emea/sales\nnew,apac\n"
    answer = api.client.put("/api/v1/assets", headers=who, content=body)
    assert answer.json()["devices"] == 2
    with api.engine.connect() as connection:
        device = ASSET.c.pseudonym == DOOR.device("new").pseudonym
        assert connection.execute(sa.select(ASSET.c.fits).where(device)).scalar_one() == '["ne*"]'
    parts = {one["unit"]: one for one in api.get("/coverage", who)["units"]}
    assert (parts["apac"]["known"], parts["apac"]["enrolled"]) == (2, 1)


def test_devices_move_and_units_have_a_scope(api: Api, fleet: Planted) -> None:
    who = api.key("security")
    device = DOOR.device("h1").pseudonym
    assert api.send("/assets/unit", who, {"devices": [device], "unit": "apac"}) == {"devices": 1}
    assert {one["pseudonym"] for one in api.get("/assets", who, unit="apac", managed=True)["items"]} >= {device}
    refused = api.client.put("/api/v1/units", headers=who, json={"path": "apac", "scope": "out"})
    assert refused.status_code == 422
    said = {"path": "apac", "scope": "out", "justification": "sold"}
    assert {"path": "apac", "scope": "out", "justification": "sold"} in api.send("/units", who, said, "PUT")["items"]
    limited = api.key("security", units=["emea"])
    assert {one["path"] for one in api.get("/units", limited)["items"]} == {"emea", "emea/it", "emea/sales"}
    answer = api.client.post(
        "/api/v1/assets/unit", headers=limited, json={"devices": [DOOR.device("h3").pseudonym], "unit": "emea"}
    )
    assert answer.status_code == 403


def test_rules_of_units_come_back_as_they_were_given(api: Api) -> None:
    who = api.key("security")
    rules = {"items": [{"what": "host", "pattern": "lon-*", "unit": "emea"}]}
    api.send("/unit-rules", who, rules, "PUT")
    assert api.get("/unit-rules", who) == rules


def test_an_agent_is_revoked_with_a_reason(api: Api, fleet: Planted) -> None:
    who = api.key("security")
    assert [one["uid"] for one in api.get("/agents", who)["items"]] == ["u-h1", "u-h2", "u-h3"]
    assert api.client.post("/api/v1/agents/u-h1/revoke", headers=who, json={"reason": ""}).status_code == 400
    assert api.send("/agents/u-h1/revoke", who, {"reason": "stolen"})["revoked_why"] == "stolen"
    assert [one["uid"] for one in api.get("/agents", who, state="revoked")["items"]] == ["u-h1"]
    limited = api.key("security", units=["emea/it"])
    assert [one["uid"] for one in api.get("/agents", limited)["items"]] == ["u-h2"]
    assert api.client.post("/api/v1/agents/u-h3/approve", headers=limited).status_code == 404
    assert api.send("/agents/u-h2/approve", limited, {})["approved_by"].startswith("u")


def test_a_token_is_shown_once(api: Api) -> None:
    who = api.key("security")
    made = api.send("/tokens", who, {"uses": 3, "note": "lab"})
    assert made["token"].startswith("et_")
    listed = api.client.get("/api/v1/tokens", headers=who)
    assert made["token"] not in listed.text
    assert listed.json()["items"][0]["uses"] == 3
    assert api.get(f"/tokens/{made['id']}/agents", who) == {"agents": []}
    assert api.send(f"/tokens/{made['id']}/revoke", who, {}) == {"agents": 0}
    long = api.client.post("/api/v1/tokens", headers=who, json={"seconds": 10 * DAY})
    assert (long.status_code, long.json()["type"]) == (422, "refused")


def test_an_inventory_has_versions_authors_and_differences(api: Api) -> None:
    who = api.key("reviewer")
    assert api.client.get("/api/v1/inventory", headers=who).status_code == 404

    def put(text: str, **params: str) -> Any:
        return api.client.put("/api/v1/inventory", headers=who, content=text.encode(), params=params)

    previewed = api.client.post("/api/v1/inventory/preview", headers=who, content=ROW.encode())
    assert previewed.json()["diff"] == {"added": ["AI-1"]}
    assert put(ROW, note="first").json()["version"]["number"] == 1
    assert put(ROW).json()["is_new"] is False
    assert put(ROW.replace("approved", "prohibited")).json()["diff"]["changed"][0]["row"] == "AI-1"
    assert api.get("/inventory", who)["systems"][0]["status"] == "prohibited"
    assert api.get("/inventory", who, number=1)["systems"][0]["status"] == "approved"
    assert len(api.get("/inventory/diff", who, older=1, newer=2)["changed"]) == 1
    assert [one["number"] for one in api.get("/inventory/versions", who)["items"]] == [2, 1]
    assert "prohibited" in api.client.get("/api/v1/inventory.yaml", headers=who).text
    bad = put("systems: [{name: x, status: nice}]")
    assert (bad.status_code, bad.json()["type"]) == (422, "refused")
    assert any("status" in problem for problem in bad.json()["errors"])
    assert None in api.touched


def test_a_preview_says_what_would_be_judged_otherwise(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    before = {one["id"]: one["verdict"] for one in api.get("/findings", who)["items"]}
    answer = api.client.post("/api/v1/inventory/preview", headers=who, content=ROW.encode()).json()
    assert answer["verdicts"] == {"authorised": 3}
    assert answer["changed"] == {id_: [verdict, "authorised"] for id_, verdict in before.items()}
    assert {one["id"]: one["verdict"] for one in api.get("/findings", who)["items"]} == before


def test_runs_and_coverage_are_there_for_an_auditor(api: Api, fleet: Planted) -> None:
    who = api.key("auditor")
    runs = api.get("/runs", who, limit=2)
    rest = api.get("/runs", who, limit=2, cursor=runs["next"])
    assert len({one["uid"] for one in (*runs["items"], *rest["items"])}) == 3
    assert api.get("/coverage", who)["silent"] == []
    assert [one["agent"] for one in api.get("/runs", who, agent="u-h1")["items"]] == ["u-h1"]


def test_the_audit_log_shows_that_it_is_whole(api: Api) -> None:
    who = api.key("auditor")
    verified = api.get("/audit/verify", who)
    assert verified["first_bad"] is None
    head = verified["head"]
    again = api.get("/audit/verify", who, sequence=head["sequence"], hash=head["hash"])
    assert again["first_bad"] is None
    wrong = api.get("/audit/verify", who, sequence=head["sequence"] + 5, hash=head["hash"])
    assert wrong["first_bad"] == head["sequence"] + 1
    first = api.get("/audit", who, limit=1)
    second = api.get("/audit", who, limit=1, cursor=first["next"])
    assert second["items"][0]["sequence"] == first["items"][0]["sequence"] - 1


def test_a_name_is_revealed_with_a_reason_and_a_second_person(api: Api, fleet: Planted) -> None:
    asker, other = api.key("security"), api.key("security")
    device = DOOR.device("h1").pseudonym
    said = {"pseudonym": device, "what": "device", "role": "security", "reason": "incident 7"}
    asked = api.send("/reveals", asker, said)
    path = f"/reveals/{asked['id']}"
    assert api.client.post(f"/api/v1{path}/open", headers=asker).status_code == 422
    assert api.client.post(f"/api/v1{path}/agree", headers=asker).status_code == 422
    api.send(f"{path}/agree", other, {})
    assert api.send(f"{path}/open", asker, {}) == {"name": "h1"}
    watched = [one["action"] for one in api.get("/privacy/watch", api.key("privacy"))["items"]]
    assert watched[:3] == ["reveal.opened", "reveal.agreed", "reveal.asked"]
    assert api.client.get("/api/v1/reveals", headers=api.key("viewer")).status_code == 403


def test_a_key_that_is_kept_elsewhere_is_said(api: Api, fleet: Planted) -> None:
    asker, other = api.key("security"), api.key("security")
    with writing(api.engine) as connection:
        connection.execute(SUBJECT.update().where(SUBJECT.c.id != 0).values(sealed=DOOR.person("ann").sealed))
    said = {"pseudonym": DOOR.person("ann").pseudonym, "role": "security", "reason": "incident 7"}
    asked = api.send("/reveals", asker, said)
    api.send(f"/reveals/{asked['id']}/agree", other, {})
    answer = api.client.post(f"/api/v1/reveals/{asked['id']}/open", headers=asker)
    assert (answer.status_code, answer.json()["type"]) == (409, "keys-elsewhere")


def test_what_policy_widens_is_seen_by_the_privacy_role(api: Api) -> None:
    who = api.key("admin")
    assert api.send("/policy", who, {"privacy": {"users": "drop"}}, "PUT")["version"] == 1
    assert api.send("/policy", who, {}, "PUT")["version"] == 2
    assert api.get("/policy", api.key("viewer"))["policy"] == {}
    wider = api.send("/privacy", who, {"least_group": 2})["widened"]
    assert len(wider) == 1
    watched = [
        one for one in api.get("/privacy/watch", api.key("privacy"))["items"] if one["action"].endswith("widened")
    ]
    assert {one["facts"]["how"] for one in watched} == {"Names of users: keep; until now drop.", *wider}
    assert api.client.put("/api/v1/policy", headers=who, json={"unknown": 1}).status_code == 400


def test_moments_are_no_finer_than_policy_says(api: Api, fleet: Planted) -> None:
    with writing(api.engine) as connection:
        policy = PrivacyPolicy(time="month")
        privacy.set_policy(connection, policy, by="t", at=NOW)
    last = {one["last"] for one in api.get("/findings", api.key("reviewer"))["items"]}
    assert last == {1_793_491_200}  # 2026-11-01


def test_settings_keep_what_was_set(api: Api) -> None:
    who = api.key("admin")
    api.send("/settings", who, {"retention": {"sightings": 90}}, "PUT")
    assert api.get("/settings", who)["retention"] == {"sightings": 90}
    with api.engine.connect() as connection:
        assert audit.entries(connection, actions=["settings.changed"])
    assert api.client.put("/api/v1/settings", headers=who, json={"retention": {"sightings": -1}}).status_code == 400


def test_alerts_have_a_policy_and_deliveries_are_tried_again(api: Api) -> None:
    with writing(api.engine) as connection:
        outbox.put(connection, event="e1", payload={}, destinations=["mail"], now=NOW)
    who = api.key("security")
    assert api.send("/alerts/policy", who, {"daily_cap": 3}, "PUT")["daily_cap"] == 3
    assert api.get("/alerts/policy", api.key("reviewer"))["daily_cap"] == 3
    waiting = [(one["destination"], one["waiting"]) for one in api.get("/alerts/deliveries", who)["items"]]
    assert waiting == [("mail", 1)]
    assert api.send("/alerts/deliveries/mail/retry", who, {}) == {"items": 1}
    assert api.client.put("/api/v1/alerts/policy", headers=who, json={"daily_cap": 0}).status_code == 400


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    answer = api.client.post("/api/v1/tokens", headers=api.key("security"), content=b"[" * ((1 << 20) + 1))
    assert (answer.status_code, answer.json()["type"]) == (413, "too-large")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"uses": 1e400}', b'{"uses": ' + b"9" * 5_000 + b"}"]
)
def test_a_body_that_is_no_json_is_refused(api: Api, body: bytes) -> None:
    answer = api.client.post("/api/v1/tokens", headers=api.key("security"), content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_a_charset_is_said_once(api: Api) -> None:
    """Twice is no valid media type (RFC 9110, 5.6.6): strict readers, such as monitoring, refuse it."""
    who = api.key("security")
    for path in ("/api/v1/metrics", "/api/v1/reports/findings", "/login", "/nowhere"):
        kind = api.client.get(path, headers=who).headers["content-type"]
        assert kind.startswith("text/"), path
        assert kind.count("charset=utf-8") == 1, (path, kind)
