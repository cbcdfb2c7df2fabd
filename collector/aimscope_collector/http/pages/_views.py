"""Saved views as a page lists them."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from aimscope_collector.http.api.views import Page, list_views
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.given import Here, Who


class Shortcut(msgspec.Struct, frozen=True):
    """A view as a link."""

    id: int
    name: str
    owner: str
    shared: bool
    mine: bool
    href: str


def views_for(given: Here, who: Who, page: Page) -> list[Shortcut]:
    """Those a person has on a page; their own first."""
    found = [
        Shortcut(one.id, one.name, one.owner, one.shared, one.owner == who.name, f"/{page}?{urlencode(one.query)}")
        for one in ask(list_views, given, who, page=page).items
    ]
    return sorted(found, key=_place)


def _place(one: Shortcut) -> tuple[bool, str]:
    return not one.mine, one.name.casefold()
