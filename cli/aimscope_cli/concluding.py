"""From what was seen to a report, whoever looked: reconcile with the inventory, compare with the last scan."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec

from aimscope_agent.host.tree import clean
from aimscope_cli import inventories, state
from aimscope_cli import report as reports
from aimscope_cli.catalogues import open_catalogue
from aimscope_cli.report import Report
from aimscope_collector.authorisation import Place
from aimscope_collector.evidence import title
from aimscope_collector.findings import Reconciliation
from aimscope_collector.from_catalogue import services_of
from aimscope_collector.inventory.model import Ignore, Inventory
from aimscope_collector.reconcile import reconcile
from aimscope_collector.store.compare import Comparison, Scan
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.model import Coverage, Sighting, Status
from aimscope_signatures.version import __version__

_ENDPOINT = frozenset({"host", "code"})
"""Scopes of looks at one machine: what is seen is on it."""


class Setting(msgspec.Struct, frozen=True):
    """What a command judges by: read before a long look, so that a broken file is said at once."""

    catalogue: Catalogue
    inventory: Inventory | None
    inventory_path: Path | None
    ignores: tuple[Ignore, ...]
    unit: str


class Outcome(msgspec.Struct, frozen=True):
    """What somebody looked at and saw. ``emits`` tells which source could have shown which kinds."""

    scope: str
    target: str
    host: str
    platform: str
    started: int
    finished: int
    sightings: tuple[Sighting, ...]
    coverage: tuple[Coverage, ...]
    emits: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def prepare(inventory: Path | None, unit: str = "") -> Setting:
    """The catalogue, the inventory and the ignores in force. Raises ``Failure`` naming what is malformed."""
    catalogue = open_catalogue()
    found, path = inventories.find(inventory)
    return Setting(catalogue, found, path, inventories.local_ignores(), clean(unit))


def conclude(outcome: Outcome, setting: Setting, *, store: bool = False) -> Report:
    """The report. With ``store`` it is kept, and compared with the last one of the same host and scope."""
    place = Place(host=outcome.host, unit=setting.unit)
    # a machine without a name goes by the description of what was looked at
    here = outcome.host or (outcome.target if outcome.scope in _ENDPOINT else "")
    judged = reconcile(
        outcome.sightings,
        outcome.coverage,
        setting.inventory,
        services_of(setting.catalogue),
        unit=setting.unit,
        host=outcome.host,
        today=datetime.datetime.fromtimestamp(outcome.started, datetime.UTC).date(),
        places=lambda asset: place if asset == here else None,
        emits=outcome.emits,
        ignores=setting.ignores,
    )
    compared, notes = _compare(outcome, setting.catalogue) if store else (None, ())
    new, gone = _changes(judged, compared, setting.catalogue)
    rows = reports.rows_of(judged, new, compared is not None, here=here)
    notes += tuple(f"The exception for {ignore.service} ended on {ignore.expiry}." for ignore in judged.expired_ignores)
    return Report(
        aimscope_scan=reports.SCHEMA,
        version=__version__,
        catalogue=setting.catalogue.version,
        services=len(setting.catalogue),
        target=outcome.target,
        host=outcome.host,
        platform=outcome.platform,
        started=outcome.started,
        finished=outcome.finished,
        summary=reports.summary_of(rows),
        findings=rows,
        coverage=outcome.coverage,
        complete=reports.is_complete(outcome.coverage),
        weak=tuple(
            reports.hint_of(sighting, _name(sighting, setting.catalogue), here=here) for sighting in judged.weak
        ),
        ignored=len(judged.ignored),
        gone=gone,
        compared=compared is not None,
        inventory=_inventory(setting, judged),
        hints=_hints(outcome, setting, rows),
        notes=outcome.notes + notes,
    )


def _compare(outcome: Outcome, catalogue: Catalogue) -> tuple[Comparison | None, tuple[str, ...]]:
    from aimscope_collector.store.scans import remember

    kept = Scan(
        at=outcome.started,
        host=outcome.host,
        scope=outcome.scope,
        sightings=outcome.sightings,
        coverage=outcome.coverage,
        emits=outcome.emits,
        catalogue=catalogue.version,
    )
    remembered = remember(state.state_folder() / "scans.db", kept)
    return remembered.comparison, remembered.notes


def _changes(
    judged: Reconciliation, compared: Comparison | None, catalogue: Catalogue
) -> tuple[frozenset[reports.Use], tuple[str, ...]]:
    """What the last scan did not have, and the names of what nothing is left of."""
    if compared is None:
        return frozenset(), ()
    kept = set(map(reports.use_of, (*compared.unchanged, *compared.unsure)))
    gone = {reports.use_of(sighting): sighting for sighting in compared.gone}
    now = {reports.use_of(sighting) for finding in judged.findings for sighting in finding.evidence}
    # a service whose evidence is all new although there was some before has moved, not arrived
    new = frozenset(map(reports.use_of, compared.new)) - kept - gone.keys()
    names = (_name(gone[use], catalogue) for use in gone.keys() - kept - now)
    return new, tuple(sorted(name for name in names if name))


def _name(sighting: Sighting, catalogue: Catalogue) -> str:
    """What people call what was seen; empty for a service that has left the catalogue."""
    if not sighting.service:
        return title(sighting)
    return catalogue.entries[sighting.service].name if sighting.service in catalogue else ""


def _inventory(setting: Setting, judged: Reconciliation) -> reports.Inventory | None:
    if setting.inventory is None or setting.inventory_path is None:
        return None
    systems = len(setting.inventory.systems)
    return reports.Inventory(clean(str(setting.inventory_path)), systems, tuple(one.name for one in judged.unmatched))


def _hints(outcome: Outcome, setting: Setting, rows: Sequence[reports.Row]) -> tuple[str, ...]:
    found: list[str] = []
    if setting.inventory is None and rows and outcome.scope == "host":
        found.append("No inventory yet: `aimscope inventory init --from-scan` drafts one from this scan.")
    remedies = sorted({gap.remedy for part in outcome.coverage for gap in part.gaps if gap.remedy})
    if remedies:
        found.append(f"To see more: {'; '.join(remedies)}.")
    off = sorted(part.sensor for part in outcome.coverage if part.status is Status.OFF)
    if off and outcome.scope == "host":
        found.append(f"Off unless you allow them: {', '.join(off)} (--opt-in NAME; --plan says what each reads).")
    return tuple(found)
