"""The awareness list: how many people of a unit use what, and nobody that can be worked out."""

from __future__ import annotations

import csv
import io
from typing import Any

import sqlalchemy as sa

from aimscope_collector.reports.awareness import OTHERS
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import Planted
from tests.collector.reports.made import made, whom


def table(engine: sa.Engine, **options: Any) -> list[tuple[str, str, str, str]]:
    text = made(engine, "awareness", "csv", **options)["awareness.csv"].decode("utf-8-sig")
    return [(row["service"], row["unit"], row["people"], row["computers"]) for row in csv.DictReader(io.StringIO(text))]


def planted(database: sa.Engine, **people: int) -> Planted:
    fleet = Planted(database)
    for unit, number in people.items():
        for each in range(number):
            agent = fleet.agent(f"{unit}{each}", unit)
            fleet.saw(agent, "chatgpt", "dns.query", presence="used", name="chatgpt.com", subject=f"{unit}-{each}")
    fleet.reconcile(inventory(use(services=("cursor",))))
    return fleet


def test_counts_by_unit_with_small_units_together(database: sa.Engine) -> None:
    planted(database, sales=8, legal=3, hr=2)
    assert table(database) == [("chatgpt", "sales", "8", "8"), ("chatgpt", OTHERS, "5", "5")]


def test_a_small_rest_takes_a_larger_unit_with_it(database: sa.Engine) -> None:
    planted(database, sales=8, ops=6, hr=1)
    assert table(database) == [("chatgpt", "sales", "8", "8"), ("chatgpt", OTHERS, "7", "7")]


def test_a_single_small_group_is_not_told_even_to_who_sees_evidence(database: sa.Engine) -> None:
    planted(database, hr=2)
    assert table(database) == [("chatgpt", OTHERS, "fewer than 5", "fewer than 5")]


def test_how_it_stands_is_told_of_each_unit_and_people_only_where_accounts_were_seen(database: sa.Engine) -> None:
    fleet = Planted(database)
    for unit in ("eng", "sales"):
        for each in range(5):
            fleet.saw(fleet.agent(f"{unit}{each}", unit), "cursor", "application", id="dpkg:cursor")
    fleet.reconcile(inventory(use(services=("cursor",), units=("eng",))))
    text = made(database, "awareness", "csv")["awareness.csv"].decode("utf-8-sig")
    said = {row["unit"]: (row["stands"], row["people"], row["computers"]) for row in csv.DictReader(io.StringIO(text))}
    assert said == {"eng": ("authorised", "not known", "5"), "sales": ("authorised, but not here", "not known", "5")}


def test_units_limit_it(database: sa.Engine) -> None:
    planted(database, sales=8, ops=6)
    assert table(database, who=whom("viewer", units=("ops",))) == [("chatgpt", "ops", "6", "6")]


def test_the_page_says_who_was_told_as_far_as_it_is_known(database: sa.Engine) -> None:
    planted(database, sales=8)
    page = made(database, "awareness", "html")["awareness.html"].decode()
    assert "no record of who was told" in page
    assert "ChatGPT" in page
