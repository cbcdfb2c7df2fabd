"""Reports merge to the same state whatever happens to them on the way: against a model in plain Python."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.interning import Wanted, intern
from aimscope_collector.store.sightings import Batch, Row, merged_look
from aimscope_collector.store.tables.fleet import AGENT, ASSET
from aimscope_collector.store.tables.sightings import COVERAGE, DETAIL, RUN, SIGHTING
from aimscope_collector.store.writer import Writer
from aimscope_signatures import wire
from aimscope_signatures.model import Status

_numbers = itertools.count(1)
_maybe = st.none() | st.integers(0, wire.LARGEST)
_values = st.tuples(
    *(st.integers(0, wire.LARGEST), st.integers(-wire.LARGEST, wire.LARGEST), st.integers(-wire.LARGEST, wire.LARGEST)),
    *(_maybe, _maybe, st.integers(0, (1 << 31) - 1), st.integers(0, 3), st.integers(0, 5)),
)
_keys = st.tuples(st.sampled_from([202510, 202511]), st.integers(1, 2), st.integers(1, 3), st.integers(0, 2))
_looks = st.builds(
    wire.Look,
    sensor=st.sampled_from(["a", "b"]),
    source=st.sampled_from(["", "~/x"]),
    day=st.integers(20251101, 20251103),
    sequence=st.integers(0, 3),
    status=st.sampled_from(Status),
    reason=st.sampled_from(["", "why"]),
    counts=st.dictionaries(st.sampled_from(["files", "rows"]), st.integers(0, 9)).map(lambda each: tuple(each.items())),
    emits=st.lists(st.sampled_from(["k", "l"])).map(tuple),
    at=st.integers(0, 3),
)
_runs = st.builds(
    wire.Run,
    uid=st.sampled_from(["r1", "r2"]),
    sequence=st.integers(0, 2),
    mode=st.just("once"),
    started=st.just(1),
    finished=st.integers(1, 2),
    catalogue=st.just(""),
    policy=st.just(""),
    complete=st.booleans(),
    sightings=st.integers(0, 3),
    digest=st.sampled_from(["0" * 64, "1" * 64]),
)
_details = st.tuples(st.integers(1, 3), st.sampled_from(['{"v":"1"}', '{"v":"2"}', '{"v":"Z"}']), st.integers(1, 3))
_reports = st.lists(
    st.tuples(
        st.lists(st.tuples(_keys, _values), max_size=5),
        st.lists(_looks, max_size=3),
        st.lists(_runs, max_size=2, unique_by=lambda run: run.uid),
        st.lists(_details, max_size=2),
    ),
    min_size=1,
    max_size=4,
)


def _model(rows: Sequence[Row]) -> list[Row]:
    merged: dict[tuple[int, ...], list[Any]] = {}
    for row in rows:
        known = merged.get(row[:6])
        if known is None:
            merged[row[:6]] = list(row[6:])
            continue
        new = row[6:]
        merged[row[:6]] = [
            *(max(known[0], new[0]), min(known[1], new[1]), max(known[2], new[2])),
            *(
                max((each for each in pair if each is not None), default=None)
                for pair in zip(known[3:5], new[3:5], strict=True)
            ),
            *(known[5] | new[5], max(known[6], new[6]), max(known[7], new[7])),
        ]
    return sorted((*key, *values) for key, values in merged.items())


def _state(engine: sa.Engine, agent: int) -> list[Any]:
    with engine.connect() as connection:
        found = []
        for table in (SIGHTING, DETAIL, COVERAGE, RUN):
            wanted = table.select().where(table.c.agent == agent).order_by(*table.primary_key.columns)
            found.append([tuple(row) for row in connection.execute(wanted)])
        return found


def _new_agent(engine: sa.Engine) -> tuple[int, int]:
    """An agent and its ledger."""
    uid = f"a{next(_numbers)}"
    with writing(engine) as connection:
        seen = {"first_seen": 1, "last_seen": 1}
        asset = connection.execute(ASSET.insert().returning(ASSET.c.id).values(pseudonym=uid, **seen)).scalar_one()
        values = {"uid": uid, "asset": asset, "secret": "", "machine": "", "enrolled_at": 1, "last_seen": 1}
        agent = connection.execute(AGENT.insert().returning(AGENT.c.id).values(**values)).scalar_one()
        return agent, intern(connection, Wanted(agent=agent, at=1, epoch="e")).epoch


async def _deliver(engines: Sequence[sa.Engine], batches: Sequence[Batch]) -> None:
    """All at once, each through one of the collectors."""
    writers = [Writer(engine) for engine in engines]
    for writer in writers:
        writer.start()
    try:
        await asyncio.gather(*(writers[at % len(writers)].keep(batch) for at, batch in enumerate(batches)))
    finally:
        for writer in writers:
            writer.stop()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=_reports, data=st.data())
def test_order_repetition_and_two_collectors_change_nothing(
    database: sa.Engine, where: str, reports: list[Any], data: st.DataObject
) -> None:
    agent, epoch = _new_agent(database)
    batches = [
        Batch(
            agent=agent,
            epoch=epoch,
            sequence=at,
            rows=[(month, agent, epoch, *rest, *values) for (month, *rest), values in cells],
            details=details,
            looks=looks,
            runs=runs,
        )
        for at, (cells, looks, runs, details) in enumerate(reports, 1)
    ]
    sent = data.draw(st.permutations(batches + data.draw(st.lists(st.sampled_from(batches), max_size=3))))
    second = connect(where)
    try:
        asyncio.run(_deliver([database, second], sent))
        disturbed = _state(database, agent)
        assert disturbed[0] == _model([row for batch in batches for row in batch.rows])
        for batch in batches:
            asyncio.run(_deliver([database], [batch]))
        assert _state(database, agent) == disturbed
    finally:
        second.dispose()


@given(st.lists(_looks.map(lambda look: (look.sequence, look.status.value, look.reason, "", "[]", "{}", look.at))))
def test_the_later_look_decides_in_any_order(looks: list[Any]) -> None:
    for one, other in itertools.pairwise(looks):
        assert merged_look(one, other) == merged_look(other, one)
        assert merged_look(one, one) == one
        assert merged_look(one, other)[0] == max(one[0], other[0])


def test_counters_of_a_look_only_grow() -> None:
    one = (2, "complete", "", "", "[]", '{"files":3,"rows":9}', 1)
    other = (1, "failed", "why", "", "[]", '{"files":5}', 2)
    status = merged_look(one, other)
    assert status[1] == "complete"
    assert msgspec.json.decode(status[5]) == {"files": 5, "rows": 9}


def test_many_rows_are_written_in_parts(database: sa.Engine) -> None:
    agent, epoch = _new_agent(database)
    rows: list[Row] = [(202511, agent, epoch, 1, n, 0, n, 1, 2, None, n, 1, 0, 0) for n in range(1, 12_346)]
    batch = Batch(agent=agent, epoch=epoch, sequence=1, rows=rows[::-1] + rows[:10])
    asyncio.run(_deliver([database], [batch]))
    assert _state(database, agent)[0] == rows


@pytest.mark.parametrize("reports", [40])
def test_collectors_with_opposite_orders_never_wait_crosswise(database: sa.Engine, where: str, reports: int) -> None:
    agents = [_new_agent(database) for _ in range(8)]
    batches = [
        Batch(
            agent=agent,
            epoch=epoch,
            sequence=at,
            rows=[(202511, agent, epoch, 1, n, 0, at, 1, at, None, None, 1, 0, 0) for n in range(1, 200)],
        )
        for at in range(1, reports // 8 + 1)
        for agent, epoch in (agents if at % 2 else reversed(agents))
    ]
    second = connect(where)
    try:
        asyncio.run(_deliver([database, second], batches))
    finally:
        second.dispose()
    for agent, _ in agents:
        assert {row[6] for row in _state(database, agent)[0]} == {reports // 8}
