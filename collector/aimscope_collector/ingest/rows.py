"""Cells, looks and runs → what the database keeps: ids for names, ranks for words, nothing out of bounds."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from aimscope_collector.ingest.directory import Identity
from aimscope_collector.ingest.facts import without_home
from aimscope_collector.ingest.limits import Limits
from aimscope_collector.store.sightings import Row
from aimscope_signatures import wire
from aimscope_signatures.kinds import IDENTITIES, KINDS, PRESENCES

_IDENTITY: Final = {name: rank for rank, name in enumerate(IDENTITIES)}
_PRESENCE: Final = {name: rank for rank, name in enumerate(PRESENCES)}
_DETAILS: Final = {
    kind.name: frozenset(
        name
        for name, field in kind.fields.items()
        if name not in kind.evidence
        and name not in ("bytes_out", "bytes_in")
        and not field.personal
        and not field.local
    )
    for kind in KINDS.values()
}
"""Fields that may describe a piece of evidence, by kind: no person's, none that is for matching only."""


class Ids(msgspec.Struct, frozen=True):
    """Ids of what one report names; a fact that is not kept has none."""

    epoch: int
    facts: Sequence[tuple[int, str] | None]
    subjects: Mapping[str, int]
    assets: Mapping[str, int]


def months(now: int, limits: Limits) -> tuple[int, int]:
    """The first and last month that is kept, as year × 100 + month."""
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    number = today.year * 12 + today.month - 1
    first, last = number - limits.months_back, number + limits.months_ahead
    return first // 12 * 100 + first % 12 + 1, last // 12 * 100 + last % 12 + 1


def rows_of(
    cells: Sequence[wire.Cell], ids: Ids, agent: Identity, bounds: tuple[int, int], bad: Counter[str]
) -> tuple[list[Row], list[tuple[int, str, int]]]:
    """Rows and details; what is not kept is counted in ``bad``."""
    rows: list[Row] = []
    details: list[tuple[int, str, int]] = []
    facts, count, number, epoch = ids.facts, len(ids.facts), agent.id, ids.epoch
    subjects, assets = {"": 0, **ids.subjects}, {"": agent.asset, **ids.assets}
    earliest, latest = bounds
    for cell in cells:
        fact = facts[cell.fact] if cell.fact < count else None
        if fact is None:
            bad["a cell without a fact"] += 1
            continue
        month = cell.month
        if not earliest <= month <= latest or not 1 <= month % 100 <= 12:
            bad["a cell of a month far from now"] += 1
            continue
        if cell.first > cell.last:
            bad["a cell that ends before it begins"] += 1
            continue
        rows.append(
            (
                month,
                number,
                epoch,
                assets[cell.asset],
                fact[0],
                subjects[cell.subject],
                cell.count,
                cell.first,
                cell.last,
                cell.bytes_out,
                cell.bytes_in,
                cell.days,
                _IDENTITY[cell.identity],
                _PRESENCE[cell.presence],
            )
        )
        if cell.details:
            declared = _DETAILS[fact[1]]
            kept = {name: text for name, text in cell.details if name in declared}
            if kept:
                details.append((fact[0], msgspec.json.encode(kept, order="sorted").decode(), cell.last))
    return rows, details


def tidy(
    looks: Sequence[wire.Look], runs: Sequence[wire.Run], bounds: tuple[int, int], bad: Counter[str]
) -> tuple[list[wire.Look], list[wire.Run]]:
    """Looks and runs that can be kept: no NUL characters, days near now, no profile's path."""
    earliest, latest = bounds
    kept_looks: list[wire.Look] = []
    for look in looks:
        if not earliest <= look.day // 100 <= latest:
            bad["a look on a day far from now"] += 1
        elif "\0" in look.sensor + look.source + look.reason + look.remedy:
            bad["a look with a NUL character"] += 1
        else:
            source = without_home(look.source) if "/" in look.source or "\\" in look.source else look.source
            kept_looks.append(look if source == look.source else msgspec.structs.replace(look, source=source))
    kept_runs = [run for run in runs if "\0" not in run.mode + run.catalogue + run.policy]
    if len(kept_runs) < len(runs):
        bad["a run with a NUL character"] += len(runs) - len(kept_runs)
    return kept_looks, kept_runs
