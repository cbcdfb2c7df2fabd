"""The database for Datasette: opens with sqlite3 alone, tells pseudonyms only, and says what it leaves out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.reports.datasette_tables import TABLES, VIEWS
from aimscope_collector.review import Decision
from aimscope_collector.rolling_up import roll_up_all
from aimscope_collector.store import decisions, inventories
from aimscope_collector.store.database import writing
from tests.collector.example import inventory, use
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.collector.reports.made import VIEWER, made, whom


@pytest.fixture
def told(database: sa.Engine) -> sa.Engine:
    planted = Planted(database)
    for number in range(6):
        agent = planted.agent(f"laptop-of-{number}", "sales", uid=f"u{number}")
        planted.saw(agent, "chatgpt", "dns.query", presence="used", name="chatgpt.com", subject=f"clear-{number}")
        planted.looked(agent, "dns", "dns.query", status="denied")
    planted.saw(planted.agent("l", "legal"), "otter", "dns.query", presence="used", name="otter.ai", subject="clear-x")
    kept = inventory(use(services=("cursor",)))
    with writing(database) as connection:
        inventories.keep(connection, inventory=kept, author="a", note="", effective_from=NOW - DAY, now=NOW - DAY)
    planted.reconcile(kept)
    roll_up_all(database)
    with writing(database) as connection:
        one = Decision(uid="1", service="otter", action="dismiss", reason="='x'; drop table findings", by="ann", at=NOW)
        decisions.decide(connection, [one], now=NOW)
    return database


@contextmanager
def opened(engine: sa.Engine, tmp_path: Path, **options: Any) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "opened.sqlite"
    path.write_bytes(made(engine, "datasette", "sqlite", **options)["aimscope.sqlite"])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield connection


def test_it_answers_questions_in_plain_sql(told: sa.Engine, tmp_path: Path) -> None:
    with opened(told, tmp_path) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        assert database.execute("select service, computers from open_findings").fetchall() == [("chatgpt", "6")]
        assert database.execute(
            "select count(*), count(distinct device), count(account) from sightings"
        ).fetchone() == (7, 7, 7)
        assert dict(database.execute("select stands, services from services_by_verdict")) == {
            "not registered": 1,
            "dismissed": 1,
        }
        assert database.execute("select computers, people from usage_by_day where unit = 'sales'").fetchone() == (6, 6)
        assert database.execute("select reason from decisions").fetchone() == ("='x'; drop table findings",)
        assert database.execute("select status, services from inventory").fetchone() == ("approved", "cursor")
        assert database.execute("select known, with_agent from coverage where unit = 'sales'").fetchone() == (None, 6)
        assert database.execute("select agents from gaps").fetchone() == (6,)
        about = dict(database.execute("select * from about"))
        assert about["list of devices there should be"].startswith("never imported")
        for view in VIEWS:
            database.execute(f"select * from {view}").fetchall()


def test_no_clear_name_is_in_the_file(told: sa.Engine) -> None:
    content = made(told, "datasette", "sqlite")["aimscope.sqlite"]
    assert b"laptop-of-" not in content
    assert b"clear-" not in content


def test_a_viewer_gets_no_evidence_no_log_and_no_small_groups(told: sa.Engine, tmp_path: Path) -> None:
    with opened(told, tmp_path, who=VIEWER) as database:
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        assert not tables & {"sightings", "decisions"}
        assert "decisions, sightings" in dict(database.execute("select * from about")).values()
        assert database.execute("select computers, people from findings where service = 'otter'").fetchone() == (
            "fewer than 5",
            "fewer than 5",
        )
        assert database.execute("select computers, people from usage_by_day where unit = 'legal'").fetchone() == (
            None,
            None,
        )


def test_a_unit_gets_its_own_rows_only(told: sa.Engine, tmp_path: Path) -> None:
    with opened(told, tmp_path, who=whom("reviewer", units=("legal",))) as database:
        for table in ("findings", "usage_by_day", "sightings", "coverage"):
            assert {unit for (unit,) in database.execute(f"select unit from {table}")} == {"legal"}
        assert database.execute("select count(*) from gaps").fetchone() == (0,)


def test_descriptions_name_only_what_is_there(told: sa.Engine, tmp_path: Path) -> None:
    said = json.loads(made(told, "datasette", "zip")["metadata.json"])["databases"]["aimscope"]["tables"]
    assert set(said) == {table.name for table in TABLES} | set(VIEWS)
    with opened(told, tmp_path) as database:
        for name, table in said.items():
            columns = {row[1] for row in database.execute(f"pragma table_info({name})")}
            assert columns
            assert set(table.get("columns", {})) <= columns


def test_nothing_known_is_an_empty_database(database: sa.Engine, tmp_path: Path) -> None:
    with opened(database, tmp_path) as empty:
        for table in TABLES:
            assert empty.execute(f"select count(*) from {table.name}").fetchone() == (0,)
