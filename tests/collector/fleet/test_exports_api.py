"""Exports through the API: how destinations do, previews, dead letters, replay, metrics, and who may."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec
import pytest
import sqlalchemy as sa
from nacl.public import PrivateKey

from aimscope_collector import keys
from aimscope_collector.deliver.carrying import Refused
from aimscope_collector.deliver.configured import Configured, DestinationsError
from aimscope_collector.deliver.destination import Destination
from aimscope_collector.deliver.exporter import Exporter
from aimscope_collector.deliver.telling import begin, exporter, keep_up, look
from aimscope_collector.store import audit, exports, journal
from aimscope_collector.store.database import writing
from aimscope_collector.store.journal import Filter
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.collector.fleet.test_exports_delivery import PLAIN, STAMP, Export, Receiver
from tests.collector.fleet.test_review_store import finding, found


class World(Export):
    """A journal, a receiver, and the API over them."""

    def __init__(self, database: sa.Engine) -> None:
        super().__init__(database)
        self.receiver = Receiver()
        self.api = Api(database)
        self.exporter = self.over(self.receiver)
        given = msgspec.structs.replace(self.api.app.state.given, exporter=lambda: self.exporter)
        self.api.app.state.given = given

    def over(self, receiver: Receiver) -> Exporter:
        one = Destination(
            name="siem", format=PLAIN, carrier=receiver, carried="https", where="siem.example", names=True
        )
        key = PrivateKey(b"d" * 32)
        made = Exporter(
            self.engine,
            [one],
            stamp=STAMP,
            holder="h",
            now=self.clock,
            opener=lambda: lambda sealed: keys.opened(key, sealed),
        )
        made.begin()
        return made


@pytest.fixture
def world(database: sa.Engine) -> Iterator[World]:
    made = World(database)
    with made.api.client:
        yield made


def test_how_a_destination_does(world: World) -> None:
    who = world.api.key("auditor")
    world.tell("a", "bad", "b")
    [one] = world.api.get("/exports", who)["items"]
    assert (one["name"], one["format"], one["carrier"], one["where"]) == ("siem", "plain", "https", "siem.example")
    assert (one["waiting"], one["delivered"], one["devices_by_name"]) == (3, 0, True)
    world.receiver.fails = lambda batch: Refused("400") if any("bad" in one for one in batch) else None
    done = world.api.send("/exports/siem/deliver", world.api.key("security"), {})
    assert done == {"sent": 2, "dead": 1, "failure": "", "elsewhere": False}
    found = world.api.get("/exports", who)
    [one] = found["items"]
    assert (one["waiting"], one["delivered"], one["dead"], one["lag"]) == (0, 2, 1, 0)
    assert (found["journal"], found["most"]) == (3, journal.MOST)


def test_dead_letters_are_listed_page_by_page_and_tried_again(world: World) -> None:
    who = world.api.key("security")
    world.receiver.fails = lambda _: Refused("400")
    world.tell(*"abcde")
    world.exporter.round("siem")
    first = world.api.get("/exports/siem/dead", who, limit=3)
    second = world.api.get("/exports/siem/dead", who, limit=3, cursor=first["next"])
    assert [one["about"] for one in first["items"] + second["items"]] == [*"edcba"]
    assert second["next"] is None
    assert first["items"][0]["why"] == "400"
    assert world.api.send("/exports/siem/retry", who, {}) == {"events": 5}
    world.receiver.fails = lambda _: None
    world.exporter.round("siem")
    assert world.api.get("/exports/siem/dead", who)["items"] == []
    with world.engine.connect() as connection:
        [entry] = audit.entries(connection, actions=["export.retried"])
    assert (entry.about, entry.facts) == ("siem", {"dead_letters": 5})


def test_a_replay_is_audited_and_its_period_checked(world: World) -> None:
    who = world.api.key("admin")
    world.tell("a", "b")
    world.exporter.round("siem")
    world.api.now = NOW + 10
    assert world.api.send("/exports/siem/replay", who, {"since": NOW - 5}) == {"events": 2}
    assert world.api.get("/exports", who)["items"][0]["replaying"] is True
    world.exporter.round("siem")
    assert len(world.receiver.got) == 4
    for wrong in ({"since": NOW, "until": NOW}, {"since": 0}, {"since": -1}, {"since": NOW, "x": 1}, {}):
        answer = world.api.client.post("/api/v1/exports/siem/replay", headers=who, json=wrong)
        assert answer.status_code in (400, 422), wrong
    with world.engine.connect() as connection:
        assert [one.facts["events"] for one in audit.entries(connection, actions=["export.replayed"])] == [2]


def test_a_preview_names_devices_only_to_who_may_see_them(world: World) -> None:
    planted = Planted(world.engine)
    planted.agent("laptop-7")
    pseudonym = planted.device("laptop-7").pseudonym
    world.tell("a", device=pseudonym)
    for role, expected in (("security", "laptop-7"), ("auditor", pseudonym), ("admin", pseudonym)):
        found = world.api.get("/exports/siem/preview", world.api.key(role), limit=5)
        assert found["waiting"] is True
        assert json.loads(found["items"][0]["record"])["device"] == expected, role


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [("viewer", 403, 403), ("reviewer", 403, 403), ("auditor", 200, 403), ("security", 200, 201), ("admin", 200, 201)],
)
def test_who_may(world: World, role: str, reads: int, writes: int) -> None:
    who = world.api.key(role)
    for path in ("/exports", "/exports/formats", "/exports/siem/preview", "/exports/siem/dead", "/metrics"):
        assert world.api.client.get(f"/api/v1{path}", headers=who).status_code == reads, path
    for path in ("retry", "deliver"):
        assert world.api.client.post(f"/api/v1/exports/siem/{path}", headers=who).status_code == writes, path


def test_a_destination_that_is_not_there(world: World) -> None:
    who = world.api.key("admin")
    for method, path in (("GET", "preview"), ("GET", "dead"), ("POST", "retry"), ("POST", "deliver")):
        answer = world.api.client.request(method, f"/api/v1/exports/none/{path}", headers=who)
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")


def test_every_format_says_by_what_it_goes(world: World) -> None:
    table = {one["format"]: one for one in world.api.get("/exports/formats", world.api.key("security"))["items"]}
    assert {"cef", "ecs", "hec", "jsonl", "ocsf"} <= set(table)
    assert "syslog" in table["cef"]["carriers"]
    assert "syslog" not in table["hec"]["carriers"]
    assert all(one["tested"] in ("server", "parser", "contract") for one in table.values())


def test_metrics_are_read_with_a_key_of_their_own(world: World) -> None:
    planted = Planted(world.engine)
    planted.agent("a", approved_at=NOW)
    planted.agent("b", approved_at=NOW, seen=NOW - 3 * DAY)
    found(world.engine, finding("f-1"), finding("f-2", unit="x", verdict="prohibited"))
    world.tell("a", "b")
    world.receiver.fails = lambda _: Refused("400")
    world.exporter.round("siem")
    world.clock.now = world.api.now = NOW + 90
    world.receiver.fails = lambda _: None
    world.tell("c")
    who = world.api.key("admin", scopes=["metrics:read"])
    assert world.api.client.get("/api/v1/exports", headers=who).status_code == 403
    answer = world.api.client.get("/api/v1/metrics", headers=who)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    said = dict(re.findall(r"^(aimscope_\w+(?:\{[^}]*\})?) (\S+)$", answer.text, re.MULTILINE))
    siem = '{destination="siem"}'
    assert float(said[f"aimscope_export_queue_events{siem}"]) == 1
    assert float(said[f"aimscope_export_dead_letters{siem}"]) == 2
    assert float(said[f"aimscope_export_delivered_total{siem}"]) == 0
    assert float(said[f"aimscope_export_lag_seconds{siem}"]) == 0
    assert float(said['aimscope_agents{state="reporting"}']) == 1
    assert float(said['aimscope_agents{state="silent"}']) == 1
    assert float(said['aimscope_findings{state="unreviewed",verdict="prohibited"}']) == 1
    assert float(said["aimscope_journal_events"]) == 3
    from prometheus_client.parser import text_string_to_metric_families

    assert len(list(text_string_to_metric_families(answer.text))) >= 10


def test_a_file_of_destinations_that_is_wrong_is_said(world: World) -> None:
    def wrong() -> Exporter:
        raise DestinationsError("soc: pigeon is no format")

    world.api.app.state.given = msgspec.structs.replace(world.api.app.state.given, exporter=wrong)
    answer = world.api.client.get("/api/v1/exports", headers=world.api.key("admin"))
    assert (answer.status_code, answer.json()["detail"]) == (409, "soc: pigeon is no format")
    assert world.api.client.get("/api/v1/metrics", headers=world.api.key("admin")).status_code == 200


def test_a_change_of_destinations_is_audited_once(world: World) -> None:
    for _ in range(2):
        begin(world.engine, world.exporter, now=NOW)
    with world.engine.connect() as connection:
        [entry] = audit.entries(connection, actions=["exports.changed"])
    assert entry.facts["siem"] == (
        "plain by https to siem.example, devices by name, ai.finding, ai.inventory, ai.agent.health, ai.coverage"
    )


def test_devices_cannot_be_named_where_their_key_is_elsewhere(world: World) -> None:
    def elsewhere(whose: keys.Whose) -> PrivateKey:
        raise keys.KeysError(f"{whose}.private is not there")

    def made(by_name: bool) -> Exporter:
        one = Destination(name="siem", format=PLAIN, carrier=Receiver(), carried="https", names=by_name)
        return exporter(
            world.engine,
            Configured(events=(one,)),
            catalogue="c",
            version="1",
            holder="h",
            private_key=elsewhere,
            now=world.clock,
        )

    made(by_name=False)
    with pytest.raises(DestinationsError, match=r"siem: devices cannot be named: devices\.private"):
        made(by_name=True)


def test_what_is_told_by_looking_is_told_for_destinations_that_want_it(world: World) -> None:
    planted = Planted(world.engine)
    laptop = planted.agent("laptop", approved_at=NOW)
    look(world.engine, world.exporter, services={}, now=NOW)
    planted.saw(laptop, "cursor", "application", name="Cursor")
    look(world.engine, world.exporter, services={}, now=NOW)
    keep_up(world.engine, world.exporter, now=NOW)
    with world.engine.connect() as connection:
        types = [
            one.type
            for one in journal.read(
                connection, after=0, wanted=Filter(types=("ai.agent.health", "ai.inventory", "ai.audit"))
            )
        ]
    assert types == ["ai.agent.health", "ai.inventory"]
    with writing(world.engine) as connection:
        assert exports.states(connection)["siem"].dropped == 0
