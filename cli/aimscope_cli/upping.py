"""A collector and an agent of one machine, together: what `aimscope up` consists of."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import typer

from aimscope_agent.config import Collector
from aimscope_cli import loopback
from aimscope_cli.agents import folder
from aimscope_cli.collecting import drawn_token, folder_of, now, opened
from aimscope_cli.enrolling import enrol as enrolled
from aimscope_cli.enrolling import known
from aimscope_cli.output import Failure, hint, say
from aimscope_cli.settings import settings

_QUIET: Final = 2.5
"""Seconds without a new finding after which everything is judged."""
_PATIENCE: Final = 30.0


def check_free(url: str, config: Path | None) -> None:
    """Raises ``Failure`` where this machine reports to another collector: it is not taken away from there."""
    identity = known(folder())
    others = (settings(config).collector.url, folder().collector().url, identity.collector if identity else "")
    for other in others:
        if other and other != url:
            raise Failure(
                f"this machine reports to {other}: `aimscope agent once` scans it; "
                "with AIMSCOPE_STATE set to another folder, `aimscope up` leaves that alone"
            )


def collector_folder(*, quiet: bool) -> Path:
    """The folder of the collector, which is made where it is not there. Raises ``Failure``."""
    from aimscope_collector import founding

    place = folder_of(None)
    if not (place / founding.CONFIG).exists():
        made = loopback.found(place, None)
        if not quiet:
            hint(f"A collector was made in {place}.")
        hint(f"Administrator {made.admin}, first password {made.password} (shown this once, kept nowhere)")
    return place


def enrol(place: Path, url: str) -> None:
    """Make this machine the collector's agent, unless it is. Raises ``Failure``."""
    from aimscope_collector.store import agents
    from aimscope_collector.store.database import writing

    identity = known(folder())
    if identity is not None and identity.enrolled_at and identity.collector == url:
        return
    with opened(place, None) as engine, writing(engine) as connection:
        token = agents.create_token(connection, draw=drawn_token, by="up", now=now(), note="made by up")[1]
    enrolled(folder(), Collector(url=url), token, remember=True)


def show(place: Path) -> int:
    """The findings, once the collector has judged what it was told; the exit status that says what they mean."""
    from aimscope_cli.asking import asked
    from aimscope_cli.commands.findings.list import list_findings

    count, since, until = -1, time.monotonic(), time.monotonic() + _PATIENCE
    with asked(None, None, None, place) as asker:
        while time.monotonic() < min(since + _QUIET, until):
            found = len(asker.pages("/findings", 1_000_000))
            if found != count:
                count, since = found, time.monotonic()
            time.sleep(0.25)
    status = 0
    try:
        list_findings(folder=place)
    except typer.Exit as end:
        status = int(end.exit_code)
    _say_blind_spots(place)
    return status


def _say_blind_spots(place: Path) -> None:
    """What could not be looked at today: never shown as nothing found."""
    from aimscope_collector.store import coverage

    with opened(place, None) as engine, engine.connect() as connection:
        missed = [gap for gap in coverage.gaps(connection, since=now()) if gap.reason]
    for gap in missed:
        hint(f"Not all looked at: {gap.sensor}: {gap.reason}{f' ({gap.remedy})' if gap.remedy else ''}")


def say_where(url: str, place: Path) -> None:
    """How to go on."""
    say(f"Open {url} in a browser and log in. The API is described at {url}/api/v1/openapi.json.")
    hint(f"aimscope findings list --folder {place} shows what is found; Ctrl-C stops collector and agent.")
