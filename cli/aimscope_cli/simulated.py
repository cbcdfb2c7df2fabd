"""A simulation's own collector, from the inside: tokens to begin with, the truth to end with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aimscope_cli.collecting import drawn_token, now, opened
from aimscope_cli.progress import progress

if TYPE_CHECKING:
    from aimscope_collector.simulate.comparing import Verdict
    from aimscope_collector.simulate.plan import Fleet

_USES: Final = 2
"""Of a token for each machine: some are set up anew."""
_PATIENCE: Final = 300.0
"""Seconds for the collector to judge what it was told."""


def tokens(folder: Path, database: str | None, fleet: Fleet) -> dict[str, str]:
    """An enrolment token for each unit."""
    from aimscope_collector.store import agents, units
    from aimscope_collector.store.database import writing

    found: dict[str, str] = {}
    with opened(folder, database) as engine, writing(engine) as connection:
        for unit in fleet.units:
            units.ensure(connection, path=unit, actor="simulate", now=now())
            uses = max(1, _USES * sum(machine.unit == unit for machine in fleet.machines))
            found[unit] = agents.create_token(
                connection, draw=drawn_token, by="simulate", now=now(), uses=uses, unit=unit, note="simulation"
            )[1]
    return found


def judged(
    folder: Path,
    database: str | None,
    fleet: Fleet,
    names: Mapping[tuple[int, int], tuple[str, str]],
    *,
    quiet: bool,
) -> Verdict:
    """What the collector holds against the truth, once it has judged everything."""
    from aimscope_collector import founding, keys
    from aimscope_collector.simulate.comparing import compare, unjudged

    door = keys.load(folder / founding.KEYS).door()
    until = time.monotonic() + _PATIENCE
    with opened(folder, database) as engine, progress(quiet) as tell:
        while True:
            with engine.connect() as connection:
                left = unjudged(connection)
            if not left or time.monotonic() > until:
                break
            tell("services to be judged", 0, left)
            time.sleep(1)
        tell("comparing", 0, 1)
        with engine.connect() as connection:
            return compare(connection, fleet, names, door)
