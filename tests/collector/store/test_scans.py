"""The last scans on disk."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from pathlib import Path

import msgspec
import pytest

from aimscope_collector.store.compare import Scan
from aimscope_collector.store.scans import KEPT, SCHEMA, StoreError, history, remember
from aimscope_signatures.model import Coverage, Gap, Held, Sighting, Status
from tests.collector.example import see

CURSOR = msgspec.structs.replace(
    see("cursor", "application", id="dpkg:cursor", details={"version": "2"}),
    sources=("/var/lib/dpkg/status",),
    held=(Held("id", "equals", "dpkg:cursor"),),
)
OLLAMA = see("ollama", "model", id="llama3 'quoted' \u2028 ü")


def scan(at: int, *sightings: Sighting, scope: str = "host", status: Status = Status.COMPLETE) -> Scan:
    return Scan(
        at=at,
        host="laptop-7",
        scope=scope,
        sightings=sightings,
        coverage=(
            Coverage("applications", Status.COMPLETE, counts={"files": 3}),
            Coverage("models", status, gaps=(Gap("~/x", Status.DENIED, "no permission"),)),
        ),
        emits={"applications": ("application",), "models": ("model",)},
        catalogue="abc",
    )


def test_what_is_kept_is_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "state" / "scans.db"
    first, second = scan(1, CURSOR, OLLAMA), scan(2, CURSOR)
    assert remember(path, first).comparison is None
    remembered = remember(path, second)
    assert remembered.notes == ()
    assert remembered.comparison is not None
    assert remembered.comparison.gone == (OLLAMA,)
    assert history(path) == (second, first)


def test_scans_of_another_scope_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "scans.db"
    remember(path, scan(1, CURSOR))
    assert remember(path, scan(2, scope="code /srv")).comparison is None
    comparison = remember(path, scan(3, CURSOR)).comparison
    assert comparison is not None
    assert (comparison.since, comparison.unchanged) == (1, (CURSOR,))


def test_what_could_not_be_looked_for_is_carried_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "scans.db"
    remember(path, scan(1, OLLAMA))
    for at in (2, 3):
        partial = remember(path, scan(at, status=Status.PARTIAL)).comparison
        assert partial is not None
        assert (partial.gone, partial.unsure) == ((), (OLLAMA,))
    complete = remember(path, scan(4)).comparison
    assert complete is not None
    assert complete.gone == (OLLAMA,)
    last = remember(path, scan(5)).comparison
    assert last is not None
    assert last.gone == ()


def test_only_the_last_scans_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "scans.db"
    for at in range(KEPT + 5):
        remember(path, scan(at, CURSOR))
    assert [kept.at for kept in history(path)] == list(range(KEPT + 4, 4, -1))
    with sqlite3.connect(path) as connection:
        assert connection.execute("select count(*) from sightings").fetchone() == (KEPT,)
        assert connection.execute("select count(*) from coverage").fetchone() == (2 * KEPT,)
    connection.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such modes")
def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "scans.db"
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    remember(path, scan(1, CURSOR))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert history(path)


def test_no_history_is_no_error(tmp_path: Path) -> None:
    assert history(tmp_path / "scans.db") == ()


DAMAGE = {
    "text": b"this is not a database" * 100,
    "header only": b"SQLite format 3\0" + bytes(200),
}


@pytest.mark.parametrize("data", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "scans.db"
    for at in (7, 7):  # twice at the same second: the first must not be overwritten
        path.write_bytes(data)
        remembered = remember(path, scan(at, CURSOR))
        assert remembered.comparison is None
        assert len(remembered.notes) == 1
        assert "set aside as" in remembered.notes[0]
    assert [kept.sightings for kept in history(path)] == [(CURSOR,)]
    assert (tmp_path / "scans.db.damaged-7").read_bytes() == data
    assert (tmp_path / "scans.db.damaged-7-1").read_bytes() == data


@pytest.mark.parametrize(
    "statement", ["drop table coverage", "update sightings set sighting = '{}'", "update scans set at = 'x'"]
)
def test_rows_that_are_not_ours_are_damage_too(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "scans.db"
    remember(path, scan(1, CURSOR))
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    assert "set aside" in remember(path, scan(2, CURSOR)).notes[0]
    assert len(history(path)) == 1


def test_any_damage_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "scans.db"
    for at in range(10):
        remember(path, scan(at, CURSOR, OLLAMA))
    whole = path.read_bytes()
    chance = random.Random(1)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        remember(path, scan(11, CURSOR))
        assert remember(path, scan(12, CURSOR)).comparison is not None


def test_a_newer_or_foreign_database_is_left_alone(tmp_path: Path) -> None:
    for name, statement in (("newer", f"pragma user_version = {SCHEMA + 1}"), ("foreign", "create table mail (x)")):
        path = tmp_path / name
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        connection.close()
        before = path.read_bytes()
        remembered = remember(path, scan(1, CURSOR))
        assert remembered.comparison is None
        assert remembered.notes[0].startswith("This scan is not kept: ")
        assert path.read_bytes() == before
        with pytest.raises(StoreError):
            history(path)


def test_places_that_cannot_be_used_give_a_note(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "real.db").touch()
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    for path in (tmp_path, tmp_path / "file" / "scans.db", tmp_path / "link.db"):
        assert remember(path, scan(1, CURSOR)).notes[0].startswith("This scan is not kept: ")
    assert (tmp_path / "real.db").read_bytes() == b""


def test_a_scan_that_cannot_be_written_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "scans.db"
    remember(path, scan(1, CURSOR))
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("begin exclusive")
    try:
        notes = remember(path, scan(2, CURSOR), patience=0.01).notes
    finally:
        blocker.close()
    assert "locked" in notes[0]
    assert [kept.at for kept in history(path)] == [1]
