"""Saved views: filters of a list under a name, for oneself or for everybody who sees the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.audit import Fact
from aimscope_collector.review import Refused
from aimscope_collector.store import audit
from aimscope_collector.store.tables.review import SAVED_VIEW

MOST: Final = 50
"""Views of one owner."""
_LONGEST_NAME: Final = 80
_MOST_FILTERS: Final = 20
_LONGEST: Final = 256


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One view. ``query`` are the parameters of the page's address."""

    id: int
    page: str
    owner: str
    name: str
    query: dict[str, str]
    shared: bool
    at: int


def views(connection: sa.Connection, *, page: str, owner: str) -> list[View]:
    """One's own and those that are shared, by name."""
    c = SAVED_VIEW.c
    query = sa.select(SAVED_VIEW).where(c.page == page, sa.or_(c.owner == owner, c.shared == 1)).order_by(c.name, c.id)
    return list(map(_view, connection.execute(query)))


def view(connection: sa.Connection, number: int) -> View | None:
    """One of them."""
    row = connection.execute(sa.select(SAVED_VIEW).where(SAVED_VIEW.c.id == number)).first()
    return _view(row) if row else None


def save(
    connection: sa.Connection, *, page: str, owner: str, name: str, query: Mapping[str, str], shared: bool, at: int
) -> View:
    """Keep a view; one of the same owner and name is replaced. Raises ``Refused``."""
    said = name.strip()
    if not said or len(said) > _LONGEST_NAME or not said.isprintable():
        raise Refused(f"A view needs a name of at most {_LONGEST_NAME} characters: write it.")
    if len(query) > _MOST_FILTERS or any(len(text) > _LONGEST for pair in query.items() for text in pair):
        raise Refused("The view has more filters than are kept, or longer ones: take some away.")
    c = SAVED_VIEW.c
    mine = (c.page == page) & (c.owner == owner)
    connection.execute(SAVED_VIEW.delete().where(mine & (c.name == said)))
    kept: int = connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one()
    if kept >= MOST:
        raise Refused(f"You have {MOST} views: remove one first.")
    values = {
        "page": page,
        "owner": owner,
        "name": said,
        "query": msgspec.json.encode(dict(query)).decode(),
        "shared": int(shared),
        "at": at,
    }
    made: int = connection.execute(SAVED_VIEW.insert().values(values).returning(c.id)).scalar_one()
    _record(connection, "saved", at, owner, made, {"page": page, "name": said, "shared": shared})
    return View(id=made, page=page, owner=owner, name=said, query=dict(query), shared=shared, at=at)


def remove(connection: sa.Connection, *, number: int, by: str, at: int) -> None:
    """Forget a view."""
    connection.execute(SAVED_VIEW.delete().where(SAVED_VIEW.c.id == number))
    _record(connection, "removed", at, by, number, {})


def _record(connection: sa.Connection, word: str, at: int, by: str, number: int, facts: dict[str, Fact]) -> None:
    audit.record(connection, at=at, actor=by, action=f"view.{word}", about=str(number), facts=facts)


def _view(row: sa.Row[Any]) -> View:
    return View(
        id=row.id,
        page=row.page,
        owner=row.owner,
        name=row.name,
        query=msgspec.json.decode(row.query, type=dict[str, str]),
        shared=bool(row.shared),
        at=row.at,
    )
