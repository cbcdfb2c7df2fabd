"""RELIABILITY 2: the agent is killed between any two steps of ledger and uplink, and the collector now and then."""

from __future__ import annotations

import os
import random
import secrets
import time
import traceback
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from aimscope_collector.keys import load
from aimscope_collector.store.agents import create_token
from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, SUBJECT
from tests.chaos.agent import event, live
from tests.chaos.collector import Place, fork, free_port, running
from tests.chaos.crowd import Key, Total, say
from tests.chaos.steps import Steps

SCHEDULES = int(os.environ.get("AIMSCOPE_CHAOS_SCHEDULES", "25"))
SEED = int(os.environ.get("AIMSCOPE_CHAOS_SEED", "7"))
_LIVES = 5
"""Of the agent, in one of the collector."""
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60 + 30 * SCHEDULES)]


def _live(place: Place, url: str, token: str, events: int, now: int, fatal: int) -> str:
    """One life of the agent; where it ended."""
    told = place.folder / "agent-killed-at"
    told.unlink(missing_ok=True)
    child = fork()  # not started anew: what takes time is to import everything
    if not child:
        try:
            steps = Steps(fatal, told)
            live(place.folder / "agent", url, token, events=events, seed=SEED, now=now, steps=steps)
        except BaseException:  # noqa: BLE001 - whatever it is, no test goes on in this process
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -9), f"the agent ended with {status}"
    return told.read_text().strip() if told.exists() else "at its end"


def _truth(events: int, now: int) -> dict[tuple[int, Key], Total]:
    rows: dict[tuple[int, Key], Total] = {}
    for number in range(events):
        seen = event(number, SEED, now)
        key = (int(seen.month.replace("-", "")), (seen.evidence[0][1], seen.subject))
        known = rows.get(key)
        rows[key] = Total(
            seen.count + (known.count if known else 0),
            min(seen.first, known.first) if known else seen.first,
            max(seen.last, known.last) if known else seen.last,
            seen.days | (known.days if known else 0),
            0,
        )
    return rows


def _kept(place: Place) -> dict[tuple[int, Key], Total]:
    door = load(place.keys).door()
    names = {door.person_pseudonym(f"user{n}"): f"user{n}" for n in range(3)}
    c = SIGHTING.c
    joined = SIGHTING.join(EVIDENCE, EVIDENCE.c.id == c.evidence).join(SUBJECT, SUBJECT.c.id == c.subject)
    columns = (c.count.label("count_"), c.first, c.last, c.days)
    engine = connect(place.where)
    with engine.connect() as connection:
        wanted = sa.select(c.month, EVIDENCE.c.fields, SUBJECT.c.pseudonym, *columns).select_from(joined)
        rows = connection.execute(wanted).all()
    engine.dispose()
    found = {
        (row.month, (msgspec.json.decode(row.fields)["name"], names[row.pseudonym])): Total(
            row.count_, row.first, row.last, row.days, 0
        )
        for row in rows
    }
    assert len(found) == len(rows), "a total of another ledger"
    return found


def test_a_killed_agent_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "collector.db"), tmp_path / "place")
    now, port = int(time.time()), free_port()
    engine = connect(place.where)
    with writing(engine) as connection:
        token = create_token(connection, draw=lambda: secrets.token_urlsafe(32), by="test", now=now)[1]
    engine.dispose()
    rng = random.Random(SEED)
    history: list[str] = []
    for life in range(0, SCHEDULES, _LIVES):
        fatal = int(10 ** rng.uniform(1.5, 3))
        with running(place, fatal=fatal if life % 2 else 0, port=port) as collector:
            for _ in range(min(_LIVES, SCHEDULES - life)):
                events = 12 * (len(history) + 1)
                steps = int(10 ** rng.uniform(0.5, 3))
                if not collector.alive:
                    break
                history.append(f"seed {SEED}, step {steps}: {_live(place, collector.url, token, events, now, steps)}")
    total = 12 * (SCHEDULES + 1)
    with running(place, port=port) as collector:
        _live(place, collector.url, token, total, now, 0)
    assert (place.folder / "agent" / "done").exists()
    kept, truth = _kept(place), _truth(total, now)
    wrong = {key: (kept.get(key), truth.get(key)) for key in kept.keys() | truth.keys() if kept.get(key) != truth[key]}
    assert not wrong, "\n".join([*history, str(wrong)[:2_000]])
    say(f"{len(history)} kills of the agent: {sum(row.count for row in kept.values())} events, all kept once")
