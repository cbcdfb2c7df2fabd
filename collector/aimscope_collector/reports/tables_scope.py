"""Item 9: what the management system covers, against what is in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.tables import Reading, Table, columns, moment
from aimscope_collector.store import audit


def _scope_units(reading: Reading) -> Iterator[Sequence[Value]]:
    services: dict[str, set[str]] = defaultdict(set)
    for use in reading.used:
        services[use.unit].add(use.service)
    for path, unit in reading.units.items():
        if reading.view.reaches(path):
            scope = {"in": "in", "out": "out", "not_yet": "not yet"}[unit.scope]
            yield path, path, scope, unit.justification or None, len(services[path])


def _scope_changes(reading: Reading) -> Iterator[Sequence[Value]]:
    found = audit.entries(reading.connection, actions=("unit.",), since=reading.since, until=reading.until, limit=None)
    for entry in found:
        if entry.action in ("unit.scope", "unit.created") and reading.view.reaches(entry.about):
            scope, why = entry.facts.get("scope"), entry.facts.get("why")
            yield str(entry.sequence), moment(entry.at), entry.actor, entry.action, entry.about, scope, why or None


def _scope_systems(reading: Reading) -> Iterator[Sequence[Value]]:
    """Services in use, and whether the inventory's row puts them inside the management system."""
    for service in sorted({use.service for use in reading.used} - {""}):
        said = tuple(row.use for row in reading.rules.about(service))
        inside = {use.scope.in_aims for use in said}
        delta = (
            "not in the register"
            if not said
            else "the register does not say"
            if inside == {None}
            else "inside"
            if True in inside
            else "outside"
        )
        why = "; ".join(sorted({use.scope.justification for use in said if use.scope.justification}))
        units = sorted({use.unit or "(no unit)" for use in reading.used if use.service == service})
        yield service, reading.name_of(service), delta, why or None, len(units), ", ".join(units[:10])


TABLES: Final = (
    Table(
        name="scope-units",
        title="Scope by unit",
        says="Which units the management system covers, and how many services were seen in each all the same.",
        item=9,
        controls=("42001:4.3",),
        columns=columns(
            ("id", "Row"),
            ("unit", "Unit"),
            ("scope", "In scope"),
            ("why", "Justification", "none is needed for a unit in scope"),
            ("services", "Services seen in the period"),
            off_paper="id",
        ),
        rows=_scope_units,
        empty="There are no units: the scope is not described.",
    ),
    Table(
        name="scope-delta",
        title="Services in use against the scope",
        says="Whether the register puts what was seen inside the management system or outside.",
        item=9,
        controls=("42001:4.3", "42001:A.4.2"),
        columns=columns(
            ("id", "Service id"),
            ("service", "Service"),
            ("delta", "By the register"),
            ("why", "Justification"),
            ("units", "Units"),
            ("which", "The first ten"),
            off_paper="id",
        ),
        rows=_scope_systems,
        empty="Nothing was seen in the period.",
    ),
    Table(
        name="scope-changes",
        title="Changes of the scope",
        says="Units that were made, taken into scope or out of it within the period, as the audit log has it.",
        item=9,
        controls=("42001:4.3", "42001:6.3"),
        needs=("audit:read",),
        columns=columns(
            ("id", "Audit entry"),
            ("at", "When"),
            ("by", "By"),
            ("what", "What"),
            ("unit", "Unit"),
            ("scope", "Scope"),
            ("why", "Why", "none is needed for a unit in scope"),
        ),
        rows=_scope_changes,
        empty="The scope did not change within the period.",
    ),
)
