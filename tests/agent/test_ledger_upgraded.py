"""A ledger of an older version whose upgrade is killed: the next start finds it as it was, or brought up to date."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.agent.reporting import NOW, Model, event

from aimscope_agent.ledger import Ledger
from aimscope_signatures import wire

ROOT = Path(__file__).parents[2]
PATHS = [str(ROOT), *(str(ROOT / name) for name in ("agent", "signatures"))]
CELLS = 300

UPGRADED = """
import os, pathlib, shutil, signal, sqlite3, sys
sys.path[:0] = {paths!r}
from aimscope_agent.ledger import Ledger

class Killed(sqlite3.Connection):
    "Kills its process before the statement of a number, and after the one before it."
    left = -1
    def execute(self, *given):
        Killed.left -= 1
        if Killed.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*given)

connect = sqlite3.connect
sqlite3.connect = lambda *given, **more: connect(*given, **more, factory=Killed)
folder = pathlib.Path(sys.argv[1])
step = 0
while True:
    step += 1
    place = folder / str(step)
    place.mkdir()
    shutil.copy(folder / "old.db", place / "l.db")
    child = os.fork()
    if not child:
        Killed.left = step
        Ledger(place / "l.db", now=1, epoch="e").close()
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
        break
print(step)
"""


def _first_schema(path: Path) -> None:
    """A ledger as the first version wrote it."""
    with sqlite3.connect(path) as old:
        old.execute("pragma journal_mode = wal")
        old.execute(
            "create table cell (key text primary key, month text not null, service text not null,"
            " kind text not null, sighting text not null) without rowid"
        )
        old.execute("create table place (source text primary key, place blob not null) without rowid")
        for number in range(CELLS):
            total = event(number)
            key = msgspec.json.encode(["claude", total.kind, "ann", total.month, total.asset, total.evidence]).decode()
            text = msgspec.json.encode(total).decode()
            old.execute("insert into cell values (?, ?, ?, ?, ?)", [key, total.month, total.service, total.kind, text])
        old.execute("insert into place values ('log', x'31')")
        old.execute("pragma user_version = 1")
    old.close()


def _reported(ledger: Ledger) -> dict[str, wire.Cell]:
    """Everything it tells a collector that knows nothing."""
    collector = Model()
    while (batch := ledger.pending(NOW)) is not None:
        collector.take(batch.report)
        ledger.acknowledge(batch.sequence)
    return {str(key): cell for key, cell in collector.cells.items()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are killed as copies of one another")
def test_an_upgrade_killed_at_any_step_is_made_good_by_the_next_start(tmp_path: Path) -> None:
    _first_schema(tmp_path / "old.db")
    shutil.copy(tmp_path / "old.db", tmp_path / "new.db")
    ledger = Ledger(tmp_path / "new.db", now=1, epoch="e")
    truth = _reported(ledger)
    ledger.close()
    assert len(truth) == CELLS

    command = [sys.executable, "-c", UPGRADED.format(paths=PATHS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert steps > 20, "the upgrade was not taken apart"
    for step in range(1, steps + 1):
        ledger = Ledger(tmp_path / str(step) / "l.db", now=1, epoch="e")
        assert ledger.set_aside is None, f"killed at step {step}: what was known is lost"
        assert ledger.places() == {"log": b"1"}, step
        assert _reported(ledger) == truth, step
        ledger.commit([event(0)], {})
        assert max(total.count for total in ledger.sightings()) == 2, step
        ledger.close()
