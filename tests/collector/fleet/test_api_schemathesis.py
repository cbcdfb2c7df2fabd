"""Requests made up from the OpenAPI description find no defect, on either database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aimscope_collector import accounts
from aimscope_collector.founding import Config
from aimscope_collector.founding import where as where_of
from aimscope_collector.store import accounts as known
from aimscope_collector.store import credentials
from aimscope_collector.store.database import connect, writing
from tests.collector.fleet.planted import Planted
from tests.collector.fleet.test_app import served
from tests.collector.fleet.test_backup import founded

PROGRAM = shutil.which("schemathesis", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="schemathesis is not installed"),
    pytest.mark.timeout(300),
]


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)  # the routes are the same over both
def test_no_request_finds_a_defect(tmp_path: Path, where: str) -> None:
    made = founded(tmp_path / "c", where if where.startswith("postgresql") else "")
    config = Config(where if where.startswith("postgresql") else "")
    engine = connect(where_of(tmp_path / "c", config))
    now, secret = int(time.time()), accounts.new_key(os.urandom)
    planted = Planted(engine)
    agent = planted.agent("h1", "emea", secret="0" * 64, machine="0" * 64)
    planted.saw(agent, "cursor", "application", id="dpkg:cursor", subject="ann")
    with writing(engine) as connection:
        account = known.create(
            connection, name="all", roles=accounts.PERMISSIONS, hashed=None, by="t", at=now, origin="oidc"
        )
        credentials.create_key(
            connection,
            account=account.id,
            name="k",
            scopes=sorted(accounts.permissions(account.roles)),
            secret=secret,
            at=now,
            expires_at=now + 86_400,
            by="t",
        )
    engine.dispose()
    assert made.admin
    with served(tmp_path / "c") as (_, port):
        options = ["--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--max-examples", "3"]
        bounds = ["--seed", "7", "--no-shrink", "--max-failures", "5", "--exclude-method", "DELETE"]
        avoid = ["--exclude-path-regex", "/accounts/"]
        url = f"http://127.0.0.1:{port}/api/v1/openapi.json"
        command = [PROGRAM or "", "run", url, "-H", f"Authorization: Bearer {secret}", *options, *bounds, *avoid]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6_000:]
