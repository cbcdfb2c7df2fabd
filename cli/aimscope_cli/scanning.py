"""From a host to a report: the steps of a scan, in order. Time and identity come in here and nowhere deeper."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import msgspec

from aimscope_agent.host.machine import Host
from aimscope_agent.host.tree import clean
from aimscope_agent.recognise import Recogniser
from aimscope_agent.registry import sensors
from aimscope_agent.scan import scan
from aimscope_agent.sensor import Options, Sensor
from aimscope_cli import state
from aimscope_cli.concluding import Outcome, conclude, prepare
from aimscope_cli.output import Failure, debugging, trace
from aimscope_cli.progress import progress
from aimscope_cli.report import Report
from aimscope_signatures.matcher import Matcher


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
    setting = prepare(request.inventory, request.unit)
    started = _now(request)
    selected = chosen_sensors(request)
    options = request.options
    if setting.inventory and not options.organisation_domains:
        options = msgspec.structs.replace(options, organisation_domains=setting.inventory.organisation.domains)
    with progress(request.quiet) as tell:
        result = scan(
            request.host,
            selected,
            setting.catalogue.interests,
            options,
            now=started,
            digest_key=state.digest_key() if request.store else b"",
            clock=time.monotonic,
            progress=tell,
            debug=trace if debugging() else None,
        )
    recogniser = Recogniser(Matcher(setting.catalogue), request.host.name or request.described)
    for observations in result.observations.values():
        recogniser.take_all(observations)
    outcome = Outcome(
        scope=request.target,
        target=request.described,
        host=request.host.name,
        platform=request.host.platform,
        started=started,
        finished=max(started, _now(request)),
        sightings=recogniser.sightings(),
        coverage=result.coverage,
        emits={sensor.name: sensor.emits for sensor in selected},
    )
    return conclude(outcome, setting, store=request.store)


def _now(request: Request) -> int:
    """The time of a recording, or of this machine."""
    recorded: int = getattr(request.host, "now", 0)
    return recorded or int(time.time())
