"""RELIABILITY 4: PostgreSQL's own processes are killed between acknowledgement and checkpoint.

What PostgreSQL had in memory alone is gone then, as if the power were; what it had handed to the kernel is not. So this
shows that nothing is acknowledged before its log was written and synced: the same test with a collector that does not
wait for that finds acknowledged totals gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aimscope_collector.store.database import DatabaseError, connect
from tests.chaos.collector import Place, Running, running
from tests.chaos.crowd import Crowd, say
from tests.collector.fleet.conftest import _programs

SCHEDULES = max(3, int(os.environ.get("AIMSCOPE_CHAOS_SCHEDULES", "25")) // 8)
SEED = int(os.environ.get("AIMSCOPE_CHAOS_SEED", "7"))
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120 + 60 * SCHEDULES)]
_LAZY = ("wal_writer_delay=10s", "wal_writer_flush_after=1GB", "wal_buffers=64MB")
"""Nobody writes the log but who waits for it."""
_NO_CHECKPOINT = ("checkpoint_timeout=1h", "max_wal_size=4GB", "bgwriter_lru_maxpages=0")


class Cluster:
    """A PostgreSQL server that is killed and started anew."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self.where = f"postgresql://aimscope@/postgres?host={folder}"
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._do("initdb", "-D", folder / "data", "-U", "aimscope", "--auth=trust", "--no-locale", "-E", "UTF8", "-N")

    def _do(self, program: str, *words: str | Path) -> None:
        command = [*self._as_user, self._programs / program, *words]
        with (self.folder / "said").open("ab") as said:
            subprocess.run(command, check=True, stdout=said, stderr=said, cwd=self.folder, timeout=120)

    def start(self, *settings: str) -> None:
        """Until it answers."""
        said = " ".join(f"-c {each}" for each in (*_LAZY, *_NO_CHECKPOINT, *settings))
        options = f"-c listen_addresses='' -k {self.folder} {said}"
        self._do("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options, "start")

    def kill(self) -> None:
        """SIGKILL to every process of it, at once."""
        postmaster = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        everybody = [postmaster, *postmaster.children(recursive=True)]
        for process in everybody:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(everybody, timeout=30)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of our own; what it keeps lies on a disk."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path is short
    made = Cluster(programs, folder)
    try:
        yield made
    finally:
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            made.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def _reported(crowd: Crowd, collector: Running, cluster: Cluster, seconds: float) -> None:
    """Agents report, and the database is killed under their requests; the collector lives."""
    over = asyncio.Event()

    async def killer() -> None:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(cluster.kill)
        over.set()

    late = asyncio.create_task(killer())
    await crowd.report(collector.url, lambda: not over.is_set())
    await late


def test_what_was_acknowledged_outlives_the_database(cluster: Cluster, tmp_path: Path) -> None:
    cluster.start()
    place = Place(cluster.where, tmp_path / "place")
    crowd = Crowd(cluster.where, place.keys, 12, SEED)
    rng = random.Random(SEED)
    with running(place) as collector:
        for number in range(SCHEDULES):
            seconds = rng.uniform(0.2, 1.5)
            asyncio.run(_reported(crowd, collector, cluster, seconds))
            cluster.start()
            faults = crowd.faults()
            assert not faults, "\n".join([f"seed {SEED}, kill {number} after {seconds:.3f} s", *faults[:20]])
        assert collector.alive, "the collector died with its database"
        asyncio.run(crowd.drain([collector.url]))
    assert not crowd.differences()
    assert sum(agent.acks for agent in crowd.agents) > 10 * SCHEDULES
    say(f"{SCHEDULES} kills of PostgreSQL: {crowd.told()}; 0 lost, 0 over-counted")


def test_a_collector_that_does_not_wait_for_the_log_is_caught(cluster: Cluster, tmp_path: Path) -> None:
    cluster.start()
    place = Place(cluster.where, tmp_path / "place")
    crowd = Crowd(cluster.where, place.keys, 12, SEED)
    with running(place, spoil="unsynced") as collector:
        asyncio.run(_reported(crowd, collector, cluster, 1.5))
    cluster.start()
    assert crowd.faults(), "the harness is blind to a log that was not written"


def test_a_database_that_does_not_sync_is_refused(cluster: Cluster) -> None:
    cluster.start("fsync=off")
    with pytest.raises(DatabaseError, match="fsync is off"):
        connect(cluster.where)
    cluster.kill()
    cluster.start("synchronous_commit=off")  # every connection of ours sets it for itself
    engine = connect(cluster.where)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("show synchronous_commit").scalar_one() == "on"
    engine.dispose()
