"""How well the fleet is seen, what that allows to conclude, and use by day."""

from __future__ import annotations

import datetime

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector.asset_lists import Listed
from aimscope_collector.rolling_up import roll_up, roll_up_all
from aimscope_collector.store import assets, coverage, listed, usage
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import AGENT
from aimscope_collector.store.tables.sightings import COVERAGE, SIGHTING
from aimscope_collector.usage import UsageDay, days_of
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted

CURSOR = ("application", "config_file")


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    return Planted(database)


def looked_at(fleet: Planted, *names: str, unit: str = "emea", at: int = NOW, status: str = "complete") -> None:
    for name in names:
        agent = fleet.agent(name, unit)
        fleet.looked(agent, "applications", *CURSOR, at=at, status=status)
        fleet.looked(agent, "browser", "browser.visit", status="denied", sequence=2)


def dormant(fleet: Planted) -> set[tuple[str, str]]:
    return {key[:2] for key, row in fleet.findings().items() if row.verdict == "dormant"}


def test_a_row_nobody_uses_is_dormant_where_everything_was_looked_at(fleet: Planted) -> None:
    looked_at(fleet, "a", "b")
    fleet.reconcile(inventory(use()))
    row = fleet.findings()["cursor", "", ""]
    assert (row.verdict, row.assets, row.first) == ("dormant", 0, None)
    assert "any of 2 devices" in row.reasons


def test_one_device_without_agent_a_partial_look_or_an_old_one_is_too_little(fleet: Planted) -> None:
    looked_at(fleet, "a")
    fleet.reconcile(inventory(use()))
    assert dormant(fleet) == {("cursor", "")}
    with writing(fleet.engine) as connection:
        listed.take(connection, devices=[Listed(names=("b",))], door=DOOR, actor="ann", now=NOW)
    fleet.reconcile(inventory(use()))
    assert dormant(fleet) == set()


@pytest.mark.parametrize(("status", "at"), [("partial", NOW), ("off", NOW), ("complete", NOW - 9 * DAY)])
def test_a_look_that_says_little_concludes_nothing(fleet: Planted, status: str, at: int) -> None:
    looked_at(fleet, "a", status=status, at=at)
    fleet.reconcile(inventory(use()))
    assert dormant(fleet) == set()


def test_what_a_row_is_for_is_what_has_to_be_looked_at(fleet: Planted) -> None:
    looked_at(fleet, "a", unit="emea/sales")
    looked_at(fleet, "b", unit="apac", status="denied")
    fleet.saw(fleet.agent("c", "apac"), "cursor", "application", id="dpkg:cursor")
    fleet.reconcile(inventory(use(units=("emea",))))
    assert dormant(fleet) == {("cursor", "emea")}
    assert fleet.findings()["cursor", "apac", ""].verdict == "out_of_scope"


def test_a_web_site_is_never_dormant_and_what_is_used_neither(fleet: Planted) -> None:
    looked_at(fleet, "a")
    fleet.saw(fleet.agent("a", uid="another"), "cursor", "application", id="dpkg:cursor")
    fleet.reconcile(inventory(use(), use(name="ChatGPT")))
    assert dormant(fleet) == set()


def test_dormant_ends_as_soon_as_it_is_seen(fleet: Planted) -> None:
    looked_at(fleet, "a")
    fleet.reconcile(inventory(use()))
    fleet.saw(fleet.agent("a2", "emea"), "cursor", "application", id="dpkg:cursor")
    fleet.reconcile(inventory(use()), services=["cursor"])
    assert fleet.findings()["cursor", "emea", ""].verdict == "authorised"
    fleet.reconcile(inventory(use()))
    assert dormant(fleet) == set()


def test_a_dormant_finding_that_is_seen_is_the_same_finding(fleet: Planted) -> None:
    looked_at(fleet, "a")
    new = fleet.reconcile(inventory(use())).changes.new
    fleet.saw(fleet.agent("b"), "cursor", "application", id="dpkg:cursor")
    changes = fleet.reconcile(inventory(use()), services=["cursor"]).changes
    assert (changes.new, changes.changed) == ((), new)


def test_denominators_are_the_devices_there_should_be(fleet: Planted) -> None:
    fleet.agent("a", "emea")
    fleet.agent("b", "emea", seen=NOW - 9 * DAY)
    fleet.client("10.0.0.1")
    with writing(fleet.engine) as connection:
        devices = [Listed(names=(name,), unit="emea") for name in ("a", "b", "c")] + [Listed(names=("d",))]
        listed.take(connection, devices=devices, door=DOOR, actor="ann", now=NOW)
    with fleet.engine.connect() as connection:
        assert coverage.fleet(connection, now=NOW, within=7 * DAY) == [
            coverage.Part("", 1, 0, 0),
            coverage.Part("emea", 3, 2, 1),
        ]
        assert [each.uid for each in coverage.silent(connection, now=NOW, after=7 * DAY)] == ["u-b"]
        assert assets.without_agent(connection) == 2


