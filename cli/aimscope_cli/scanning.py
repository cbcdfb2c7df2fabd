"""From a host to a report: the steps of a scan, in order. Time and identity come in here and nowhere deeper."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Literal

import msgspec

from aimscope_agent.host.machine import Host
from aimscope_agent.host.tree import clean
from aimscope_agent.registry import sensors
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options, Sensor
from aimscope_cli import inventories, state
from aimscope_cli import report as reports
from aimscope_cli.catalogues import open_catalogue
from aimscope_cli.output import Failure, debugging, trace
from aimscope_cli.progress import progress
from aimscope_cli.report import Report
from aimscope_collector.evidence import title
from aimscope_collector.findings import Reconciliation
from aimscope_collector.from_catalogue import services_of
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.reconcile import reconcile
from aimscope_collector.store.compare import Comparison, Scan
from aimscope_collector.store.scans import remember
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.fold import fold
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Detection, Sighting, Status
from aimscope_signatures.unknown import candidate
from aimscope_signatures.version import __version__


class Request(msgspec.Struct, frozen=True):
    """What to scan, and how. ``described`` is how the target is called in the report."""

    target: Literal["host", "code"]
    host: Host
    options: Options
    described: str
    inventory: Path | None = None
    sensors: tuple[str, ...] = ()
    unit: str = ""
    store: bool = False
    quiet: bool = False


def chosen_sensors(request: Request) -> tuple[Sensor, ...]:
    """The sensors of the target, or those that were named. Raises ``Failure`` for a name that is none."""
    every = tuple(sensor for sensor in sensors() if sensor.target == request.target)
    names = {sensor.name for sensor in every}
    for name in (*request.sensors, *sorted(request.options.opt_in)):
        if name not in names:
            raise Failure(f"no sensor {name!r}; there are {', '.join(sorted(names))}")
    wanted = set(request.sensors)
    return tuple(sensor for sensor in every if not wanted or sensor.name in wanted | request.options.opt_in)


def run(request: Request) -> Report:
    """Scan, match, reconcile with the inventory, compare with the last scan."""
    # names of folders need not be text; a report is
    request = msgspec.structs.replace(request, described=clean(request.described), unit=clean(request.unit))
    catalogue = open_catalogue()
    inventory, inventory_path = inventories.find(request.inventory)
    ignores = inventories.local_ignores()
    started = _now(request)
    selected = chosen_sensors(request)
    options = request.options
    if inventory and not options.organisation_domains:
        options = msgspec.structs.replace(options, organisation_domains=inventory.organisation.domains)
    with progress(request.quiet) as tell:
        result = scan(
            request.host,
            selected,
            catalogue.interests,
            options,
            now=started,
            digest_key=state.digest_key() if request.store else b"",
            clock=time.monotonic,
            progress=tell,
            debug=trace if debugging() else None,
        )
    sightings = match(result, catalogue, request.host.name or request.described)
    emits = {sensor.name: sensor.emits for sensor in selected}
    judged = reconcile(
        sightings,
        result.coverage,
        inventory,
        services_of(catalogue),
        unit=request.unit,
        host=request.host.name,
        today=datetime.datetime.fromtimestamp(started, datetime.UTC).date(),
        emits=emits,
        ignores=ignores,
    )
    compared, notes = _compare(request, catalogue, sightings, result, emits, started)
    return _report(request, catalogue, result, judged, inventory, inventory_path, compared, notes, started)


def match(result: ScanResult, catalogue: Catalogue, asset: str) -> tuple[Sighting, ...]:
    """What the catalogue recognises among the observations, and AI in no catalogue, as sightings of one asset."""
    matcher = Matcher(catalogue)
    found: list[Detection] = []
    for observations in result.observations.values():
        for observation in observations:
            known = matcher.match(observation)
            unknown = candidate(observation, known)
            found += [*known, unknown] if unknown else known
    return fold(found, asset)


def _now(request: Request) -> int:
    """The time of a recording, or of this machine."""
    recorded: int = getattr(request.host, "now", 0)
    return recorded or int(time.time())


def _compare(
    request: Request,
    catalogue: Catalogue,
    sightings: tuple[Sighting, ...],
    result: ScanResult,
    emits: dict[str, tuple[str, ...]],
    started: int,
) -> tuple[Comparison | None, tuple[str, ...]]:
    if not request.store:
        return None, ()
    kept = Scan(
        at=started,
        host=request.host.name,
        scope=request.target,
        sightings=sightings,
        coverage=result.coverage,
        emits=emits,
        catalogue=catalogue.version,
    )
    remembered = remember(state.state_folder() / "scans.db", kept)
    return remembered.comparison, remembered.notes


def _report(
    request: Request,
    catalogue: Catalogue,
    result: ScanResult,
    judged: Reconciliation,
    inventory: Inventory | None,
    inventory_path: Path | None,
    compared: Comparison | None,
    notes: tuple[str, ...],
    started: int,
) -> Report:
    new, gone = _changes(judged, compared, catalogue)
    rows = reports.rows_of(judged, new, compared is not None)
    notes += tuple(f"The exception for {ignore.service} ended on {ignore.expiry}." for ignore in judged.expired_ignores)
    return Report(
        aimscope_scan=reports.SCHEMA,
        version=__version__,
        catalogue=catalogue.version,
        services=len(catalogue),
        target=request.described,
        host=request.host.name,
        platform=request.host.platform,
        started=started,
        finished=max(started, _now(request)),
        summary=reports.summary_of(rows),
        findings=rows,
        coverage=result.coverage,
        complete=reports.is_complete(result.coverage),
        weak=tuple(map(reports.evidence_of, judged.weak)),
        ignored=len(judged.ignored),
        gone=gone,
        compared=compared is not None,
        inventory=_inventory(inventory, inventory_path, judged),
        hints=_hints(request, rows, result, inventory),
        notes=notes,
    )


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


def _inventory(inventory: Inventory | None, path: Path | None, judged: Reconciliation) -> reports.Inventory | None:
    if inventory is None or path is None:
        return None
    return reports.Inventory(clean(str(path)), len(inventory.systems), tuple(one.name for one in judged.unmatched))


def _hints(
    request: Request, rows: tuple[reports.Row, ...], result: ScanResult, inventory: Inventory | None
) -> tuple[str, ...]:
    found: list[str] = []
    if inventory is None and rows and request.target == "host":
        found.append("No inventory yet: `aimscope inventory init --from-scan` drafts one from this scan.")
    remedies = sorted({gap.remedy for part in result.coverage for gap in part.gaps if gap.remedy})
    if remedies:
        found.append(f"To see more: {'; '.join(remedies)}.")
    off = sorted(part.sensor for part in result.coverage if part.status is Status.OFF)
    if off and request.target == "host":
        found.append(f"Off unless you allow them: {', '.join(off)} (--opt-in NAME; --plan says what each reads).")
    return tuple(found)
