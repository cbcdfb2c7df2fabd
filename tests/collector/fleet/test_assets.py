"""One device behind agents, addresses and lists, and nobody else's use laid at its door."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.accounts import Principal
from aimscope_collector.asset_lists import Listed, read
from aimscope_collector.assets import (
    Claim,
    Facts,
    Placed,
    Placer,
    Resolved,
    UnitRule,
    resolve,
    tells_apart,
    unit_of,
    veil,
)
from aimscope_collector.store import assets, audit, coverage, listed, privacy, unused
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.sightings import SUBJECT
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    return Planted(database)


def test_an_address_is_whoever_had_it_then() -> None:
    claims = [Claim(1, 0, 10_000), Claim(2, 10_001, 20_000)]
    assert resolve(10, 20, claims) == Resolved(1)
    assert resolve(15_000, 16_000, claims) == Resolved(2)
    assert resolve(9_000, 11_000, claims) == Resolved(None, "several")
    assert resolve(20_100, 20_200, claims) == Resolved(2)
    assert resolve(30_000, 31_000, claims) == Resolved(None, "nobody")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%eth0", "169.254.3.3", "0.0.0.0", "172.17.0.1", "x"])
def test_addresses_every_machine_has_tell_nothing(address: str) -> None:
    assert not tells_apart(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3", "172.17.0.9"])
def test_other_addresses_do(address: str) -> None:
    assert tells_apart(address)


def test_two_ways_to_write_a_device_are_one() -> None:
    for one, other in (("10.1.2.3", "::ffff:10.1.2.3"), ("Laptop-7", "laptop-7."), ("2001:DB8::1", "2001:db8:0::1")):
        first, second = veil(one, DOOR), veil(other, DOOR)
        assert first
        assert second
        assert first.pseudonym == second.pseudonym
    assert veil("127.0.0.1", DOOR) is None


def test_a_gateways_client_is_the_agent_that_has_its_address(fleet: Planted) -> None:
    gateway = fleet.agent("gateway")
    fleet.agent("laptop", "emea/sales", addresses=["10.1.2.3"])
    fleet.saw(gateway, "otter", "dns.query", name="otter.ai", asset=fleet.client("10.1.2.3"))
    fleet.saw(gateway, "otter", "dns.query", name="otter.ai", asset=fleet.client("10.1.2.4"), epoch=2)
    fleet.reconcile()
    found = fleet.findings()
    assert found["otter", "emea/sales", ""].assets == 1
    assert found["otter", "", ""].assets == 1
    assert fleet.device("10.1.2.3").merged_into == fleet.device("laptop").id
    with fleet.engine.connect() as connection:
        assert [each.pseudonym for each in assets.unmanaged(connection)] == [DOOR.address("10.1.2.4").pseudonym]


def test_the_same_use_seen_by_endpoint_and_gateway_is_one_use(fleet: Planted) -> None:
    gateway = fleet.agent("gateway")
    laptop = fleet.agent("laptop", addresses=["10.1.2.3"])
    fleet.saw(laptop, "cursor", "application", id="dpkg:cursor")
    fleet.saw(gateway, "cursor", "dns.query", name="cursor.sh", asset=fleet.client("10.1.2.3"))
    fleet.saw(gateway, "cursor", "dns.query", name="cursor.com", asset=fleet.client("LAPTOP"))
    fleet.reconcile()
    row = fleet.findings()["cursor", "", ""]
    assert (row.assets, row.agents) == (1, 2)


def test_an_address_that_moved_is_laid_to_whoever_had_it(fleet: Planted) -> None:
    gateway = fleet.agent("gateway")
    client = fleet.client("10.1.2.3", seen=NOW - 10 * DAY)
    fleet.agent("one", "emea", addresses=["10.1.2.3"], seen=NOW - 10 * DAY)
    fleet.agent("two", "apac", addresses=["10.1.2.3"], seen=NOW - 2 * DAY)
    fleet.saw(gateway, "otter", "dns.query", name="otter.ai", asset=client, at=NOW - 10 * DAY + 60)
    fleet.saw(gateway, "cursor", "dns.query", name="cursor.sh", asset=client, at=NOW - 2 * DAY + 60)
    fleet.saw(gateway, "bedrock", "dns.query", name="x", asset=client, first=NOW - 10 * DAY + 60, at=NOW - 2 * DAY + 60)
    fleet.reconcile()
    assert set(fleet.findings()) == {("otter", "emea", ""), ("cursor", "apac", ""), ("bedrock", "", "")}
    assert all(row.assets == 1 for row in fleet.findings().values())
    with fleet.engine.connect() as connection:
        assert assets.unmanaged(connection) == []


def test_a_device_seen_by_a_gateway_first_is_the_same_when_it_enrols(fleet: Planted) -> None:
    seen = fleet.client("laptop", seen=NOW - DAY)
    fleet.agent("laptop")
    device = fleet.device("laptop")
    assert (device.id, device.managed, device.source, device.first_seen) == (seen, True, "agent", NOW - DAY)


def test_an_imported_list_is_the_fleet_there_should_be(fleet: Planted) -> None:
    fleet.agent("laptop")
    devices = [
        Listed(names=("laptop",), unit="emea/sales", groups=("vip",), environment="lab"),
        Listed(names=("printer", "printer.corp.example"), addresses=("10.9.9.9", "127.0.0.1")),
    ]
    with writing(fleet.engine) as connection:
        done = listed.take(
            connection, devices=devices, door=DOOR, patterns=("lap*", "10.9.0.0/16"), actor="ann", now=NOW
        )
    assert (done.devices, done.new, done.left) == (2, 1, 0)
    laptop, printer = fleet.device("laptop"), fleet.device("printer")
    assert (laptop.source, laptop.unit_by, laptop.groups, laptop.environment) == ("agent", "import", '["vip"]', "lab")
    assert (printer.managed, printer.fits) == (True, '["10.9.0.0/16"]')
    with writing(fleet.engine) as connection:
        assert assets.without_agent(connection) == 1
        done = listed.take(connection, devices=devices[:1], door=DOOR, actor="ann", now=NOW + 1)
        assert (done.left, assets.without_agent(connection)) == (1, 0)
        assert [each.action for each in audit.entries(connection, actions=["asset.import"])] == ["asset.import"] * 2


def test_other_names_of_a_list_lead_to_the_device(fleet: Planted) -> None:
    gateway = fleet.agent("gateway")
    client = fleet.client("printer.corp.example")
    with writing(fleet.engine) as connection:
        devices = [Listed(names=("printer", "printer.corp.example"), unit="emea")]
        listed.take(connection, devices=devices, door=DOOR, actor="ann", now=NOW)
    fleet.saw(gateway, "otter", "dns.query", name="otter.ai", asset=client)
    fleet.reconcile()
    assert set(fleet.findings()) == {("otter", "emea", "")}


def test_a_listed_device_under_its_long_name_is_the_agent_under_its_short_one(fleet: Planted) -> None:
    fleet.agent("PC-7")
    devices = [
        Listed(names=("pc-7.corp.example",), unit="emea", groups=("vip",)),
        Listed(names=("pc-8.corp.example",)),
        Listed(names=("pc-8.lab.example",)),
    ]
    fleet.agent("pc-8")
    with writing(fleet.engine) as connection:
        listed.take(connection, devices=devices, door=DOOR, actor="ann", now=NOW)
        assert assets.merge(connection) == 1
        assert assets.merge(connection) == 0
        parts = coverage.fleet(connection, now=NOW, within=DAY)
    device = fleet.device("pc-7")
    assert (device.unit_by, device.groups) == ("import", '["vip"]')
    assert [(part.unit, part.known, part.enrolled) for part in parts] == [("", 3, 1), ("emea", 1, 1)]


def test_lists_are_read_as_device_management_writes_them() -> None:
    data = (
        "Device Name;IP Address;Department;Owner;Groups;Price\r\n"
        'PC-1;10.0.0.1, nonsense;emea/it;"Muster, Ann ";a|b;9\r\n;10.0.0.2;;;\r\n'
    )
    assert read(data.encode(), "list.csv").content is None
    loaded = read(data.replace("\r\n;10.0.0.2;;;", "").encode(), "list.csv")
    assert loaded.content == (
        Listed(names=("PC-1",), addresses=("10.0.0.1",), unit="emea/it", groups=("a", "b"), owner="Muster, Ann"),
    )
    assert {note.field for note in loaded.notes} == {"Price", "address"}


def test_an_owner_is_a_pseudonym_from_the_door_on_and_is_forgotten_with_the_person(fleet: Planted) -> None:
    fleet.agent("pc-2")
    ann, bob = DOOR.person("ann@acme.example"), DOOR.person("bob@acme.example")

    def owners() -> dict[str, str]:
        return {name: fleet.device(name).owner for name in ("pc-1", "pc-2", "pc-3")}

    def take() -> None:
        rows = (("pc-1", "ann@acme.example"), ("pc-2.corp.example", "Bob@acme.example"), ("pc-3", ""))
        several = [Listed(names=(name,), owner=owner) for name, owner in rows]
        with writing(fleet.engine) as connection:
            listed.take(connection, devices=several, door=DOOR, actor="ann", now=NOW)
            assets.merge(connection)

    take()
    assert owners() == {"pc-1": ann.pseudonym, "pc-2": bob.pseudonym, "pc-3": ""}
    clerk = Principal(account=1, name="clerk", roles=("admin",))
    with writing(fleet.engine) as connection:
        sealed = connection.execute(sa.select(SUBJECT.c.sealed).where(SUBJECT.c.pseudonym == ann.pseudonym)).scalar()
        assert sealed
        assert b"ann" not in sealed
        told = privacy.access(connection, pseudonym=ann.pseudonym, by=clerk, reason="asked", at=NOW)
        assert told.devices == (DOOR.device("pc-1").pseudonym,)
    assert unused.remove(fleet.engine, now=NOW)["subject"] == 0
    assert unused.remove(fleet.engine, now=NOW + 2 * DAY)["subject"] == 0, "an owner is named by a device"
    with writing(fleet.engine) as connection:
        privacy.erase(connection, pseudonym=ann.pseudonym, by=clerk, reason="asked", at=NOW)
    assert owners()["pc-1"] == ""
    take()
    assert owners() == {"pc-1": "", "pc-2": bob.pseudonym, "pc-3": ""}


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_or_say_why_not(data: bytes) -> None:
    loaded = read(data, "list.csv")
    assert loaded.content is not None or loaded.errors


def test_units_come_from_rules_then_tags() -> None:
    rules = [
        UnitRule(2, "subnet", "10.1.0.0/16", 20),
        UnitRule(1, "host", "lab-*", 10),
        UnitRule(3, "group", "vip", 30),
        UnitRule(4, "tag", "site=ber*", 40),
    ]
    units = {"emea/sales": 50}
    assert unit_of(Facts(names=("LAB-7",), addresses=("10.1.2.3",)), rules, units) == (10, "rule")
    assert unit_of(Facts(names=("x",), addresses=("10.1.2.3",)), rules, units) == (20, "rule")
    assert unit_of(Facts(groups=("VIP",)), rules, units) == (30, "rule")
    assert unit_of(Facts(tags=("site=berlin",)), rules, units) == (40, "rule")
    assert unit_of(Facts(tags=("unit=emea/sales",)), rules, units) == (50, "tag")
    assert unit_of(Facts(names=("x-lab-7",), addresses=("10.2.0.1",), tags=("unit=none",)), rules, units) == (None, "")


def test_the_door_compares_patterns_and_rules_while_the_name_is_clear(fleet: Planted) -> None:
    unit = fleet.unit("lab")
    fleet.agent("Lab-7")
    facts = Facts(names=("Lab-7",), addresses=("10.1.2.3",))
    placer = Placer([UnitRule(1, "host", "lab-*", unit)], {}, ["lab-*", "lab-7", "10.1.0.0/16", "10.2.0.0/16", "*"])
    found = placer.place(facts)
    assert found == Placed(unit, "rule", ("*", "10.1.0.0/16", "lab-*"))
    with writing(fleet.engine) as connection:
        assert assets.place(connection, {fleet.device("lab-7").id: found}) == 1
        assert assets.place(connection, {fleet.device("lab-7").id: found}) == 0
    device = fleet.device("lab-7")
    assert (device.unit, device.unit_by, device.fits) == (unit, "rule", '["*","10.1.0.0/16","lab-*"]')


def test_a_persons_word_on_a_unit_stays(fleet: Planted) -> None:
    agent = fleet.agent("a", "emea")
    assert agent
    other = fleet.unit("apac")
    with writing(fleet.engine) as connection:
        asset = fleet.device("a").id
        pseudonym = DOOR.device("a").pseudonym
        assert assets.give_unit(connection, asset=asset, unit=other, by="import")
        assert not assets.give_unit(connection, asset=asset, unit=1, by="rule")
        assert assets.assign(connection, pseudonyms=[pseudonym], unit=1, actor="ann", now=NOW) == 1
        assert not assets.give_unit(connection, asset=asset, unit=other, by="import")
        assert audit.entries(connection, actions=["asset.unit"])[0].facts == {"unit": "emea", "devices": 1}
