"""What the collector does not know yet: batches that stay as they are until they are acknowledged.

A row is queued from the commit (``since``) that made it differ from what was acknowledged. A batch notes the commit
(``change``) of each row it carries: an acknowledgement clears those that have not changed meanwhile, and no others.
The oldest come first. A look is sent after the totals it rests on, so that nothing that is on its way seems gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final

import msgspec

from aimscope_agent.ledger._rows import cell_of, fact_of, sighting_of, text_of
from aimscope_signatures import wire

LARGEST_REPORT: Final = 1 << 20
"""Bytes of JSON, before it is compressed."""
_NEVER: Final = wire.LARGEST
_CELLS: Final = (
    "select key, sighting, change, since from cell where since > 0 and aside = 0 order by since, key limit ?"
)
_RECORDS: Final = """select what, key, body, change from record
    where since > 0 and aside = 0 and (change < ? or since < ?) order by since, what, key limit ?"""
_LATE: Final = "select count(*) from record where since > 0 and aside = 0 and since < ?"

Run = Callable[..., sqlite3.Cursor]
Carried = tuple[str, str, int]
"""``cell``, ``look`` or ``run``; the row's key; the commit that last changed it."""


class Batch(msgspec.Struct, frozen=True):
    """A report that is on its way. ``report.sent`` is to be set anew whenever it is sent."""

    sequence: int
    report: wire.Report
    rows: int


def in_flight(run: Run) -> Batch | None:
    """The batch that waits for an acknowledgement."""
    row = run("select sequence, report, carried from batch").fetchone()
    if row is None:
        return None
    report = msgspec.json.decode(row[1], type=wire.Report)
    return Batch(row[0], report, len(_carried(row[2])))


def assemble(run: Run, most: int, head: wire.Report) -> Batch | None:
    """Put the next batch together and note what it carries; ``None`` where there is nothing to say."""
    while True:
        report, carried = _drawn(run, most, head)
        if not carried:
            return None
        text = text_of(report)
        if _sendable(text):
            run("insert into batch values (?, ?, ?)", [report.sequence, text, text_of(carried)])
            run("update state set sequence = ?", [report.sequence])
            return Batch(report.sequence, report, len(carried))
        if most == 1:
            _leave(run, carried)
        most = max(1, most // 2)


def acknowledge(run: Run, sequence: int) -> bool:
    """Clear what the batch carried and has not changed since. False where no such batch is on its way."""
    row = run("select carried from batch where sequence = ?", [sequence]).fetchone()
    if row is None:
        return False
    for table, where, change, key in _rows(_carried(row[0])):
        settled = f"update {table} set since = case when change = ? then 0 else ? end where since > 0 and {where}"  # noqa: S608
        run(settled, [change, change + 1, *key])
    run("delete from batch")
    run("update state set acknowledged = max(acknowledged, ?)", [sequence])
    return True


def set_aside(run: Run, sequence: int) -> tuple[str, ...]:
    """Send the batch's rows no more, and say what they are about."""
    row = run("select carried from batch where sequence = ?", [sequence]).fetchone()
    if row is None:
        return ()
    run("delete from batch")
    return _leave(run, _carried(row[0]))


def everything(run: Run, tick: int) -> None:
    """Queue every row, those set aside too."""
    for table in ("cell", "record"):
        run(f"update {table} set since = ?, change = ?, aside = 0", [tick, tick])  # noqa: S608 - fixed names
    run("delete from batch")


def _drawn(run: Run, most: int, head: wire.Report) -> tuple[wire.Report, list[Carried]]:
    rows = run(_CELLS, [most + 1]).fetchall()
    first = rows[0][3] if len(rows) > most else _NEVER
    room = most - min(most // 2, run(_LATE, [first]).fetchone()[0] if len(rows) > most else 0)
    rows, left = rows[:room], rows[room:]
    facts: dict[wire.Fact, int] = {}
    cells: list[wire.Cell] = []
    carried: list[Carried] = []
    for key, text, change, _ in rows:
        total = sighting_of(text)
        cells.append(cell_of(total, facts.setdefault(fact_of(total), len(facts))))
        carried.append(("cell", key, change))
    before = left[0][3] if left else _NEVER
    looks: list[wire.Look] = []
    runs: list[wire.Run] = []
    for what, key, body, change in run(_RECORDS, [before, first, most - len(cells)]):
        if what == "look":
            looks.append(msgspec.json.decode(body, type=wire.Look))
        elif len(runs) == wire.MOST_RUNS:
            continue
        else:
            runs.append(msgspec.json.decode(body, type=wire.Run))
        carried.append((what, key, change))
    report = msgspec.structs.replace(head, facts=tuple(facts), cells=tuple(cells), looks=tuple(looks), runs=tuple(runs))
    return report, carried


def _sendable(text: str) -> bool:
    if len(text.encode()) > LARGEST_REPORT:
        return False
    try:
        msgspec.json.decode(text, type=wire.Report)
    except msgspec.ValidationError:
        return False
    return True


def _leave(run: Run, carried: list[Carried]) -> tuple[str, ...]:
    told = []
    for table, where, _, key in _rows(carried):
        run(f"update {table} set aside = 1 where {where}", key)  # noqa: S608 - fixed names
        if table == "record":
            told.append(f"a {key[0]}")
        else:
            found = run("select kind, service from cell where key = ?", key).fetchone()
            told.append(f"{found[0]} of {found[1] or 'an unknown service'}" if found else "a total")
    return tuple(told)


def _carried(text: str) -> list[Carried]:
    return msgspec.json.decode(text, type=list[Carried])


def _rows(carried: list[Carried]) -> list[tuple[str, str, int, list[Any]]]:
    """Table, condition, noted change and key of each row."""
    return [
        ("cell", "key = ?", change, [key])
        if what == "cell"
        else ("record", "what = ? and key = ?", change, [what, key])
        for what, key, change in carried
    ]
