"""What is acknowledged is on disk; what fails is kept by nobody; one bad report costs itself only."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from aimscope_collector.store import settings
from aimscope_collector.store.database import connect, is_sqlite, writing
from aimscope_collector.store.sightings import Batch
from aimscope_collector.store.tables import METADATA
from aimscope_collector.store.tables.people import SETTING
from aimscope_collector.store.writer import Busy, Unacceptable, Unavailable, Writer


def _names(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(sa.select(SETTING.c.name)).scalars())


def _put(name: str, connection: sa.Connection) -> None:
    settings.write(connection, name, "x" * 4_000)


def test_answers_come_after_the_commit(database: sa.Engine) -> None:
    async def main() -> None:
        writer = Writer(database)
        writer.start()
        for number in range(5):
            await writer.run(functools.partial(_put, f"s{number}"))
            assert f"s{number}" in _names(database)
        writer.stop()

    asyncio.run(main())


def test_one_that_fails_does_not_take_its_neighbours_along(database: sa.Engine) -> None:
    hold = threading.Event()

    def slow(connection: sa.Connection) -> None:
        hold.wait(10)
        settings.write(connection, "first", "")

    def bad(connection: sa.Connection) -> None:
        settings.write(connection, "bad", "")
        raise KeyError("of its own")

    def refused(connection: sa.Connection) -> None:
        connection.execute(SETTING.insert().values(name="refused", value=None))

    async def main() -> list[object]:
        writer = Writer(database)
        writer.start()
        tasks = [
            asyncio.create_task(writer.run(work))
            for work in (slow, bad, lambda connection: settings.write(connection, "good", ""), refused)
        ]
        tasks.append(asyncio.create_task(writer.keep(Batch(agent=1, epoch=99, sequence=1))))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        hold.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        writer.stop()
        return list(answers)

    first, wrong, good, unacceptable, unknown = asyncio.run(main())
    assert (first, good) == (None, None)
    assert isinstance(wrong, KeyError)
    assert isinstance(unacceptable, Unacceptable)
    assert isinstance(unknown, Unavailable)
    assert _names(database) == {"first", "good"}


def test_too_much_is_refused_and_memory_stays_flat(database: sa.Engine) -> None:
    hold = threading.Event()

    async def main() -> None:
        writer = Writer(database, most_waiting=60)
        writer.start()
        first = asyncio.create_task(writer.run(lambda connection: hold.wait(10)))
        second = asyncio.create_task(writer.run(lambda connection: None))
        third = asyncio.create_task(writer.run(lambda connection: None))
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await writer.run(lambda connection: None)
        hold.set()
        await asyncio.gather(first, second, third)
        while writer.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await writer.run(lambda connection: None)
        writer.stop()
        with pytest.raises(Unavailable):
            await writer.run(lambda connection: None)

    asyncio.run(main())


def test_a_database_that_is_gone_is_said_and_comes_back(database: sa.Engine) -> None:
    async def main() -> None:
        writer = Writer(database)
        writer.start()
        await writer.run(lambda connection: settings.write(connection, "before", ""))
        if is_sqlite(database):
            with writing(database) as connection:
                connection.exec_driver_sql("alter table setting rename to elsewhere")
        else:
            await asyncio.to_thread(_cut, database)
        with pytest.raises(Unavailable):
            await writer.run(lambda connection: settings.write(connection, "lost", ""))
        if is_sqlite(database):
            with writing(database) as connection:
                connection.exec_driver_sql("alter table elsewhere rename to setting")
        await writer.run(lambda connection: settings.write(connection, "after", ""))
        writer.stop()

    asyncio.run(main())
    assert _names(database) == {"before", "after"}


def _cut(engine: sa.Engine) -> None:
    """End all other connections to this database, as a restarted server does."""
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_a_full_disk_keeps_nothing_and_recovers(tmp_path: Path) -> None:
    engine = connect(str(tmp_path / "c.db"))
    METADATA.create_all(engine)

    def limit(pages: int) -> None:
        def set_limit(connection: sa.Connection) -> None:
            connection.exec_driver_sql(f"pragma max_page_count = {pages}")

        sa.event.listen(engine, "begin", set_limit)

    async def main() -> None:
        with engine.connect() as connection:
            used = connection.exec_driver_sql("pragma page_count").scalar_one()
        limit(used + 8)
        writer = Writer(engine)
        writer.start()
        kept = 0
        with pytest.raises(Unavailable):  # noqa: PT012
            for number in range(100):
                await writer.run(functools.partial(_put, f"s{number:03}"))
                kept += 1
        assert len(_names(engine)) == kept
        limit(1_000_000)
        await writer.run(lambda connection: settings.write(connection, "after", "x" * 4000))
        writer.stop()
        assert len(_names(engine)) == kept + 1

    asyncio.run(main())
    engine.dispose()


_KILLED = """
    import asyncio, os, sys
    from aimscope_collector.store import settings
    from aimscope_collector.store.database import connect
    from aimscope_collector.store.writer import Writer

    async def main():
        writer = Writer(connect(sys.argv[1]))
        writer.start()
        async def one(lane):
            for number in range(10_000):
                name = f"{lane}-{number}"
                await writer.run(lambda connection: settings.write(connection, name, "x"))
                os.write(1, (name + "\\n").encode())
        await asyncio.gather(*map(one, range(8)))

    asyncio.run(main())
"""


def test_what_was_acknowledged_outlives_a_kill(database: sa.Engine, where: str) -> None:
    for turn in range(3):
        command = [sys.executable, "-c", textwrap.dedent(_KILLED), where]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(40 * (turn + 1))]
        process.kill()
        lines += process.stdout.readlines()
        process.stdout.close()
        process.wait()
        acknowledged = {line.decode().strip() for line in lines if line.endswith(b"\n")}
        assert len(acknowledged) >= 40
        assert acknowledged <= _names(database)
