"""Settings of the whole organisation, and numbers that only grow, kept as text under a name."""

from __future__ import annotations

import sqlalchemy as sa

from aimscope_collector.store.sightings import insert_into
from aimscope_collector.store.tables.people import SETTING


def read(connection: sa.Connection, name: str, default: str = "") -> str:
    """A setting's value."""
    found = connection.execute(sa.select(SETTING.c.value).where(SETTING.c.name == name)).scalar_one_or_none()
    return default if found is None else str(found)


def write(connection: sa.Connection, name: str, value: str) -> None:
    """Give a setting another value."""
    insert = insert_into(connection, SETTING)
    statement = insert.on_conflict_do_update(index_elements=[SETTING.c.name], set_={"value": insert.excluded.value})
    connection.execute(statement, {"name": name, "value": value})


def number(connection: sa.Connection, name: str) -> int:
    """A number that only grows; 0 before it was ever advanced."""
    return int(read(connection, name, "0"))


def advance(connection: sa.Connection, name: str) -> int:
    """Draw the next number. Holds it to the end of the transaction, so numbers are committed in their order."""
    start = insert_into(connection, SETTING).on_conflict_do_nothing()
    connection.execute(start, {"name": name, "value": "0"})
    text = sa.select(SETTING.c.value).where(SETTING.c.name == name).with_for_update()
    new = int(connection.execute(text).scalar_one()) + 1
    connection.execute(SETTING.update().where(SETTING.c.name == name).values(value=str(new)))
    return new
