"""The rows of an inventory, found by what they are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final

from aimscope_collector import evidence
from aimscope_collector.authorisation import Row
from aimscope_collector.inventory.model import AuthorisedUse, Inventory
from aimscope_collector.inventory.resolve import Index, Resolution, Unmatched, unmatched
from aimscope_collector.services import Service
from aimscope_signatures.model import Sighting

_SUGGESTED: Final = 20
"""Suggestions take time: so many unmatched names get some during a scan, all of them in ``inventory check``."""


class Rules:
    """An inventory, resolved against a catalogue: made once, and asked of every report. ``None`` has no rows."""

    def __init__(self, inventory: Inventory | None, services: Sequence[Service]) -> None:
        self.inventory = inventory
        self.known = {service.id: service for service in services}
        self._index = Index(services)
        self._resolutions = self._index.resolve_all(inventory.systems if inventory else ())
        self.systems: list[dict[str, Row]] = []
        """For each system of the inventory, the services it is about."""
        self._by_service: dict[str, list[Row]] = defaultdict(list)
        for resolution in self._resolutions:
            rows = {service: Row(resolution.use, by) for service, by in resolution.services.items()}
            self.systems.append(rows)
            for service, row in rows.items():
                self._by_service[service].append(row)

    @cached_property
    def unmatched(self) -> tuple[Unmatched, ...]:
        """Names that fit no service."""
        return unmatched(self._resolutions, self._index, limit=_SUGGESTED)

    def about(self, service: str) -> Sequence[Row]:
        """The rows about a service of the catalogue."""
        return self._by_service.get(service, ())

    def about_unknown(self, seen: Iterable[Sighting]) -> Sequence[Row]:
        """Rows that name a host, program, model or MCP server of something no catalogue knows: AI of one's own."""
        return self._own.rows(tuple(seen))

    @cached_property
    def _own(self) -> _Own:
        return _Own(self._resolutions)


class _Own:
    """What systems say of themselves, to find them by what no catalogue knows."""

    def __init__(self, resolutions: Sequence[Resolution]) -> None:
        self._uses: list[AuthorisedUse] = [resolution.use for resolution in resolutions]
        self._domains: dict[str, set[int]] = defaultdict(set)
        self._programs: dict[str, set[int]] = defaultdict(set)
        self._labels: dict[str, set[int]] = defaultdict(set)
        self._models: list[tuple[str, int]] = []
        for number, resolution in enumerate(resolutions):
            use = resolution.use
            for domain in (*use.allowed_domains, *use.domains):
                self._domains[domain].add(number)
            for program in use.allowed_processes:
                self._programs[program.casefold().removesuffix(".exe")].add(number)
            # whoever runs a server names it: a name counts only for a row that is about nothing of the catalogue
            for name in () if resolution.services else (use.name, *use.aliases):
                self._labels[name.casefold()].add(number)
            if use.model:
                self._models.append((use.model.casefold(), number))

    def rows(self, seen: Sequence[Sighting]) -> list[Row]:
        hosts = {host for sighting in seen for host in evidence.hosts(sighting)}
        programs = {name.casefold() for sighting in seen for name in evidence.programs(sighting)}
        labels = {label.casefold() for sighting in seen if (label := evidence.label(sighting))}
        domains = {number for host in hosts for name in _above(host) for number in self._domains.get(name, ())}
        names = {number for program in programs for number in self._programs.get(program, ())}
        names.update(number for label in labels for number in self._labels.get(label, ()))
        names.update(number for pattern, number in self._models if any(fnmatchcase(label, pattern) for label in labels))
        return [
            *(Row(self._uses[number], "domain") for number in domains),
            *(Row(self._uses[number], "name") for number in names - domains),
        ]


def _above(host: str) -> Iterable[str]:
    """A host name and every name above it."""
    while host:
        yield host
        host = host.partition(".")[2]
