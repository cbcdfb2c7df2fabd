"""The database's schema over time: each step in a transaction of its own, so that a killed migration goes on."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from aimscope_collector.store.database import DatabaseError, is_sqlite

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 4_201
"""PostgreSQL's advisory lock under which one collector migrates while the others wait."""


def upgrade(engine: sa.Engine, to: str = "head") -> tuple[str, str]:
    """Bring the schema to this program's version, or to ``to``. Returns the versions before and after.

    Raises ``DatabaseError`` where the database was written by a newer version, or a step fails: what was there is as it
    was before that step.
    """
    before = current(engine)
    if before and before not in known():
        raise DatabaseError(f"the database has schema {before}, which this version does not know: upgrade aimscope")
    try:
        with engine.connect() as connection:
            _locked(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            connection.commit()
    except sa.exc.DBAPIError as error:
        raise DatabaseError(f"the migration failed, and changed nothing: {error.orig}") from None
    return before, current(engine)


def current(engine: sa.Engine) -> str:
    """The version the database has; empty for a new one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def require_current(engine: sa.Engine) -> None:
    """Raise ``DatabaseError`` unless the schema is this program's."""
    found = current(engine)
    if not found:
        raise DatabaseError("the database is empty: `aimscope collector init` prepares it")
    if found not in known():
        raise DatabaseError(f"the database has schema {found}, which this version does not know: upgrade aimscope")
    if found != latest():
        raise DatabaseError(f"the database has schema {found}, {latest()} is needed: run `aimscope collector migrate`")


@functools.cache
def known() -> frozenset[str]:
    """Every version this program has a step for."""
    return frozenset(step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions())


@functools.cache
def latest() -> str:
    """The version this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config


def _locked(connection: sa.Connection) -> None:
    if is_sqlite(connection):
        return  # each step begins by taking the write lock
    connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": _LOCK})
    connection.commit()


def differences(connection: sa.Connection) -> list[Any]:
    """What the declared tables have that the migrated database has not, and the reverse: for the tests."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - tests only

    from aimscope_collector.store.tables import METADATA  # noqa: PLC0415

    return list(compare_metadata(MigrationContext.configure(connection), METADATA))