def test_agents_that_were_replaced_or_let_go_are_not_silent(fleet: Planted) -> None:
    fleet.agent("a", seen=NOW - 30 * DAY, revoked_at=NOW)
    heir = fleet.agent("b")
    fleet.agent("c", seen=NOW - 30 * DAY, replaced_by=heir)
    with fleet.engine.connect() as connection:
        assert coverage.silent(connection, now=NOW, after=DAY) == []


def test_gaps_are_counted_by_reason(fleet: Planted) -> None:
    looked_at(fleet, "a", "b")
    with fleet.engine.begin() as connection:
        connection.execute(COVERAGE.update().where(COVERAGE.c.status == "denied").values(reason="not root"))
    with fleet.engine.connect() as connection:
        (gap,) = coverage.gaps(connection, since=NOW - DAY)
    assert (gap.sensor, gap.status, gap.reason, gap.agents) == ("browser", "denied", "not root", 2)


def test_old_catalogues_are_counted(fleet: Planted) -> None:
    for number, versions in enumerate(({"catalogue": 7}, {"catalogue": 5}, {})):
        agent = fleet.agent(f"a{number}")
        with fleet.engine.begin() as connection:
            said = msgspec.json.encode(versions).decode()
            connection.execute(AGENT.update().where(AGENT.c.id == agent).values(versions=said))
    with fleet.engine.connect() as connection:
        assert coverage.feeds(connection, feed="catalogue") == {7: 1, 5: 1, 0: 1}
        assert coverage.stale(connection, feed="catalogue", version=7) == 2


def test_a_day_counts_each_device_and_person_once() -> None:
    seen = [
        ("cursor", 1, 10, 100, 0b101),
        ("cursor", 1, 10, 101, 0b001),
        ("cursor", 1, 11, 100, 0b100),
        ("cursor", 2, 12, 0, 0b1),
    ]
    assert sorted(days_of(202611, seen)) == [
        UsageDay(20261101, "cursor", 1, 1, 2),
        UsageDay(20261101, "cursor", 2, 1, 0),
        UsageDay(20261103, "cursor", 1, 2, 1),
    ]


@pytest.mark.parametrize(("month", "last"), [(202602, 28), (202611, 30), (202612, 31), (202613, 0), (202600, 0)])
def test_days_a_month_does_not_have_are_nobodys(month: int, last: int) -> None:
    days = [day.day % 100 for day in days_of(month, [("x", 0, 1, 0, (1 << 31) - 1)])]
    assert days == list(range(1, last + 1))


def test_the_roll_up_says_what_sightings_say_however_often_it_is_made(fleet: Planted) -> None:
    agent = fleet.agent("a", "emea")
    fleet.saw(agent, "cursor", "application", id="dpkg:cursor", subject="ann")
    fleet.saw(agent, "otter", "dns.query", name="otter.ai", at=NOW - 30 * DAY)
    today = int(datetime.datetime.fromtimestamp(NOW, datetime.UTC).strftime("%Y%m%d"))
    unit = fleet.unit("emea")
    assert roll_up(fleet.engine, {today // 100: ["cursor"]}) == 1
    assert roll_up(fleet.engine, {today // 100: ["cursor"]}) == 0
    assert roll_up_all(fleet.engine) == 1
    with fleet.engine.connect() as connection:
        found = usage.usage(connection, since=today, until=today)
    assert found == [UsageDay(today, "cursor", unit, 1, 1)]
    with fleet.engine.begin() as connection:
        connection.execute(SIGHTING.delete())
    assert roll_up(fleet.engine, {today // 100: ["cursor"]}) == 1


def test_use_moves_with_the_device(fleet: Planted) -> None:
    fleet.saw(fleet.agent("a", "emea"), "cursor", "application", id="dpkg:cursor")
    roll_up_all(fleet.engine)
    other = fleet.unit("apac")
    with writing(fleet.engine) as connection:
        pseudonym = DOOR.device("a").pseudonym
        assets.assign(connection, pseudonyms=[pseudonym], unit=other, actor="ann", now=NOW)
    roll_up_all(fleet.engine)
    with fleet.engine.connect() as connection:
        assert {each.unit for each in usage.usage(connection, since=0, until=99_999_999)} == {other}
