"""The register of the AI management system's scope (ISO/IEC 42001, 4.3)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.params import JSONBody

from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import scope
from aimscope_collector.store.database import writing
from aimscope_collector.store.scope import Place, Placed, What


class Put(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a unit or system belongs, and why."""

    what: What
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    place: Place
    justification: Annotated[str, msgspec.Meta(max_length=4_000)]


class Register(msgspec.Struct, frozen=True):
    """What counts, and the entries (the last two hundred) it came from, the newest first."""

    items: list[Placed]
    history: list[Placed]


@get("/scope", opt={"needs": "inventory:read"}, sync_to_thread=True, tags=["scope"])
def show_scope(given: Here) -> Register:
    """The register."""
    with given.engine.connect() as connection:
        return Register(scope.register(connection), scope.history(connection))


@post("/scope", opt={"needs": "inventory:write"}, sync_to_thread=True, tags=["scope"])
def put_scope(given: Here, who: Who, data: JSONBody[Put]) -> Placed:
    """Decide about a unit or system. What was decided before stays on record."""
    if who.units:
        raise Failed(403, "forbidden", "The scope is the whole organisation's: your account has limits.")
    with writing(given.engine) as connection:
        return scope.put(
            connection,
            what=data.what,
            name=data.name,
            place=data.place,
            justification=data.justification,
            by=who.name,
            at=given.now(),
        )


ROUTES: Final = (show_scope, put_scope)
