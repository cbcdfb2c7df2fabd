"""Findings as a table: what stands in it, and that no text of it is ever a formula."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

from aimscope_collector.review import Decision
from aimscope_collector.store import decisions
from aimscope_collector.store.database import writing
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import NOW, Planted
from tests.collector.reports.made import VIEWER, made, whom

FORMULAS = [
    "=HYPERLINK(1)",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1+1",
    "#N/A",
    "=cmd|' /C calc'!A0",
    "2026-01-01",
    "a\x00b",
]


def table(engine: sa.Engine, **options: Any) -> list[dict[str, str]]:
    text = made(engine, "findings", "csv", **options)["findings.csv"].decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def told(database: sa.Engine) -> sa.Engine:
    planted = Planted(database)
    for number in range(6):
        planted.saw(
            planted.agent(f"s{number}", "sales"),
            "chatgpt",
            "dns.query",
            presence="used",
            name="chatgpt.com",
            subject=f"p{number}",
        )
    planted.saw(planted.agent("l", "legal"), "otter", "dns.query", presence="used", name="otter.ai", subject="x")
    planted.saw(planted.agent("e", "eng"), "cursor", "application", id="dpkg:cursor")
    planted.reconcile(inventory(use(services=("cursor",))))
    with writing(database) as connection:
        one = Decision(
            uid="1", service="otter", action="tolerate", reason="Trial.", by="ann", at=NOW - 60, until=NOW + 86_400
        )
        decisions.decide(connection, [one], now=NOW)
    return database


def test_each_finding_is_a_row_with_how_it_stands(told: sa.Engine) -> None:
    rows = {row["service"]: row for row in table(told)}
    assert {service: row["stands"] for service, row in rows.items()} == {
        "chatgpt": "not registered",
        "otter": "tolerated for now",
        "cursor": "authorised",
    }
    assert (rows["chatgpt"]["computers"], rows["chatgpt"]["people"]) == ("6", "6")
    assert (rows["otter"]["decided_by"], rows["otter"]["decision_reason"]) == ("ann", "Trial.")
    assert [row["service"] for row in table(told, options={"which": "open"})] == ["chatgpt"]


def test_small_groups_other_units_and_the_log_are_kept_from_who_may_not_see_them(told: sa.Engine) -> None:
    rows = {row["service"]: row for row in table(told, who=VIEWER)}
    assert (rows["otter"]["computers"], rows["otter"]["people"]) == ("fewer than 5", "fewer than 5")
    assert rows["otter"]["decided_by"] == ""
    assert rows["chatgpt"]["people"] == "6"
    assert {row["service"] for row in table(told, who=whom("viewer", units=("legal",)))} == {"otter"}


def hostile(database: sa.Engine) -> sa.Engine:
    planted = Planted(database)
    agent = planted.agent("a", "=1+1")
    for text in FORMULAS:
        planted.saw(agent, "", "mcp_server", presence="configured", client="c", name=text, package="", host="")
    planted.reconcile(None)
    with writing(database) as connection:
        connection.execute(sa.text("update finding set name = substr(name, 12), vendor = '=1+1'"))
    return database


def test_no_cell_of_a_csv_begins_a_formula(database: sa.Engine) -> None:
    rows = table(hostile(database))
    assert len(rows) >= len(FORMULAS) - 2
    assert not [
        cell for row in rows for cell in row.values() if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")
    ]
    assert {row["vendor"] for row in rows} == {"'=1+1"}


def test_every_text_of_a_workbook_is_a_text(database: sa.Engine) -> None:
    written = made(hostile(database), "findings", "xlsx")["findings.xlsx"]
    sheet = openpyxl.load_workbook(io.BytesIO(written)).active
    assert sheet is not None
    kinds = {cell.data_type for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)}
    assert kinds == {"s"}
    assert not [cell.value for row in sheet.iter_rows() for cell in row if str(cell.value).startswith(("=", "+", "@"))]


def test_json_says_texts_as_they_are(database: sa.Engine) -> None:
    rows = json.loads(made(hostile(database), "findings", "json")["findings.json"])
    assert "=1+1" in {row["unit"] for row in rows}
