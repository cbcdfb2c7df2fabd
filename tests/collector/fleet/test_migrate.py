"""The schema is brought on in steps that happen whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import sqlalchemy as sa

from aimscope_collector.store import migrate
from aimscope_collector.store.database import DatabaseError, connect

KILLED = """
import os, signal, sys
import sqlalchemy as sa
from aimscope_collector.store import migrate
from aimscope_collector.store.database import connect

engine, left = connect(sys.argv[1]), int(sys.argv[2])

@sa.event.listens_for(engine, "before_cursor_execute")
def count(connection, cursor, statement, *rest):
    global left
    left -= statement.lstrip().lower().startswith(("create", "insert"))
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

migrate.upgrade(engine)
"""


def test_a_new_database_gets_exactly_the_declared_tables(where: str) -> None:
    engine = connect(where)
    before, after = migrate.upgrade(engine)
    assert (before, after) == ("", migrate.latest())
    migrate.require_current(engine)
    with engine.connect() as connection:
        assert migrate.differences(connection) == []
    assert migrate.upgrade(engine) == (after, after)
    engine.dispose()


def test_an_empty_database_is_told_from_a_current_one(where: str) -> None:
    engine = connect(where)
    with pytest.raises(DatabaseError, match="collector init"):
        migrate.require_current(engine)
    engine.dispose()


def test_a_newer_database_is_left_alone(where: str) -> None:
    engine = connect(where)
    migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    for attempt in (migrate.require_current, migrate.upgrade):
        with pytest.raises(DatabaseError, match="upgrade aimscope"):
            attempt(engine)
    engine.dispose()


def test_a_step_that_fails_changes_nothing_and_can_be_repeated(where: str) -> None:
    engine = connect(where)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table usage_day (other integer)")
    with pytest.raises(DatabaseError, match="changed nothing"):
        migrate.upgrade(engine)
    assert set(sa.inspect(engine).get_table_names()) <= {"usage_day", "alembic_version"}
    with engine.begin() as connection:
        connection.exec_driver_sql("drop table usage_day")
    migrate.upgrade(engine)
    migrate.require_current(engine)
    engine.dispose()


@pytest.mark.parametrize("statements", [0, 1, 7, 30])
def test_a_migration_that_is_killed_goes_on(where: str, statements: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, where, str(statements)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    engine = connect(where)
    migrate.upgrade(engine)
    migrate.require_current(engine)
    with engine.connect() as connection:
        assert migrate.differences(connection) == []
    engine.dispose()


def test_rows_that_are_rewritten_find_room_in_their_page(where: str) -> None:
    engine = connect(where)
    migrate.upgrade(engine)
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            options = "select relname from pg_class where 'fillfactor=60' = any (reloptions) order by relname"
            assert connection.exec_driver_sql(options).scalars().all() == ["detail", "sighting"]
    engine.dispose()
