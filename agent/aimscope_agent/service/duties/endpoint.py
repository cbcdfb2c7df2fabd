"""One scan of this machine."""

from __future__ import annotations

import time
from pathlib import Path

from aimscope_agent.host.live import now as own
from aimscope_agent.host.machine import Host
from aimscope_agent.recognise import Recogniser
from aimscope_agent.registry import sensors
from aimscope_agent.scan import scan
from aimscope_agent.sensor import Options, Sensor
from aimscope_agent.service.clock import of_child
from aimscope_agent.service.desk import Desk, clean
from aimscope_agent.service.frames import Task
from aimscope_agent.service.knowledge import curtain, open_catalogue
from aimscope_agent.service.looks import Record, looks_of
from aimscope_signatures import wire
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Coverage, Status


def chosen(task: Task) -> tuple[Sensor, ...]:
    """The sensors that run: those of the machine that are neither off nor ran away before."""
    left_out = {*task.config.endpoint.off, *task.without}
    return tuple(one for one in sensors() if one.target == "host" and one.name not in left_out)


def _host(root: str) -> Host:
    """The machine, or the tree that stands for it. Raises ``ValueError`` and ``OSError``."""
    if not root:
        from aimscope_agent.host.live import LiveHost  # noqa: PLC0415 - only one of both

        return LiveHost()
    from aimscope_agent.host.offline import OfflineHost  # noqa: PLC0415

    tree = Path(root)
    machine = tree / "machine.json"
    if machine.is_file() and (tree / "root").is_dir():
        return OfflineHost(tree / "root", machine)
    if not tree.is_dir():
        raise ValueError(f"endpoint.root: {root} is no folder")
    return OfflineHost(tree)


def duty(task: Task, desk: Desk) -> None:
    """Scan, and have it kept. Raises ``LedgerError`` and ``ValueError``."""
    now = of_child(own, task.ahead)
    host = _host(task.config.endpoint.root)
    started = getattr(host, "now", 0) or now()  # of a recording
    catalogue = open_catalogue(Path(task.trust), desk.notice)
    endpoint = task.config.endpoint
    selected = chosen(task)
    options = Options(probe_lan=endpoint.probe_lan, opt_in=frozenset(endpoint.opt_in))
    result = scan(
        host,
        selected,
        catalogue.interests,
        options,
        now=started,
        digest_key=task.key,
        clock=time.monotonic,
        progress=lambda step, *_: desk.begins(step),
    )
    desk.begins("match")
    recogniser = Recogniser(Matcher(catalogue), curtain=curtain(task.config, task.key))
    for observations in result.observations.values():
        recogniser.take_all(observations)
    record = Record(
        uid=task.uid,
        sequence=task.sequence,
        mode=task.mode,
        started=started,
        catalogue=catalogue.version,
        policy=task.policy,
    )
    found = [clean(sighting) for sighting in recogniser.sightings()]
    desk.begins("keep")
    desk.keep_many(found)
    record.saw(found)
    emits = {sensor.name: sensor.emits for sensor in selected}
    finished = now()
    coverage = list(result.coverage)
    coverage += [Coverage(name, Status.OFF) for name in endpoint.off if name not in task.without]
    looks: list[wire.Look] = []
    for part in coverage:
        record.looked(part)
        looks += looks_of(part, emits.get(part.sensor, ()), task.sequence, finished)
    for start in range(0, len(looks), 500):
        desk.keep(looks=tuple(looks[start : start + 500]))
    desk.keep(runs=(record.run(finished),))
