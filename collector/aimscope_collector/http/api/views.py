"""Saved views of lists: one's own, and those that others share."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, post
from litestar.params import FromQuery, JSONBody, PathParameter

from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.store import views
from aimscope_collector.store.database import writing
from aimscope_collector.store.views import View

Page = Literal["findings", "inventory"]
Id = Annotated[int, PathParameter(ge=1, le=1 << 53)]
_Text = Annotated[str, msgspec.Meta(max_length=256)]


class Save(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A view to be kept. One of the same name is replaced."""

    page: Page = "findings"
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    query: Annotated[dict[_Text, _Text], msgspec.Meta(max_length=20)] = {}
    shared: bool = False


class Views(msgspec.Struct, frozen=True):
    """By name."""

    items: list[View]


class Removed(msgspec.Struct, frozen=True):
    """What is no longer there."""

    id: int


@get("/views", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["views"])
def list_views(given: Here, who: Who, page: FromQuery[Page] = "findings") -> Views:
    """One's own and those that are shared."""
    with given.engine.connect() as connection:
        return Views(views.views(connection, page=page, owner=who.name))


@post("/views", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["views"])
def save_view(given: Here, who: Who, data: JSONBody[Save]) -> View:
    """Keep a view. Those who decide may share one."""
    if data.shared and not who.may("findings:decide"):
        raise Failed(403, "forbidden", "Views are shared by those who decide: keep it for yourself.")
    with writing(given.engine) as connection:
        return views.save(
            connection,
            page=data.page,
            owner=who.name,
            name=data.name,
            query=data.query,
            shared=data.shared,
            at=given.now(),
        )


@delete("/views/{view:int}", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["views"], status_code=200)
def remove_view(given: Here, who: Who, view: Id) -> Removed:
    """Remove a view of one's own; one that is shared, also whoever changes settings."""
    with writing(given.engine) as connection:
        found = views.view(connection, view)
        if found is None or not (found.owner == who.name or (found.shared and who.may("settings:write"))):
            raise not_found("view")
        views.remove(connection, number=view, by=who.name, at=given.now())
    return Removed(view)


ROUTES: Final = (list_views, save_view, remove_view)
