from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from tests.agent.reporting import NOW, Model

from aimscope_agent.ledger import Ledger
from aimscope_signatures import wire

FULL = """
import pathlib, sys
sys.path[:0] = {paths!r}
from aimscope_agent.ledger import Ledger, LedgerError
from tests.agent.reporting import state
folder = pathlib.Path(sys.argv[1])
ledger = Ledger(folder / "l.db", now=1, epoch="e", reserve=262_144)
done = refused = 0
while not refused:
    try:
        ledger.commit([state(done)], {{"n": str(done + 1).encode()}})
        done += 1
        if done == 500:
            (folder / "ballast").write_bytes(b"x" * 300_000)
    except LedgerError as error:
        refused += 1
        assert "full" in str(error) or "I/O" in str(error), error
    except OSError:
        (folder / "ballast").unlink()
assert not (folder / "l.db.reserve").exists()
assert len(ledger.sightings()) == done > 500, done
(folder / "ballast").unlink(missing_ok=True)
ledger.commit([state(done)], {{"n": b"end"}})
assert len(ledger.sightings()) == done + 1
ledger.close()
again = Ledger(folder / "l.db", now=1)
assert again.set_aside is None and len(again.sightings()) == done + 1
print("well", done)
"""
ROOT = Path(__file__).parents[2]
PATHS = [str(ROOT), *(str(ROOT / name) for name in ("agent", "signatures"))]


def test_nothing_is_lost_on_a_disk_that_is_full(tmp_path: Path) -> None:
    script = tmp_path / "full.py"
    script.write_text(FULL.format(paths=PATHS))
    mounted = tmp_path / "small"
    mounted.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    shell = f'mount -t tmpfs -o size=2m none "{mounted}" || exit 77; exec "{sys.executable}" "{script}" "{mounted}"'
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", shell], capture_output=True, text=True, check=False
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("a small disk cannot be mounted here")
    assert done.stdout.startswith("well"), done.stderr


KILLED = """
import pathlib, sys
sys.path[:0] = {paths!r}
import msgspec
from aimscope_agent.ledger import Ledger
from tests.agent.reporting import NOW, event, look
folder = pathlib.Path(sys.argv[1])
ledger = Ledger(folder / "l.db", now=1, epoch="e")
done = int(ledger.places().get("n", b"0"))
with (folder / "wire").open("ab", buffering=0) as delivered:
    delivered.write(b"\\n")
    while True:
        for _ in range(3):
            done += 1
            seen = [event(done % 11, at=NOW + done)]
            ledger.commit(seen, {{"n": str(done).encode()}}, looks=[look(ledger.begin_scan())])
        batch = ledger.pending(NOW, most=4)
        if batch is not None:
            delivered.write(msgspec.json.encode(batch.report) + b"\\n")
            ledger.acknowledge(batch.sequence)
"""


def test_killed_at_any_point_nothing_is_lost_and_nothing_counted_twice(tmp_path: Path) -> None:
    chooser = random.Random(11)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", KILLED.format(paths=PATHS), str(tmp_path)])
        delivered = tmp_path / "wire"
        before = delivered.stat().st_size if delivered.exists() else 0
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (delivered.exists() and delivered.stat().st_size > before + 1):
            time.sleep(0.01)
        time.sleep(chooser.uniform(0.05, 0.25))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    ledger = Ledger(tmp_path / "l.db", now=1)
    assert ledger.set_aside is None
    collector = Model()
    for line in (tmp_path / "wire").read_bytes().splitlines():
        try:
            collector.take(msgspec.json.decode(line, type=wire.Report))
        except msgspec.DecodeError:
            continue  # the line it was killed in
    while (batch := ledger.pending(NOW)) is not None:
        collector.take(batch.report)
        ledger.acknowledge(batch.sequence)
    number = int(ledger.places()["n"])
    assert number > 0
    assert sum(count for count, *_ in collector.counts("e").values()) == number
    assert {total.count for total in ledger.sightings()} <= {number // 11, number // 11 + 1}
