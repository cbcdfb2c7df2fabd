"""Whoever ends lets go of the database: a connection that is left to the garbage collector is a defect."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from aimscope_collector.ingest import context as module
from tests.collector.fleet.at_the_door import context_of, running


def test_a_look_that_was_begun_is_over_before_the_end(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = threading.Event()
    look = module._news

    def slow(context: Any) -> Any:
        with context.engine.connect():
            looking.set()
            threading.Event().wait(0.5)
            return look(context)

    monkeypatch.setattr(module, "_news", slow)

    async def main() -> None:
        context = context_of(database, tmp_path)
        async with running(context):
            assert await asyncio.to_thread(looking.wait, 30)
        pool = database.pool
        assert isinstance(pool, sa.QueuePool)
        assert pool.checkedout() == 0

    asyncio.run(main())
