"""The sightings behind a finding of many devices: pages add up, whatever their size, and hold nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET
from tests.collector.example import inventory, use
from tests.collector.fleet.api_client import Api
from tests.collector.fleet.planted import DAY, NOW, Planted

HOSTS = 45
"""More than are taken at once at first, and than are taken the second time."""


@pytest.fixture
def api(database: sa.Engine) -> Iterator[Api]:
    """An API over a fleet: a unit of many devices, a few of another, one device known under another name."""
    made = Api(database)
    planted = Planted(made.engine)
    alias: dict[str, int] = {}
    for number in range(HOSTS):
        agent = planted.agent(f"h{number}", "emea/sales" if number % 9 else "apac")
        if number % 3 == 1:  # with devices between them that have nothing of it
            planted.saw(agent, "cursor", "application", id="dpkg:cursor", subject=f"p{number}", count=number)
            planted.saw(agent, "cursor", "package", package="npm:cursor", at=NOW - 40 * DAY)
        planted.saw(agent, "openai", "package", package="pypi:openai")
        if number == 4:
            address = planted.client("10.0.0.4")
            planted.saw(agent, "cursor", "dns.query", asset=address, name="cursor.example", presence="used")
            alias = {"asset": address, "agent": agent}
    planted.reconcile(inventory(use(units=("emea",))))
    with writing(made.engine) as connection:
        device = sa.select(AGENT.c.asset).where(AGENT.c.id == alias["agent"]).scalar_subquery()
        connection.execute(ASSET.update().where(ASSET.c.id == alias["asset"]).values(merged_into=device))
    with made.client:
        yield made


def _pages(api: Api, id_: str, limit: int, **more: Any) -> list[dict[str, Any]]:
    who, cursor = api.key("reviewer"), None
    found: list[dict[str, Any]] = []
    for _ in range(200):
        asked = {"limit": limit, **more, **({"cursor": cursor} if cursor else {})}
        page = api.get(f"/findings/{id_}/sightings", who, **asked)
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found
    raise AssertionError("the pages have no end")


def _finding(api: Api, unit: str) -> str:
    (one,) = (
        each
        for each in api.get("/findings", api.key("reviewer"), service="cursor", unit=unit)["items"]
        if not each["condition"]
    )
    return str(one["id"])


@pytest.mark.parametrize("limit", [1, 3, 7, 500])
def test_pages_add_up_and_hold_nobody_elses(api: Api, limit: int) -> None:
    sales = [number for number in range(HOSTS) if number % 3 == 1 and number % 9]
    found = _pages(api, _finding(api, "emea"), limit)
    keys = [(one["device"], one["evidence"], one["subject"]) for one in found]
    assert len(set(keys)) == len(keys) == 2 * len(sales) + 1
    assert {one["unit"] for one in found} == {"emea/sales"}
    assert len({device for device, *_ in keys}) == len(sales), "an address of a device is that device"
    assert sum(one["count"] for one in found if one["kind"] == "application") == sum(sales)


def test_a_period_leaves_out_what_was_last_seen_before(api: Api) -> None:
    everything = _pages(api, _finding(api, "emea"), 500)
    recent = _pages(api, _finding(api, "emea"), 4, days=7)
    assert {one["kind"] for one in recent} == {"application", "dns.query"}
    assert recent == [one for one in everything if one["kind"] != "package"]
