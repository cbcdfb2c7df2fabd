"""Databases to test with: SQLite always, PostgreSQL where its server is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from aimscope_collector.store.database import connect
from aimscope_collector.store.tables import METADATA


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, without its database's name."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    memory = Path("/dev/shm")  # each test has a database of its own: on a disk, making them takes most of the time
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=memory if os.access(memory, os.W_OK) else None))
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = folder / "data"
    subprocess.run(
        [
            *as_user,
            programs / "initdb",
            "-D",
            data,
            "-U",
            "aimscope",
            "--auth=trust",
            "--no-locale",
            "-E",
            "UTF8",
            "-N",
        ],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    options = f"-c listen_addresses='' -k {folder} -c max_connections=60 -c shared_buffers=64MB"
    subprocess.run(
        [*as_user, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    try:
        yield f"postgresql://aimscope@/{{name}}?host={folder}"
    finally:
        subprocess.run(
            [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            check=False,
            capture_output=True,
            cwd=folder,
        )
        shutil.rmtree(folder, ignore_errors=True)


def _alone(template: str) -> sa.Engine:
    """To make databases with: no transaction around."""
    url = template.format(name="postgres").replace("postgresql://", "postgresql+psycopg://")
    return sa.create_engine(url, isolation_level="AUTOCOMMIT")


@pytest.fixture(scope="session")
def made_postgresql(postgresql: str) -> str:
    """The name of a database with all tables, to be copied: making forty tables takes longer."""
    server = _alone(postgresql)
    with server.connect() as connection:
        connection.exec_driver_sql("create database made")
    server.dispose()
    engine = connect(postgresql.format(name="made"))
    METADATA.create_all(engine)
    engine.dispose()
    return "made"


@pytest.fixture(scope="session")
def made_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("made") / "collector.db"
    engine = connect(str(path))
    METADATA.create_all(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty database is: what ``connect`` takes. It has its tables where the test asks for ``database``."""
    full = "database" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "collector.db"
        if full:
            shutil.copy(request.getfixturevalue("made_sqlite"), path)
        yield str(path)
        return
    template: str = request.getfixturevalue("postgresql")
    made = f" template {request.getfixturevalue('made_postgresql')}" if full else ""
    name = f"t{uuid.uuid4().hex}"
    server = _alone(template)
    with server.connect() as connection:
        connection.exec_driver_sql(f"create database {name}{made}")
    server.dispose()
    yield template.format(name=name)  # it goes with the server: dropping it waits for a checkpoint


@pytest.fixture
def database(where: str) -> Iterator[sa.Engine]:
    """A database with all tables, and nothing in them."""
    engine = connect(where)
    yield engine
    engine.dispose()
