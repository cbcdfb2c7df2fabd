"""The database is durable, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from aimscope_collector.store.database import DatabaseError, connect, is_sqlite, writing
from aimscope_collector.store.tables.people import SETTING


def test_what_was_written_is_there_for_another_connection(database: sa.Engine) -> None:
    with writing(database) as connection:
        connection.execute(SETTING.insert().values(name="a", value="b"))
    with database.connect() as connection:
        assert connection.execute(SETTING.select()).all() == [("a", "b")]


def test_what_failed_half_way_is_not(database: sa.Engine) -> None:
    def half() -> None:
        with writing(database) as connection:
            connection.execute(SETTING.insert().values(name="a", value="b"))
            raise KeyError

    with pytest.raises(KeyError):
        half()
    with database.connect() as connection:
        assert connection.execute(SETTING.select()).all() == []


def test_a_commit_is_synced(database: sa.Engine) -> None:
    with database.connect() as connection:
        if is_sqlite(connection):
            assert connection.exec_driver_sql("pragma synchronous").scalar_one() == 2
            assert connection.exec_driver_sql("pragma journal_mode").scalar_one() == "wal"
        else:
            assert connection.exec_driver_sql("show synchronous_commit").scalar_one() == "on"


@pytest.mark.parametrize("where", ["mysql://a/b", "://", "postgresql://"])
def test_another_database_is_refused(where: str) -> None:
    with pytest.raises(DatabaseError):
        connect(where)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="unable to open"):
        connect(str(tmp_path / "none" / "x.db"))
