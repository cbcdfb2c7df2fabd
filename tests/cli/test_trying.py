"""`logs try` shows people and devices as the configuration keeps them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

SQUID = "1795424401.953    120 10.0.0.7 TCP_TUNNEL/200 5120 CONNECT claude.ai:443 ann HIER_DIRECT/203.0.113.5 -\n"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.yaml"
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(path))
    (tmp_path / "squid.log").write_text(SQUID * 3)
    return path


def facts(aimscope: Run) -> list[dict[str, Any]]:
    answer = aimscope("logs", "try", "squid.log", "--json")
    assert answer.exit_code == 0, answer.stderr
    return list(json.loads(answer.stdout)["facts"])


def test_names_are_shown_where_the_owner_keeps_them(aimscope: Run, config: Path) -> None:
    config.write_text("privacy: {users: keep, devices: keep}\n")
    fact = facts(aimscope)[0]
    assert (fact["user"], fact["device"], fact["fields"]["host"]) == ("ann", "10.0.0.7", "claude.ai")


def test_pseudonyms_are_the_same_for_the_same_person(aimscope: Run, config: Path) -> None:
    config.write_text("privacy: {users: pseudonym, devices: pseudonym}\n")
    found = facts(aimscope)
    assert len({(fact["user"], fact["device"]) for fact in found}) == 1
    assert re.fullmatch("user-[0-9a-f]{12}", found[0]["user"])
    assert re.fullmatch("device-[0-9a-f]{12}", found[0]["device"])
    assert not re.search(r"ann|10\.0\.0\.7", json.dumps(found))


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_what_is_dropped_is_nowhere(aimscope: Run, config: Path, form: tuple[str, ...]) -> None:
    config.write_text("privacy: {users: drop, devices: drop}\n")
    answer = aimscope("logs", "try", "squid.log", *form)
    assert "claude.ai" in answer.stdout
    assert not re.search(r"\bann\b|10\.0\.0\.7", answer.stdout + answer.stderr)


def test_a_malformed_configuration_is_said(aimscope: Run, config: Path) -> None:
    config.write_text("privacy: {users: sometimes}\n")
    answer = aimscope("logs", "try", "squid.log")
    assert (answer.exit_code, "config.yaml" in answer.stderr) == (2, True)


def test_the_end_of_the_last_line_is_no_line(aimscope: Run, config: Path) -> None:
    config.write_text("privacy: {}\n")
    tried = json.loads(aimscope("logs", "try", "squid.log", "--json").stdout)
    assert (tried["lines"], tried["read"]) == (3, 3)
