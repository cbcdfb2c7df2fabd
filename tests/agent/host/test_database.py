from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from aimscope_agent.host import database
from aimscope_agent.host.reading import UnreadableError
from aimscope_agent.host.tree import TooLargeError, Tree

from .conftest import Plant


def store(plant: Plant, *statements: str) -> tuple[Tree, Path]:
    root = plant({"db/": ""})
    path = root / "db/a.sqlite"
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return Tree(os.fspath(root), "linux"), path


def test_rows_are_read_and_the_original_is_left_alone(plant: Plant) -> None:
    tree, path = store(plant, "create table t(a, b)", "insert into t values(1, 'x'), (2, null)")
    before = (path.read_bytes(), sorted(path.parent.iterdir()), path.stat().st_mtime_ns)
    assert database.rows(tree, "/db/a.sqlite", "select a, b from t order by a") == (((1, "x"), (2, None)), "")
    assert (path.read_bytes(), sorted(path.parent.iterdir()), path.stat().st_mtime_ns) == before


def test_what_was_just_written_and_is_still_in_the_log_is_read(plant: Plant) -> None:
    tree, path = store(plant, "pragma journal_mode=wal", "create table t(a)")
    writer = sqlite3.connect(path)
    writer.execute("insert into t values(7)")
    writer.commit()
    try:
        assert (path.parent / "a.sqlite-wal").stat().st_size > 0
        assert database.rows(tree, "/db/a.sqlite", "select a from t") == (((7,),), "")
    finally:
        writer.close()


@pytest.mark.parametrize(
    "query",
    ["delete from t", "update t set a = 2", "attach '/tmp/x' as y", "pragma journal_mode=delete", "drop table t"],
)
def test_only_reading_is_possible(plant: Plant, query: str) -> None:
    tree, _ = store(plant, "create table t(a)", "insert into t values(1)")
    with pytest.raises(UnreadableError):
        database.rows(tree, "/db/a.sqlite", query)


def test_endless_queries_and_endless_rows_end(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SECONDS", 0.2)
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n) select"
    tree, _ = store(plant, "create table t(a)", f"create view endless as {numbers} sum(i) from n")
    with pytest.raises(UnreadableError, match="longer than"):
        database.rows(tree, "/db/a.sqlite", "select * from endless")
    monkeypatch.setattr(database, "SECONDS", 20.0)
    monkeypatch.setattr(database, "MOST_ROWS", 1_000)
    found, left_out = database.rows(tree, "/db/a.sqlite", f"{numbers} i from n")
    assert (len(found), left_out) == (1_000, "more than 1,000 rows")


def test_a_large_answer_is_cut(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MOST_RESULT", 10_000)
    tree, _ = store(plant, "create table t(a)", *["insert into t values(hex(randomblob(500)))"] * 30)
    found, left_out = database.rows(tree, "/db/a.sqlite", "select a from t")
    assert len(found) == 10
    assert left_out.startswith("rows larger")


@pytest.mark.parametrize(
    "content",
    [b"", b"not a database, but some text of more than a hundred bytes" * 9, b"SQLite format 3\0" + b"\xff" * 5000],
)
def test_what_is_no_database_is_refused(plant: Plant, content: bytes) -> None:
    tree = Tree(os.fspath(plant({"x.sqlite": content})), "linux")
    with pytest.raises(UnreadableError):
        database.rows(tree, "/x.sqlite", "select * from t")


def test_another_layout_is_told_apart_from_damage(plant: Plant) -> None:
    tree, _ = store(plant, "create table t(a)")
    with pytest.raises(UnreadableError, match="another layout"):
        database.rows(tree, "/db/a.sqlite", "select b from u")


def test_size_is_bounded(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MOST_BYTES", 1_000)
    tree, _ = store(plant, "create table t(a)")
    with pytest.raises(TooLargeError):
        database.rows(tree, "/db/a.sqlite", "select * from t")
