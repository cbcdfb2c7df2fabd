"""RELIABILITY 6: clocks that are wrong, by minutes or years, or that jump, change no total."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import httpx
import pytest
import sqlalchemy as sa

from aimscope_collector.store.database import connect
from aimscope_collector.store.tables.fleet import AGENT
from tests.chaos.collector import Place, running
from tests.chaos.crowd import Crowd, Key, Reporter, Total, say

_HOUR: Final = 3_600
_DAY: Final = 86_400
_SKEWS: Final = (0, -3_650 * _DAY, -_DAY, -_HOUR, _HOUR, 3 * _DAY)
"""Seconds ahead. An hour is what a machine is wrong by that takes local time for UTC on the day clocks change."""
_ROUNDS: Final = 6
pytestmark = pytest.mark.e2e


def _turned(agent: Reporter, skew: int) -> None:
    """Its clock is wrong from now on: the same events at other times."""
    agent.rng.seed("all see the same")
    agent.now += skew
    agent.month = int(time.strftime("%Y%m", time.gmtime(agent.now)))


def _shape(rows: dict[Key, Total], skew: int) -> dict[Key, Total]:
    """Totals as they would be had the clock been right."""
    return {
        key: Total(row.count, row.first - skew, row.last - skew, row.days, row.bytes_out) for key, row in rows.items()
    }


def test_wrong_clocks_change_no_total(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "collector.db"), tmp_path / "place")
    crowd = Crowd(place.where, place.keys, len(_SKEWS), 7)
    for agent, skew in zip(crowd.agents, _SKEWS, strict=True):
        _turned(agent, skew)
    with running(place) as collector:
        for _ in range(_ROUNDS):
            for agent in crowd.agents:
                agent.grow()
            asyncio.run(crowd.drain([collector.url]))
        for number in range(len(_SKEWS)):
            crowd.now = crowd.agents[number].now
            assert crowd.check_in(collector.url, number) == 200
        time.sleep(2.5)  # signs of life are written once a second
    kept = crowd.kept()
    right = _shape(kept[crowd.agents[0].uid], 0)
    assert right
    engine = connect(place.where)
    with engine.connect() as connection:
        known = {row.uid: row.clock_skew for row in connection.execute(sa.select(AGENT.c.uid, AGENT.c.clock_skew))}
    engine.dispose()
    for agent, skew in zip(crowd.agents, _SKEWS, strict=True):
        assert abs(known[agent.uid] - skew) < 60, "nobody would know that the clock is wrong"
        assert _shape(kept[agent.uid], skew) == right
    say(f"{len(_SKEWS)} clocks, {len(right)} totals each: equal once each is read with its agent's clock")


def test_a_clock_that_jumps_within_a_day_counts_everything_once(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "collector.db"), tmp_path / "place")
    crowd = Crowd(place.where, place.keys, 1, 7)
    agent = crowd.agents[0]
    begin = agent.now
    with running(place) as collector:
        for jump in (0, 7 * _HOUR, -11 * _HOUR, 0, _HOUR, -_HOUR):
            agent.now = begin + jump
            agent.grow()
            asyncio.run(crowd.drain([collector.url]))
    assert not crowd.differences()
    assert sum(total.count for total in crowd.kept()[agent.uid].values())


def test_a_clock_ten_years_ahead_is_said_and_spoils_nothing(tmp_path: Path) -> None:
    """Months that far ahead are not kept: no reading could put them right. The agent and people are told."""
    place = Place(str(tmp_path / "collector.db"), tmp_path / "place")
    crowd = Crowd(place.where, place.keys, 1, 7)
    agent = crowd.agents[0]
    begin = agent.now
    headers = {"authorization": f"Bearer {agent.uid}.{agent.secret}", "content-encoding": "gzip"}
    with running(place) as collector:
        _turned(agent, 3_650 * _DAY)
        agent.grow()
        report = agent.fresh()
        assert report is not None
        body = agent.body(*report)
        url = f"{collector.url}/v1/ingest"
        pace = httpx.post(url, content=body, headers=headers, timeout=10, trust_env=False).json()
        assert "far from now" in pace["notice"]
        assert not crowd.kept()[agent.uid]
        agent.totals.clear()
        agent.dirty.clear()
        _turned(agent, begin - agent.now)
        agent.grow()
        asyncio.run(crowd.drain([collector.url]))
    assert not crowd.differences()
