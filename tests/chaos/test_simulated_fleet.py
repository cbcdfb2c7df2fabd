"""A simulated fleet through the program itself: `aimscope simulate` ends with the truth, on both databases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.chaos.collector import ROOT, surroundings
from tests.chaos.crowd import say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_collector_knows_exactly_what_is_true(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    more: list[str] = []
    if kind == "postgresql":
        template: str = request.getfixturevalue("postgresql")
        more = ["--database", template.format(name="postgres")]
    command = [sys.executable, "-m", "aimscope_cli", "simulate", "--hosts", "60", "--days", "20", "--json"]
    command += ["--folder", str(tmp_path / "collector"), *more]
    state = {"AIMSCOPE_STATE": str(tmp_path / "state"), "HOME": str(tmp_path)}
    ended = subprocess.run(
        command, cwd=ROOT, env={**surroundings(), **state}, capture_output=True, timeout=280, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()[-2_000:] + ended.stdout.decode()[-2_000:]
    told = msgspec.json.decode(ended.stdout)
    verdict = told["verdict"]
    assert told["equal"] is True
    assert verdict["rows_true"] == verdict["rows_kept"] > 1_000
    assert verdict["count_true"] == verdict["count_kept"]
    assert verdict["services_found"] == verdict["services_true"] > 20
    assert told["played"]["repeated"] > 0
    assert told["played"]["clones"] > 0
    say(f"{kind}: {verdict['agents']} agents, {verdict['rows_kept']} rows, equal to the truth")
