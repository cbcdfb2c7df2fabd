"""Alembic runs this for every migration: on the connection handed in, each step in its own transaction."""

from __future__ import annotations

from alembic import context

from aimscope_collector.store.tables import METADATA

connection = context.config.attributes["connection"]
writes = connection.execution_options(aimscope_writes=True)
context.configure(connection=writes, target_metadata=METADATA, transaction_per_migration=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
