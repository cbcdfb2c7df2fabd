"""RELIABILITY 5, 21: a backup is put back, agents send everything again; two collectors share one database."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from tests.chaos.collector import Place, running
from tests.chaos.crowd import Crowd, say

pytestmark = pytest.mark.e2e


def _for(seconds: float) -> float:
    return time.monotonic() + seconds


def test_after_a_restored_backup_agents_send_everything_again(tmp_path: Path) -> None:
    where = tmp_path / "collector.db"
    place = Place(str(where), tmp_path / "place")
    crowd = Crowd(place.where, place.keys, 6, 7)
    backup = tmp_path / "backup.db"
    with running(place) as collector:
        end = _for(1.0)
        asyncio.run(crowd.report(collector.url, lambda: time.monotonic() < end))
        asyncio.run(crowd.drain([collector.url]))
        with sqlite3.connect(where) as connection:
            connection.execute("vacuum into ?", [str(backup)])
        connection.close()
        end = _for(1.0)
        asyncio.run(crowd.report(collector.url, lambda: time.monotonic() < end))
        asyncio.run(crowd.drain([collector.url]))
    for file in tmp_path.glob("collector.db*"):
        file.unlink()
    backup.rename(where)
    assert crowd.differences(), "the backup is as new as what it replaces: nothing is shown"
    with running(place) as collector:
        asked = 0
        for agent in crowd.agents:
            said = {"schema": 1, "epoch": agent.epoch, "acknowledged": agent.sequence, "sent": crowd.now}
            headers = {"authorization": f"Bearer {agent.uid}.{agent.secret}"}
            url = f"{collector.url}/v1/check-in"
            pace = httpx.post(url, json=said, headers=headers, timeout=10, trust_env=False).json()
            if pace.get("full_state"):
                asked += 1
                agent.dirty = set(agent.totals)
        assert asked == len(crowd.agents), "some were not asked for everything"
        asyncio.run(crowd.drain([collector.url]))
    assert not crowd.differences()
    say(f"{asked} agents were asked for everything; state equal to the truth")


def test_two_collectors_on_one_database_take_any_report(where: str, tmp_path: Path) -> None:
    if "://" not in where:
        pytest.skip("two collectors need PostgreSQL")
    place = Place(where, tmp_path / "place")
    crowd = Crowd(where, place.keys, 12, 7)
    with running(place) as one, running(place) as other:
        for _ in range(4):
            end = _for(0.6)
            asyncio.run(crowd.report(one.url, lambda end=end: time.monotonic() < end))  # type: ignore[misc]
            end = _for(0.6)
            asyncio.run(crowd.report(other.url, lambda end=end: time.monotonic() < end))  # type: ignore[misc]
        end = _for(1.5)
        asyncio.run(_both(crowd, one.url, other.url, end))
        assert not crowd.faults()
        asyncio.run(crowd.drain([one.url, other.url]))
    assert not crowd.differences()
    assert set(crowd.statuses) <= {200, 429}
    say(f"two collectors: {crowd.told()}")


async def _both(crowd: Crowd, one: str, other: str, end: float) -> None:
    """Every agent at both, each report at whichever is free."""
    await asyncio.gather(*(crowd.report(url, lambda: time.monotonic() < end) for url in (one, other)))
