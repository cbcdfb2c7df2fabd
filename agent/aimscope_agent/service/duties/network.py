"""One scan of the networks that the configuration names."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aimscope_agent.host.live import now as own
from aimscope_agent.intake.netscan import Limits, fitted
from aimscope_agent.intake.netsurvey import EMITS, survey
from aimscope_agent.recognise import Recogniser
from aimscope_agent.servers import ports as port_list
from aimscope_agent.servers.targets import networks, permitted, read
from aimscope_agent.service.clock import of_child
from aimscope_agent.service.desk import Desk, clean
from aimscope_agent.service.frames import Task
from aimscope_agent.service.knowledge import curtain, open_catalogue
from aimscope_agent.service.looks import Record, looks_of
from aimscope_signatures.matcher import Matcher

MODE = "network"
_TIMEOUT = 0.5


def duty(task: Task, desk: Desk) -> None:
    """Scan, and have it kept. Raises ``LedgerError``, ``ValueError`` and ``OSError``."""
    now = of_child(own, task.ahead)
    started = now()
    config = task.config.network
    catalogue = open_catalogue(Path(task.trust), desk.notice)
    wanted = read(config.ranges)
    if wanted.names:
        raise ValueError(f"network.ranges: {', '.join(wanted.names[:4])} is no address or range")
    targets = permitted(
        wanted.spans,
        allow=networks(config.allow, "network.allow"),
        exclude=networks(config.exclude, "network.exclude"),
        allow_public=False,
        names={},
    )
    ports = port_list.read(config.ports) if config.ports else port_list.usual(catalogue)
    limits, _ = fitted(Limits(per_second=config.per_second, at_once=config.at_once, timeout=_TIMEOUT))
    recogniser = Recogniser(Matcher(catalogue), curtain=curtain(task.config, task.key))

    async def main() -> None:
        result = await survey(
            targets,
            ports,
            limits,
            recogniser,
            now=started,
            seed=task.seed,
            tell=lambda *_: None,
        )
        found = [clean(sighting) for sighting in recogniser.sightings()]
        record = Record(
            uid=task.uid,
            sequence=task.sequence,
            mode=task.mode,
            started=started,
            catalogue=catalogue.version,
            policy=task.policy,
        )
        desk.keep_many(found)
        record.saw(found)
        record.looked(result.coverage)
        finished = now()
        looks = looks_of(result.coverage, EMITS[result.coverage.sensor], task.sequence, finished)
        desk.keep(looks=looks, runs=(record.run(finished),))

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())
