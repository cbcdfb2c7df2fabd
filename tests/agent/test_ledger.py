from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aimscope_agent.ledger import Ledger, LedgerError
from aimscope_signatures.fold import fold
from aimscope_signatures.model import Detection, Observation, Sighting

NOW = 1_700_000_000


def sighting(host: str = "claude.ai", at: int = NOW, client: str = "10.0.0.1") -> Sighting:
    observation = Observation("tls.client_hello", {"server_name": host, "bytes_out": 5}, "log", "ann", at, client)
    return fold([Detection("claude", "domains", "high", "used", (), observation)], "gateway")[0]


def test_totals_and_places_are_there_after_a_restart(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", now=NOW)
    ledger.commit([sighting()], {"a.log": b"10", "b.log": b"1"})
    ledger.commit([sighting(at=NOW + 5)], {"a.log": b"20", "b.log": None})
    ledger.close()
    again = Ledger(tmp_path / "ledger.db", now=NOW)
    (total,) = again.sightings()
    assert (total.count, total.first, total.last, total.bytes_out) == (2, NOW, NOW + 5, 10)
    assert again.places() == {"a.log": b"20"}
    assert again.set_aside is None


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", now=NOW).commit([sighting()], {})
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_second_process_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", now=NOW)
    ledger.commit([], {"a": b"1"})
    program = (
        "import sys, pathlib\nfrom aimscope_agent import ledger\nledger._PATIENCE = 0.1\n"
        "try:\n    ledger.Ledger(pathlib.Path(sys.argv[1]), now=1)\n"
        "except ledger.LedgerError as error:\n    print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(ledger.path)], capture_output=True, text=True, check=True
    ).stdout
    assert "another aimscope uses it" in told


@pytest.mark.parametrize("damage", [b"", b"not a database, certainly not one of ours" * 200])
def test_a_damaged_ledger_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(path, now=NOW)
    ledger.commit([sighting()], {"a": b"1"})
    ledger.close()
    data = path.read_bytes()
    path.write_bytes(damage or data[:5000] + random.Random(1).randbytes(len(data) - 5000))
    again = Ledger(path, now=NOW)
    assert again.set_aside == tmp_path / f"ledger.db.damaged-{NOW}"
    assert again.set_aside.exists()
    assert again.places() == {}
    again.commit([sighting()], {})
    assert len(again.sightings()) == 1


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("create table theirs (x)")
    other.close()
    with pytest.raises(LedgerError, match="another program's"):
        Ledger(path, now=NOW)


KILLED = """
import sys, pathlib
sys.path[:0] = {paths!r}
from aimscope_agent.ledger import Ledger
from tests.agent.test_ledger import sighting
ledger = Ledger(pathlib.Path(sys.argv[1]), now=1)
done = int(ledger.places().get("n", b"0"))
while True:
    done += 1
    ledger.commit([sighting(client=f"10.0.0.{{done % 7}}")], {{"n": str(done).encode()}})
"""


def test_totals_and_places_agree_whenever_it_is_killed(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    program = KILLED.format(paths=[str(root), *(str(root / name) for name in ("agent", "signatures"))])
    chooser = random.Random(7)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "l.db")])
        wal = tmp_path / "l.db-wal"
        before = wal.stat().st_mtime_ns if wal.exists() else 0
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (wal.exists() and wal.stat().st_mtime_ns > before):
            time.sleep(0.01)
        time.sleep(chooser.uniform(0.1, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    ledger = Ledger(tmp_path / "l.db", now=1)
    number = int(ledger.places()["n"])
    assert number > 0
    assert sum(total.count for total in ledger.sightings()) == number
