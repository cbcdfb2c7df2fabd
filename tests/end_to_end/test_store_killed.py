"""A scan that is killed while it writes what it keeps."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.machine import Machine
from tests.end_to_end.person import Person
from tests.end_to_end.program import told


@pytest.fixture
def machine(tmp_path: Path, private_machine: Callable[[Path], Machine]) -> Machine:
    person = Person(tmp_path / "home")
    person.install("openai")
    return private_machine(person.home)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill what was started in the machine at once, as `kill -9` or a power cut does."""
    for child in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
        child.kill()
    process.wait()


def stored(store: Path) -> int:
    connection = sqlite3.connect(store)
    try:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        (number,) = connection.execute("select count(*) from scans").fetchone()
    finally:
        connection.close()
    return int(number)


def test_killed_in_the_middle_of_a_write_the_store_is_as_before(machine: Machine) -> None:
    told(machine.aimscope("scan", "--json"))
    store = machine.folder / "state" / "scans.db"
    journal = store.with_name("scans.db-journal")
    assert stored(store) == 1
    # a reader that stays keeps the writer from its last step, for as long as we need to see the write begun
    reader = sqlite3.connect(store, isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from scans").fetchone()
    scan = machine.scanning()
    end = time.monotonic() + 120
    while not (journal.exists() and journal.stat().st_size):
        assert scan.poll() is None, "ended before it wrote"
        assert time.monotonic() < end
        time.sleep(0.001)
    kill(scan)
    reader.close()
    assert journal.exists(), "it was killed in the middle"
    report = told(machine.aimscope("scan", "--json"))
    assert report["compared"]
    assert report.get("notes", []) == []
    assert stored(store) == 2
    assert not list(store.parent.glob("*.damaged-*"))


@pytest.mark.parametrize("milliseconds", [400, 1200])
def test_killed_at_any_time_the_store_is_usable(machine: Machine, milliseconds: int) -> None:
    told(machine.aimscope("scan", "--json"))
    scan = machine.scanning()
    time.sleep(milliseconds / 1000)
    if scan.poll() is None:
        kill(scan)
    report = told(machine.aimscope("scan", "--json"))
    assert report["compared"]
    assert report.get("notes", []) == []
    assert stored(machine.folder / "state" / "scans.db") in {2, 3}
