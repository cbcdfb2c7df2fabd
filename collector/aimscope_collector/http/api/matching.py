"""Try the catalogue out: which service does a name, an address, a package or an extension give away?"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.params import QueryParameter

from aimscope_collector.http.given import Here
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.normalise import hostname
from aimscope_signatures.sections import SECTIONS

_MOST: Final = 50
_PREFIXES: Final = {
    "packages": ("pypi", "npm", "cargo", "gem", "nuget", "go", "composer", "conda"),
    "extensions": ("chrome", "firefox", "vscode", "jetbrains"),
    "apps": ("bundle", "winget", "msix", "dpkg", "snap", "flatpak", "cask", "brew", "choco", "scoop"),
}
"""Sections whose values carry where they are from: each is tried where the value says none."""


class Fitting(msgspec.Struct, frozen=True, kw_only=True):
    """A service that claims the value: in which section of its signature, by which value, and how sure that is."""

    service: str
    name: str
    section: str
    fits: str
    identity: str


class Tried(msgspec.Struct, frozen=True):
    """Every service that claims it, the surest first."""

    items: list[Fitting]
    catalogue: str


@get("/catalogue/match", opt={"needs": "services:read"}, sync_to_thread=True, tags=["services"])
def try_value(
    given: Here,
    value: Annotated[str, QueryParameter(min_length=1, max_length=2_048, description="Host, program, package …")],
) -> Tried:
    """Which services a value gives away, whatever kind of value it is."""
    matcher = given.matcher()
    found = {(one.service, one.section): one for one in _found(given, matcher, value.strip())}
    order = ("certain", "high", "medium", "low")
    items = sorted(found.values(), key=lambda one: (order.index(one.identity), one.service, one.section))
    return Tried(items[:_MOST], given.catalogue)


def _found(given: Here, matcher: Matcher, value: str) -> list[Fitting]:
    items = []
    for section in SECTIONS.keys() - {"keys"}:  # nobody should paste a credential to see whose it is
        for form in _forms(section, value):
            for hit in matcher.find(section, form):
                known = given.services.get(hit.service)
                items.append(
                    Fitting(
                        service=hit.service,
                        name=known.name if known else hit.service,
                        section=section,
                        fits=hit.value,
                        identity=hit.clause.identity,
                    )
                )
    return items


def _forms(section: str, value: str) -> list[str]:
    if section == "domains":
        return [hostname(value)] if " " not in value else []
    prefixes = _PREFIXES.get(section, ())
    return [value] if ":" in value or not prefixes else [f"{prefix}:{value}" for prefix in prefixes]


ROUTES: Final = (try_value,)
