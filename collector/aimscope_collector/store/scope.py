"""The register of the AIMS scope (ISO/IEC 42001, 4.3): units and systems, in, out or not yet, and why.

Entries are only ever added: the latest of a unit or system counts, and those before say what it was.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector.review import Refused
from aimscope_collector.store import audit
from aimscope_collector.store.tables.review import SCOPE

What = Literal["unit", "system"]
Place = Literal["in", "out", "not_yet"]
_LONGEST: Final = 4_000
_LONGEST_NAME: Final = 256
_MOST: Final = 20_000


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a unit or system was put, why, by whom and when."""

    id: int
    what: What
    name: str
    place: Place
    justification: str
    by: str
    at: int


def put(
    connection: sa.Connection, *, what: What, name: str, place: Place, justification: str, by: str, at: int
) -> Placed:
    """Add an entry. Raises ``Refused``."""
    said = name.strip().strip("/") if what == "unit" else name.strip()
    why = justification.strip()
    if not said or len(said) > _LONGEST_NAME or "\0" in said:
        raise Refused(f"The entry needs a name of at most {_LONGEST_NAME} characters: write it.")
    if not why or len(why) > _LONGEST or "\0" in why:
        raise Refused(f"The scope is justified in at most {_LONGEST:,} characters: write one sentence.")
    values = {"what": what, "name": said, "place": place, "justification": why, "by": by, "at": at}
    made: int = connection.execute(SCOPE.insert().values(values).returning(SCOPE.c.id)).scalar_one()
    audit.record(connection, at=at, actor=by, action="scope.decided", about=f"{what}:{said}", facts={"place": place})
    return Placed(id=made, what=what, name=said, place=place, justification=why, by=by, at=at)


def register(connection: sa.Connection) -> list[Placed]:
    """What counts, by kind and name."""
    c = SCOPE.c
    latest = sa.select(sa.func.max(c.id)).group_by(c.what, sa.func.lower(c.name))
    query = sa.select(SCOPE).where(c.id.in_(latest)).order_by(c.what.desc(), c.name).limit(_MOST)
    return list(map(_placed, connection.execute(query)))


def history(connection: sa.Connection, *, limit: int = 200) -> list[Placed]:
    """Every entry, the newest first."""
    query = sa.select(SCOPE).order_by(SCOPE.c.id.desc()).limit(limit)
    return list(map(_placed, connection.execute(query)))


def _placed(row: sa.Row[Any]) -> Placed:
    return Placed(**{name: getattr(row, name) for name in Placed.__struct_fields__})
