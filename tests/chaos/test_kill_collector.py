"""RELIABILITY 1, 4, 5: the collector is killed between any two steps while agents report, repeat and reorder."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import power
from tests.chaos.collector import Place, Running, running
from tests.chaos.crowd import Crowd, say

SCHEDULES = int(os.environ.get("AIMSCOPE_CHAOS_SCHEDULES", "25"))
SEED = int(os.environ.get("AIMSCOPE_CHAOS_SEED", "7"))
_LOSSES = max(6, SCHEDULES // 10)
"""Schedules in which a spoilt collector has to be caught, and in which power is lost."""
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60 + 30 * SCHEDULES)]


class Schedule:
    """When one collector dies: at a step of its own, or at a moment."""

    def __init__(self, number: int) -> None:
        rng = random.Random(f"{SEED} {number}")
        self.number = number
        self.fatal = int(10 ** rng.uniform(0.7, 3.4)) if rng.random() < 0.7 else 0
        self.seconds = 5.0 if self.fatal else rng.uniform(0.02, 0.6)

    def __str__(self) -> str:
        how = f"step {self.fatal}" if self.fatal else f"after {self.seconds:.3f} s"
        return f"seed {SEED}, schedule {self.number}: killed at {how}"


async def _report(crowd: Crowd, collector: Running, seconds: float) -> None:
    """Agents report, and at the end of the time the collector is killed under their requests."""

    async def killer() -> None:
        await asyncio.sleep(seconds)
        collector.kill()

    late = asyncio.create_task(killer())
    await crowd.report(collector.url, lambda: collector.alive)
    late.cancel()


def test_nothing_acknowledged_is_lost_and_nothing_counted_twice(where: str, tmp_path: Path) -> None:
    place = Place(where, tmp_path / "place")
    crowd = Crowd(where, place.keys, 16, SEED)
    history: list[str] = []
    for number in range(SCHEDULES):
        schedule = Schedule(number)
        with running(place, fatal=schedule.fatal) as collector:
            asyncio.run(_report(crowd, collector, schedule.seconds))
            collector.kill()
        history.append(f"{schedule} ({collector.killed_at()}); {crowd.told()}")
        faults = crowd.faults()
        assert not faults, "\n".join([*history[-5:], *faults[:20]])
    with running(place) as collector:
        asyncio.run(crowd.drain([collector.url]))
    assert not crowd.differences(), "\n".join(history)
    say(f"{SCHEDULES} kills: {crowd.told()}; 0 lost, 0 over-counted")


def _detected(where: str, folder: Path, spoil: str, lose: Callable[[int], None] | None, shim: Path | None) -> list[str]:
    """What the same test finds with a collector that is spoilt; at most a few schedules."""
    place = Place(where, folder / "place")
    crowd = Crowd(where, place.keys, 16, SEED)
    environment = power.environment(shim, folder) if shim else {}
    if shim:
        power.begin(folder, Path(where))
    for number in range(_LOSSES):
        schedule = Schedule(number)
        with running(place, fatal=schedule.fatal, spoil=spoil, environment=environment) as collector:
            asyncio.run(_report(crowd, collector, schedule.seconds))
            collector.kill()
        if lose is not None:
            lose(number)
        try:
            faults = crowd.faults()
        except Exception as error:  # noqa: BLE001 - a database that cannot be read is what is looked for
            faults = [f"{type(error).__name__}: {error}"]
        if faults:
            return faults
        if shim:
            power.begin(folder, Path(where))
    return []


def test_a_collector_that_acknowledges_before_it_commits_is_caught(where: str, tmp_path: Path) -> None:
    assert _detected(where, tmp_path, "early", None, None), "the harness is blind to early acknowledgements"


def test_a_collector_that_counts_twice_is_caught(tmp_path: Path) -> None:
    where = str(tmp_path / "collector.db")
    assert _detected(where, tmp_path, "twice", None, None), "the harness is blind to what is counted twice"


@pytest.mark.parametrize("spoil", ["", "unsynced"])
def test_power_is_lost(spoil: str, tmp_path: Path) -> None:
    shim = power.build(tmp_path)
    if shim is None:
        pytest.skip("no C compiler: writes that were not synced cannot be dropped")
    where = str(tmp_path / "disk" / "collector.db")
    (tmp_path / "disk").mkdir()
    faults = _detected(
        where, tmp_path, spoil, lambda number: power.lose(tmp_path, Path(where), random.Random(number)), shim
    )
    if spoil:
        assert faults, "the harness is blind to writes that were not synced"
    else:
        assert not faults, "\n".join(faults[:20])
