"""Whoever waited longest writes next: people's writes get through beside a fleet that reports all the time."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from aimscope_collector.store import database as databases
from aimscope_collector.store import settings
from aimscope_collector.store.database import connect, turn, writing
from aimscope_collector.store.turns import Turns
from aimscope_collector.store.writer import Writer


def _until(condition: object) -> None:
    assert callable(condition)
    for _ in range(9_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order = Turns(), list[int]()

    def one(number: int) -> None:
        with turns.turn(60):
            order.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    with turns.turn(60):
        for number, thread in enumerate(threads):
            thread.start()
            _until(lambda number=number: turns.waiting == number + 1)
    for thread in threads:
        thread.join()
    assert order == list(range(8))
    assert turns.waiting == 0


def test_who_gives_up_does_not_keep_the_others_from_it() -> None:
    turns = Turns()
    with turns.turn(60):
        with pytest.raises(TimeoutError), turns.turn(0):
            raise AssertionError
        assert turns.waiting == 0
    with pytest.raises(KeyError), turns.turn(0):
        raise KeyError
    with turns.turn(0):
        pass


def test_a_write_gets_its_turn_beside_a_writer_that_never_rests(database: sa.Engine) -> None:
    order: list[str] = []
    began, asked = threading.Event(), threading.Event()

    def report(number: int, connection: sa.Connection) -> None:
        if number == 0:
            began.set()
            asked.wait(60)
        settings.write(connection, f"report{number}", "")
        order.append(f"report{number}")

    def person() -> None:
        with writing(database) as connection:
            settings.write(connection, "person", "")
        order.append("person")

    def waits() -> bool:
        turns = databases._TURNS.get(database)
        return turns.waiting > 0 if turns else "person" in order

    async def main() -> None:
        writer = Writer(database, most_rows=1)
        writer.start()
        reports = [asyncio.create_task(writer.run(functools.partial(report, number))) for number in range(40)]
        await asyncio.to_thread(began.wait, 60)
        thread = threading.Thread(target=person)
        thread.start()
        await asyncio.to_thread(_until, waits)
        asked.set()
        await asyncio.gather(*reports)
        await asyncio.to_thread(thread.join)
        writer.stop()

    asyncio.run(main())
    assert len(order) == 41
    assert order.index("person") <= 3


def test_databases_do_not_wait_for_each_other(where: str, tmp_path: Path) -> None:
    one, other = connect(where), connect(f"{tmp_path}/other.db")
    with turn(one), turn(other):
        pass
    one.dispose()
    other.dispose()


def test_a_writer_that_does_not_end_is_said_as_sqlite_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "_PATIENCE", 0.01)
    engine = connect(str(tmp_path / "c.db"))
    with writing(engine), pytest.raises(sa.exc.OperationalError, match="busy"), writing(engine):
        raise AssertionError
    with writing(engine):
        pass
    engine.dispose()
