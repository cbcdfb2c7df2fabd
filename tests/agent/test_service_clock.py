"""A machine whose clock is ten years off reports as if it were right; and a clock that once ran ahead is forgotten."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agent.at_work import HOST, Agent, Enrolling
from tests.agent.collector_at import served

from aimscope_agent.trust import Trust
from aimscope_agent.uplink import blocked
from aimscope_signatures import wire

YEARS = 10 * 365 * 86_400


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


@pytest.fixture
def collector() -> Iterator[Enrolling]:
    one = Enrolling()
    with served(one):
        yield one


def month_of(moment: int) -> int:
    day = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    return day.year * 100 + day.month


@pytest.mark.parametrize("off", [YEARS, -YEARS])
def test_totals_looks_and_runs_are_of_the_collectors_months(agent: Agent, collector: Enrolling, off: int) -> None:
    there = int(time.time()) - off
    collector.pace = wire.Pace(next_check_in=1, now=there)
    token = agent.folder / "token"
    token.write_text("let-me-in\n")
    agent.config["collector"] = {"url": collector.url, "token_file": str(token)}
    agent.config["endpoint"]["root"] = str(HOST / "root")  # without the moment of its recording
    with agent.running() as process:
        agent.until(lambda: agent.scanned() and collector.model.cells and not agent.status().get("pending"))
        assert any(f"days {'ahead' if off > 0 else 'behind'}" in text for text in agent.status()["notices"])
        assert agent.stop(process) == 0
    months = {month_of(there), month_of(there + 120)}
    assert {cell.month for cell in collector.model.cells.values()} <= months
    assert {look.day // 100 for look in collector.model.looks.values()} <= months
    assert all(there - 60 <= run.started <= run.finished <= there + 300 for run in collector.model.runs.values())
    assert abs(collector.check_ins[-1].sent - there) < 300
    said = [text for check_in in collector.check_ins for text in check_in.notices]
    assert any("the collector's is used" in text for text in said)


def test_a_clock_that_once_ran_ahead_is_said_and_forgotten_by_a_command(agent: Agent) -> None:
    folder = agent.state / "agent" / "trust"
    ahead = int(time.time()) + YEARS
    Trust(folder).observe(ahead)
    doctor = agent.do("doctor")
    assert "aimscope agent reset-clock" in doctor.stdout
    assert Trust(folder).clock == ahead, "looking changes nothing"
    done = agent.do("reset-clock")
    assert (done.returncode, "is forgotten" in done.stdout) == (0, True), done.stderr
    assert abs(Trust(folder).clock - time.time()) < 120
    again = agent.do("reset-clock")
    assert (again.returncode, "nothing is changed" in again.stdout) == (0, True)
    assert "reset-clock" not in agent.do("doctor").stdout


def test_what_blocks_feeds_is_told_where_the_collectors_time_shows_it() -> None:
    assert "reset-clock" in blocked(1_000_000, 1_000_000 - 86_400)
    assert blocked(1_000_000, 1_000_000 - 86_399) == ""
    assert blocked(1_000_000, 0) == ""
    assert blocked(0, 1_000_000) == ""
