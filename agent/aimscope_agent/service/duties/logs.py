"""Logs that grow and syslog that arrives, as long as the agent runs."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import cast

from aimscope_agent.formats._time import zone_of
from aimscope_agent.host.live import now as own
from aimscope_agent.intake import following
from aimscope_agent.intake.following import LogWatch
from aimscope_agent.intake.listening import SyslogWatch
from aimscope_agent.intake.syslog import ListenError, Syslog, endpoint
from aimscope_agent.ledger import Ledger
from aimscope_agent.logs.registry import formats
from aimscope_agent.logs.scanning import Workshop
from aimscope_agent.service.clock import of_child
from aimscope_agent.service.desk import Desk, DeskLedger
from aimscope_agent.service.frames import Task
from aimscope_agent.service.knowledge import curtain, open_catalogue, own_maps
from aimscope_agent.service.looks import Record, looks_of
from aimscope_agent.service.telling import Looks, Telling

MODE = "logs"
_PAUSE = 0.5
_LAST_LOOKS = 5


def duty(task: Task, desk: Desk) -> None:
    """Follow and listen until the agent says stop. Raises ``LedgerError``, ``ValueError`` and ``ListenError``."""
    config = task.config.logs
    catalogue = open_catalogue(Path(task.trust), desk.notice)
    zone_of(config.zone)
    known = dict(formats(own_maps()))
    if config.format and config.format not in known:
        raise ValueError(f"logs.format: no format {config.format!r}; `aimscope logs formats` lists them")
    form = known.get(config.format)
    now = of_child(own, task.ahead)
    workshop = Workshop(known, catalogue, curtain(task.config, task.key))
    record = Record(
        uid=task.uid,
        sequence=task.sequence,
        mode=MODE,
        started=now(),
        catalogue=catalogue.version,
        policy=task.policy,
    )
    ledger = cast("Ledger", DeskLedger(desk, task.places, record.saw))
    with contextlib.ExitStack() as open_things:
        logs = arrivals = None
        if config.paths:
            paths = [Path(path).absolute() for path in config.paths]
            from_end = config.from_end or task.afresh
            logs = LogWatch(paths, ledger, workshop, zone=config.zone, form=form, from_end=from_end)
            open_things.callback(logs.close)
        if config.syslog:
            listener = _listener(task)
            open_things.callback(listener.close)
            arrivals = SyslogWatch(listener, ledger, workshop, zone=config.zone, form=form)
        telling = Telling(desk, record, time.monotonic(), now())
        while not desk.stopping.is_set():
            if logs:
                logs.step(time.monotonic(), now(), stop=desk.stopping.is_set)
            pause = 0.0 if logs and logs.behind else _PAUSE
            if arrivals:
                arrivals.step(time.monotonic(), now(), timeout=pause)
            elif pause:
                desk.stopping.wait(pause)
            if telling.is_due(time.monotonic(), now()):
                telling.tell(_looks(task, record, logs, arrivals, now()), now())
        if arrivals:
            for _ in range(_LAST_LOOKS):  # what has reached this machine is not left lying
                arrivals.step(time.monotonic(), now(), timeout=_PAUSE / _LAST_LOOKS)
            arrivals.finish(now())  # logs are read again from where they are; what came is here and nowhere else
        telling.tell(_looks(task, record, logs, arrivals, now()), now())


def _looks(task: Task, record: Record, logs: LogWatch | None, arrivals: SyslogWatch | None, at: int) -> Looks:
    looks: Looks = ()
    for watch, emits in ((logs, following.EMITS), (arrivals, following.EMITS)):
        if watch:
            coverage = watch.coverage()
            record.looked(coverage)
            looks += looks_of(coverage, emits, task.sequence, at)
    return looks


def _listener(task: Task) -> Syslog:
    config = task.config.logs
    places = tuple(endpoint(text, allow_plain=config.allow_plain) for text in config.syslog)
    files = (Path(name) if name else None for name in (config.certificate, config.key, config.client_ca))
    certificate, key, client_ca = files
    if any(text.startswith("tls:") for text in config.syslog) and certificate is None:
        raise ListenError("logs.syslog: tls:// needs logs.certificate and logs.key")
    return Syslog(places, certificate=certificate, key=key, client_ca=client_ca)
