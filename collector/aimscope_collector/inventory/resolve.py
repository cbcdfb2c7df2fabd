"""Which services of the catalogue each row of the inventory is about.

By catalogue id, else by allowed domain and by name (with the vendor, where the row has one), else by the hosts the
system is known by. Only exact agreement counts (letter case, spaces, punctuation and a vendor's legal form aside):
anything near is a suggestion for a person to confirm.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.services import Service, same_name, same_vendor, words

By = Literal["id", "domain", "name", "vendor", "category"]
"""What a row and a service agreed in, from the most to the least specific."""

BY: Final[tuple[By, ...]] = ("id", "domain", "name", "vendor", "category")
_MAX_SUGGESTIONS: Final = 3
_NEAR: Final = 0.6
_GENERIC: Final = frozenset(
    words("ai the for and of enterprise business team teams pro plus free edition assistant app")
)


class Resolution(msgspec.Struct, frozen=True):
    """The services a row is about, each with what it agreed in. ``unknown`` are ids and names that fit no service."""

    use: AuthorisedUse
    services: dict[str, By]
    unknown: tuple[str, ...] = ()


class Index:
    """The catalogue, by everything a row may name."""

    def __init__(self, services: Sequence[Service]) -> None:
        self.services = tuple(sorted(services, key=lambda service: service.id))
        self._ids = {service.id for service in self.services}
        self._names: dict[str, dict[str, Service]] = defaultdict(dict)
        self._domains: dict[str, set[str]] = defaultdict(set)
        self._patterns: list[tuple[str, str]] = []
        self._vendors: dict[str, set[str]] = defaultdict(set)
        self._categories: dict[str, set[str]] = defaultdict(set)
        for service in self.services:
            for name in (service.id, service.name, *service.aliases):
                self._names[same_name(name)][service.id] = service
            for domain in service.domains:
                if "*" in domain:
                    self._patterns.append((domain, service.id))
                else:
                    self._domains[domain].add(service.id)
            if service.vendor:
                self._vendors[same_vendor(service.vendor)].add(service.id)
            self._categories[service.category].add(service.id)

    def resolve(self, use: AuthorisedUse) -> Resolution:
        """The services one row is about."""
        found: dict[str, By] = {}
        unknown: list[str] = []
        for name in use.services:
            ids = {name} if name in self._ids else self._named(name, "")
            _add(found, ids, "id")
            if not ids:
                unknown.append(name)
        if not use.services and use.id in self._ids:
            _add(found, {use.id}, "id")
        if not found and not use.services:
            _add(found, self._at(use.allowed_domains), "domain")
            for name in (use.name, *use.aliases):
                _add(found, self._named(name, use.vendor), "name")
            if not found:
                _add(found, self._at(use.domains), "domain")
        for vendor in use.vendors:
            ids = self._vendors.get(same_vendor(vendor), set())
            _add(found, ids, "vendor")
            if not ids:
                unknown.append(vendor)
        for category in use.categories:
            ids = self._categories.get(category.casefold(), set())
            _add(found, ids, "category")
            if not ids:
                unknown.append(category)
        if not found and not unknown:
            unknown.append(use.name)
        return Resolution(use, found, tuple(unknown))

    def resolve_all(self, uses: Iterable[AuthorisedUse]) -> tuple[Resolution, ...]:
        """Every row, in its order."""
        return tuple(self.resolve(use) for use in uses)

    def _at(self, hosts: Iterable[str]) -> set[str]:
        """Services one of whose domains is a host or lies above it."""
        found: set[str] = set()
        for host in hosts:
            labels = host.split(".")
            for start in range(len(labels)):
                found |= self._domains.get(".".join(labels[start:]), set())
            found |= {service for pattern, service in self._patterns if _fits(host, pattern)}
        return found

    def _named(self, name: str, vendor: str) -> set[str]:
        """The one service of this name and vendor; nothing if the name leaves a choice or the vendor disagrees."""
        found = self._names.get(same_name(name), {}).values()
        ids = {service.id for service in found if not (vendor and service.vendor) or _agree(service.vendor, vendor)}
        return ids if len(ids) == 1 and same_name(name) else set()

    def suggest(self, name: str, vendor: str = "") -> tuple[Service, ...]:
        """Up to three services that a free-text name may mean, best first."""
        rated = ((self._nearness(name, vendor, service), service) for service in self.services)
        near = sorted(((-score, service.id, service) for score, service in rated if score >= _NEAR), key=_by_score)
        return tuple(service for _, _, service in near[:_MAX_SUGGESTIONS])

    def _nearness(self, name: str, vendor: str, service: Service) -> float:
        """From 0 to 1 and a little above: likeness of letters or of words, and a vendor that agrees."""
        best = max(_likeness(name, known) for known in (service.name, service.id, *service.aliases))
        if vendor and service.vendor and _agree(service.vendor, vendor):
            best += 0.2
        return best


def _add(found: dict[str, By], ids: Iterable[str], by: By) -> None:
    for one in sorted(ids):
        found.setdefault(one, by)


def _agree(one: str, other: str) -> bool:
    return same_vendor(one) == same_vendor(other)


def _fits(host: str, pattern: str) -> bool:
    """By label: a ``*`` does not cross a dot."""
    names, wanted = host.split("."), pattern.split(".")
    return len(names) == len(wanted) and all(map(fnmatchcase, names, wanted))


def _by_score(rated: tuple[float, str, Service]) -> tuple[float, str]:
    return rated[:2]


def _likeness(name: str, known: str) -> float:
    given, wanted = words(name[:200]), words(known)
    telling = set(given) - _GENERIC
    if not given or not wanted:
        return 0.0
    common = telling & set(wanted)
    of_words = len(common) / len(telling | (set(wanted) - _GENERIC)) if common else 0.0
    contained = 0.9 if common and (set(wanted) - _GENERIC) <= telling else 0.0
    shared = 0.6 if common else 0.0
    matcher = difflib.SequenceMatcher(None, "".join(given), "".join(wanted))
    of_letters = matcher.ratio() if matcher.quick_ratio() >= _NEAR else 0.0
    return max(of_letters, of_words, contained, shared)


SUGGESTED: Final = 200
"""Suggestions take time to find: so many names get some in one check."""


class Unmatched(msgspec.Struct, frozen=True):
    """A name of the inventory that fits no service, and up to three services it may mean, for a person to confirm."""

    use: AuthorisedUse
    name: str
    suggestions: tuple[Service, ...]


def unmatched(resolutions: Iterable[Resolution], index: Index, limit: int = SUGGESTED) -> tuple[Unmatched, ...]:
    """Every name that fits no service; beyond the first ``limit`` without suggestions, which take time to find."""
    found: list[Unmatched] = []
    for resolution in resolutions:
        for name in resolution.unknown:
            suggestions = index.suggest(name, resolution.use.vendor) if len(found) < limit else ()
            found.append(Unmatched(resolution.use, name, suggestions))
    return tuple(found)
