"""Leases and names say which device a gateway's client was: for their time, and only where nobody knows better."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from aimscope_collector.address_lists import Found, Lease, Source
from aimscope_collector.asset_lists import Listed
from aimscope_collector.assets import Claim, Resolved, resolve
from aimscope_collector.store import assets, audit, leases, listed
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import ASSET, ASSET_ADDRESS
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    return Planted(database)


def take(fleet: Planted, *said: Lease, source: Source = "dhcp", domain: str = "", now: int = NOW) -> leases.Taken:
    found = Found("isc", source, said, 0, ())
    with writing(fleet.engine) as connection:
        return leases.take(connection, found, door=DOOR, domain=domain, actor="ann", now=now)


def who(fleet: Planted, address: str, at: int) -> str:
    """The device that had an address at a moment, by its name as planted; else why nobody knows."""
    pseudonym = DOOR.address(address).pseudonym
    with fleet.engine.connect() as connection:
        found = resolve(at, at, assets.claims(connection, [pseudonym]).get(pseudonym, []))
        if found.device is None:
            return found.why
        return str(connection.execute(sa.select(ASSET.c.pseudonym).where(ASSET.c.id == found.device)).scalar_one())


def named(name: str) -> str:
    return DOOR.device(name).pseudonym


def lease(name: str, begins: int | None, ends: int | None, address: str = "10.1.2.3") -> Lease:
    return Lease(name, address, begins, ends)


def test_a_use_is_laid_at_whoever_had_the_address_on_that_day(fleet: Planted) -> None:
    for name, unit in (("pc-7", "emea"), ("pc-8", "apac")):
        fleet.agent(name, unit)
    gateway = fleet.agent("gate", "net")
    client = fleet.client("10.1.2.3", seen=NOW - 20 * DAY)
    fleet.saw(gateway, "cursor", "dns.query", at=NOW - 2 * DAY, asset=client, name="a.cursor.sh")
    fleet.reconcile()
    assert {key[1] for key in fleet.findings()} == {""}
    first = lease("PC-7", NOW - 20 * DAY, NOW - 5 * DAY)
    done = take(fleet, first, lease("pc-8", NOW - 4 * DAY, NOW))
    assert (done.claims, done.new, done.unknown) == (2, 0, 0)
    fleet.reconcile()
    assert {key[1] for key in fleet.findings()} == {"apac"}
    assert who(fleet, "10.1.2.3", NOW - 10 * DAY) == named("pc-7")


def test_names_are_found_with_and_without_their_domain_where_that_is_no_guess(fleet: Planted) -> None:
    fleet.agent("pc-7.corp.example")
    fleet.agent("pc-8")
    take(fleet, lease("pc-7", NOW, NOW + DAY), domain="corp.example")
    assert who(fleet, "10.1.2.3", NOW) == named("pc-7.corp.example")
    take(fleet, lease("pc-8.corp.example", NOW, NOW + DAY, "10.1.2.4"))
    assert who(fleet, "10.1.2.4", NOW) == named("pc-8")
    done = take(fleet, lease("pc-8.a.example", NOW, None, "10.1.2.5"), lease("pc-8.b.example", NOW, None, "10.1.2.6"))
    assert (done.claims, done.unknown) == (0, 2)


def test_an_agents_own_word_and_a_list_count_before_a_lease_and_a_lease_before_a_name(fleet: Planted) -> None:
    fleet.agent("pc-7", addresses=["10.1.2.3"])
    fleet.agent("pc-8")
    fleet.agent("pc-9")
    take(fleet, lease("pc-8", NOW - DAY, NOW + DAY), lease("pc-8", NOW - DAY, NOW + DAY, "10.1.2.4"))
    take(fleet, lease("pc-9", NOW - 2 * DAY, NOW + DAY, "10.1.2.4"), source="reverse")
    assert who(fleet, "10.1.2.3", NOW) == named("pc-7")
    assert who(fleet, "10.1.2.3", NOW - DAY // 2) == named("pc-8")
    assert who(fleet, "10.1.2.4", NOW) == named("pc-8")
    assert who(fleet, "10.1.2.4", NOW - 2 * DAY) == named("pc-9")
    with writing(fleet.engine) as connection:
        rows = [Listed(names=("pc-9",), addresses=("10.1.2.4",))]
        listed.take(connection, devices=rows, door=DOOR, actor="ann", now=NOW)
    assert who(fleet, "10.1.2.4", NOW) == named("pc-9")


def test_of_one_rank_two_devices_are_nobody() -> None:
    claims = [Claim(1, 0, 100, 1), Claim(2, 0, 100, 1), Claim(3, 0, 100, 2)]
    assert resolve(0, 10, claims) == Resolved(None, "several")
    assert resolve(0, 10, [*claims, Claim(4, 0, 100)]) == Resolved(4)


def test_a_device_nobody_knows_is_made_where_a_gateway_saw_it_and_one_across_its_addresses(fleet: Planted) -> None:
    gateway = fleet.agent("gate")
    for address in ("10.1.2.3", "10.1.2.4"):
        client = fleet.client(address)
        fleet.saw(gateway, "cursor", "dns.query", asset=client, name="a.cursor.sh")
    fleet.reconcile()
    assert [row.assets for row in fleet.findings().values()] == [2]
    said = [lease("phone", NOW - DAY, NOW + DAY, address) for address in ("10.1.2.3", "10.1.2.4", "10.1.2.5")]
    done = take(fleet, *said, lease("printer", NOW - DAY, NOW + DAY, "10.1.2.9"))
    assert (done.new, done.unknown, done.claims) == (1, 1, 3)
    fleet.reconcile()
    assert [row.assets for row in fleet.findings().values()] == [1]
    with fleet.engine.connect() as connection:
        assert [each.pseudonym for each in assets.unmanaged(connection)] == [named("phone")]
        assert connection.execute(sa.select(ASSET.c.managed).where(ASSET.c.pseudonym == named("phone"))).scalar() == 0
        assert audit.entries(connection, actions=("asset.addresses",))[0].facts["unknown"] == 1


def test_whoever_gets_an_address_ends_who_had_it_and_a_lease_given_back_ends_early(fleet: Planted) -> None:
    fleet.agent("pc-7")
    fleet.agent("pc-8")
    take(fleet, lease("pc-7", NOW, NOW + DAY))
    take(fleet, lease("pc-8", NOW + 10_000, NOW + DAY), now=NOW + 10_000)
    assert who(fleet, "10.1.2.3", NOW + 100) == named("pc-7")
    assert who(fleet, "10.1.2.3", NOW + 20_000) == named("pc-8")
    take(fleet, lease("pc-8", NOW + 10_000, NOW + 30_000), now=NOW + 30_000)
    assert who(fleet, "10.1.2.3", NOW + 60_000) == "nobody"
    assert take(fleet, lease("pc-8", NOW + 10_000, NOW + 30_000), now=NOW + 30_000).claims == 0


def test_a_name_without_an_end_is_believed_for_a_month(fleet: Planted) -> None:
    fleet.agent("pc-7")
    take(fleet, lease("pc-7", None, None), source="reverse")
    assert who(fleet, "10.1.2.3", NOW + 29 * DAY) == named("pc-7")
    assert who(fleet, "10.1.2.3", NOW + 31 * DAY) == "nobody"


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    made = Api(database)
    with made.client:
        yield made


def test_the_api_takes_a_file_and_keeps_no_name_in_the_clear(api: Api) -> None:
    Planted(api.engine).agent("pc-7")
    who = api.key("security")
    text = b"1790003600 00:00:5e:00:53:01 10.1.2.3 pc-7 *\nnever x 10.1.2.4 secret-host *\n"
    answer = api.client.post("/api/v1/addresses", headers=who, content=text)
    assert answer.status_code == 201, answer.text
    assert answer.json()["taken"] | {} == {
        "form": "dnsmasq",
        "leases": 1,
        "claims": 1,
        "new": 0,
        "unknown": 0,
        "nameless": 0,
    }
    assert answer.json()["problems"] == ["line 2: 'never' is no moment"]
    assert api.touched == [None]
    with api.engine.connect() as connection:
        kept = connection.execute(sa.select(ASSET_ADDRESS.c.pseudonym)).scalars().all()
        said = "".join(map(str, audit.entries(connection, limit=None)))
    assert all(text.startswith("a-") for text in kept)
    assert not any(clear in said for clear in ("10.1.2", "pc-7", "secret"))
    assert api.client.post("/api/v1/addresses", headers=who, content=b"?").status_code == 422
    limited = api.key("security", units=("emea",))
    assert api.client.post("/api/v1/addresses", headers=limited, content=text).status_code == 403
    assert api.client.post("/api/v1/addresses", headers=api.key("auditor"), content=text).status_code == 403
