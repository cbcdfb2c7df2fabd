"""Findings over the API: filters, pages, what a role sees, decisions and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.sightings import EVIDENCE
from tests.collector.example import inventory, use
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    """An API over an empty database."""
    made = Api(database)
    with made.client:
        yield made


@pytest.fixture
def fleet(api: Api) -> Planted:
    """Six devices in two units."""
    planted = Planted(api.engine)
    for number in range(6):
        agent = planted.agent(f"h{number}", "emea/sales")
        planted.saw(agent, "cursor", "application", id="dpkg:cursor", subject=f"p{number}", first=NOW - 3 * DAY)
    agent = planted.agent("solo", "apac")
    planted.saw(agent, "cursor", "application", id="dpkg:cursor", subject="sue", at=NOW - 40 * DAY)
    planted.saw(agent, "", "dns.query", name="chat.acme.example", subject="sue", presence="used")
    planted.reconcile(inventory(use(units=("emea",))))
    return planted


def ids(answer: Any) -> list[str]:
    return [one["id"] for one in answer["items"]]


def test_filters_leave_out_what_does_not_fit(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    everything = api.get("/findings", who)["items"]
    assert len(everything) >= 2
    for name in ("verdict", "service", "category", "risk", "state"):
        for value in {one[name] for one in everything} - {""}:
            found = api.get("/findings", who, **{name: value})["items"]
            assert [one["id"] for one in found] == [one["id"] for one in everything if one[name] == value], (
                name,
                value,
            )
    assert {one["unit"] for one in api.get("/findings", who, unit="emea")["items"]} == {"emea/sales"}
    assert api.get("/findings", who, unit="eme")["items"] == []
    recent = api.get("/findings", who, days=7)["items"]
    assert all(one["last"] >= NOW - 8 * DAY for one in recent)
    old = api.get("/findings", who, to="2026-10-31")["items"]
    assert {one["unit"] for one in old} == {"apac"}


@pytest.mark.parametrize("order", ["risk", "recent", "spread", "name", "opened"])
def test_pages_add_up_to_the_list_in_every_order(api: Api, fleet: Planted, order: str) -> None:
    who = api.key("reviewer")
    whole = ids(api.get("/findings", who, order=order))
    found: list[str] = []
    cursor = None
    while True:
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        page = api.get("/findings", who, order=order, limit=1, **more)
        found += ids(page)
        cursor = page["next"]
        if cursor is None:
            break
    assert found == whole
    assert len(set(found)) == len(found) > 1


@pytest.mark.parametrize("cursor", ["x", "", "e30", "WzEsMiwzXQ", "WyJuYW1lIiwxLDJd", "💥"])
def test_a_cursor_of_another_list_is_refused(api: Api, fleet: Planted, cursor: str) -> None:
    answer = api.client.get("/api/v1/findings", headers=api.key("viewer"), params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (400, "cursor")


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"days": "8"},
        {"from": "yesterday"},
        {"from": "2026-02-02", "to": "2026-02-01"},
        {"days": "7", "from": "2026-01-01"},
        {"verdict": "nice"},
        {"unit": "x" * 300},
    ],
)
def test_a_parameter_out_of_bounds_is_refused_with_its_name(api: Api, params: dict[str, str]) -> None:
    answer = api.client.get("/api/v1/findings", headers=api.key("viewer"), params=params)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] in ("malformed", "period")


def test_groups_too_small_are_not_counted_for_whoever_sees_no_evidence(api: Api, fleet: Planted) -> None:
    shown = {one["id"]: one for one in api.get("/findings", api.key("reviewer"))["items"]}
    veiled = {one["id"]: one for one in api.get("/findings", api.key("viewer"))["items"]}
    assert shown.keys() == veiled.keys()
    for id_, one in shown.items():
        other = veiled[id_]
        if one["assets"] >= 5:
            assert (other["assets"], other["fewer_than"]) == (one["assets"], None)
        else:
            assert (other["assets"], other["subjects"], other["fewer_than"], other["trend"]) == (None, None, 5, [])


def test_one_finding_tells_why_and_what_was_seen(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    id_ = ids(api.get("/findings", who, unit="emea"))[0]
    held = [{"field": "id", "operator": "equals", "value": "dpkg:cursor"}]
    with writing(api.engine) as connection:
        connection.execute(EVIDENCE.update().values(held=msgspec.json.encode(held).decode()))
    found = api.get(f"/findings/{id_}", who)
    assert [piece["held"] for piece in found["evidence"]] == [held]
    assert [piece["fields"] for piece in found["evidence"]] == [{"id": "dpkg:cursor"}]
    assert found["draft"]["services"] == ["cursor"]
    assert "cursor" in found["draft_yaml"]
    seen = api.get(f"/findings/{id_}/sightings", who, limit=4)
    rest = api.get(f"/findings/{id_}/sightings", who, limit=4, cursor=seen["next"])
    subjects = {one["subject"] for one in (*seen["items"], *rest["items"])}
    assert subjects == {DOOR.person_pseudonym(f"p{number}") for number in range(6)}
    assert rest["next"] is None
    assert "h1" not in api.client.get(f"/api/v1/findings/{id_}/sightings", headers=who).text


def test_evidence_of_ai_in_no_catalogue_is_its_own(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    id_ = ids(api.get("/findings", who, verdict="unknown_ai"))[0]
    assert [piece["fields"]["name"] for piece in api.get(f"/findings/{id_}", who)["evidence"]] == ["chat.acme.example"]


def test_a_role_without_evidence_is_given_none(api: Api, fleet: Planted) -> None:
    who = api.key("viewer")
    id_ = ids(api.get("/findings", who))[0]
    found = api.get(f"/findings/{id_}", who)
    assert (found["evidence"], found["history"], found["comments"], found["actions"]) == (None, None, None, None)


def test_an_account_sees_and_decides_within_its_units(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer", units=["emea"])
    assert {one["unit"] for one in api.get("/findings", who)["items"]} == {"emea/sales"}
    other = ids(api.get("/findings", api.key("reviewer"), unit="apac"))[0]
    for path in (f"/findings/{other}", f"/findings/{other}/sightings"):
        assert api.client.get(f"/api/v1{path}", headers=who).status_code == 404
    mine = ids(api.get("/findings", who))[0]
    said = {"action": "prohibit", "reason": "no", "everywhere": True}
    assert api.client.post(f"/api/v1/findings/{mine}/decisions", headers=who, json=said).status_code == 403
    said["everywhere"] = False
    assert api.client.post(f"/api/v1/findings/{mine}/decisions", headers=who, json=said).status_code == 201


def test_what_was_decided_and_done_elsewhere_is_not_shown(api: Api, fleet: Planted) -> None:
    who, limited = api.key("reviewer"), api.key("reviewer", units=["emea"])
    other = ids(api.get("/findings", who, unit="apac"))[0]
    api.send(f"/findings/{other}/decisions", who, {"action": "prohibit", "reason": "no"})
    correction = {"cause": "habit", "action": "talk", "owner": "bob", "due": "2027-01-01"}
    api.send(f"/findings/{other}/actions", who, correction)
    for path in ("/decisions", "/actions"):
        assert len(api.get(path, who)["items"]) == 1
        assert api.get(path, limited)["items"] == []


def test_a_decision_for_the_organisation_is_inherited_and_logged(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    cursor = [one for one in api.get("/findings", who)["items"] if one["service"] == "cursor" and not one["condition"]]
    said = {"action": "tolerate", "reason": "until we have decided", "everywhere": True, "until": "2027-01-31"}
    done = api.send(f"/findings/{cursor[0]['id']}/decisions", who, said)["standings"]
    assert {standing["state"] for standing in done.values()} == {"tolerated"}
    assert done.keys() == {one["id"] for one in cursor}
    assert {one["state"] for one in api.get("/findings", who, service="cursor")["items"] if not one["condition"]} == {
        "tolerated"
    }
    assert api.get("/decisions", who)["items"][0]["reason"] == "until we have decided"
    log = api.get("/audit", api.key("auditor"), action="decision.")["items"]
    assert log[0]["action"] == "decision.tolerate"
    assert frozenset({"cursor"}) in api.touched


def test_what_somebody_decided_in_between_is_a_conflict(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    id_ = ids(api.get("/findings", who))[0]
    version = api.get(f"/findings/{id_}", who)["version"]
    said = {"action": "review", "version": version}
    assert api.client.post(f"/api/v1/findings/{id_}/decisions", headers=who, json=said).status_code == 201
    again = api.client.post(f"/api/v1/findings/{id_}/decisions", headers=who, json=said)
    assert (again.status_code, again.json()["type"]) == (409, "conflict")


def test_the_same_decision_asked_twice_is_one(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    id_ = ids(api.get("/findings", who))[0]
    said = {"action": "prohibit", "reason": "no", "uid": "mine-1"}
    for _ in range(2):
        api.send(f"/findings/{id_}/decisions", who, said)
    assert len(api.get(f"/findings/{id_}", who)["history"]) == 1


@pytest.mark.parametrize(
    "said",
    [
        {"action": "prohibit"},
        {"action": "tolerate", "reason": "x"},
        {"action": "tolerate", "reason": "x", "until": "2020-01-01"},
        {"action": "dismiss", "reason": "x", "wrong": {}},
        {"action": "prohibit", "reason": "x\0y"},
    ],
)
def test_a_decision_that_lacks_something_is_refused_with_a_sentence(
    api: Api,
    fleet: Planted,
    said: dict[str, Any],
) -> None:
    who = api.key("reviewer")
    id_ = ids(api.get("/findings", who))[0]
    answer = api.client.post(f"/api/v1/findings/{id_}/decisions", headers=who, json=said)
    assert (answer.status_code, answer.json()["type"]) == (422, "refused")
    assert answer.json()["detail"].endswith(".")


def test_many_are_decided_all_or_none(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    several = ids(api.get("/findings", who))
    said = {"findings": [*several, "f-none"], "decision": {"action": "prohibit", "reason": "no"}}
    assert api.client.post("/api/v1/decisions", headers=who, json=said).status_code == 404
    assert {one["state"] for one in api.get("/findings", who)["items"]} == {"unreviewed"}
    api.send("/decisions", who, {**said, "findings": several})
    assert {one["state"] for one in api.get("/findings", who)["items"]} == {"prohibited"}


def test_comments_and_corrective_actions_stay_with_a_finding(api: Api, fleet: Planted) -> None:
    who = api.key("reviewer")
    id_ = ids(api.get("/findings", who, unit="emea"))[0]
    api.send(f"/findings/{id_}/comments", who, {"text": "asked the team"})
    made = api.send(
        f"/findings/{id_}/actions", who, {"cause": "habit", "action": "talk", "owner": "bob", "due": "2027-01-01"}
    )
    api.send(f"/actions/{made['id']}/done", who, {})
    api.send(f"/actions/{made['id']}/check", who, {"effective": True, "check": "looked again"})
    found = api.get(f"/findings/{id_}", who)
    assert [one["text"] for one in found["comments"]] == ["asked the team"]
    assert found["actions"][0]["effective"] is True
    assert api.get("/actions", who, unfinished=True)["items"] == []
