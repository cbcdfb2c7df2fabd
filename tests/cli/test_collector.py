"""The collector from the command line: founded, looked after, asked."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from aimscope_collector.store.database import connect
from tests.cli.conftest import Run

INVENTORY = """\
aimscope_inventory: 1
systems:
  - {id: AI-1, name: Cursor, services: [cursor], status: approved, owner: ann}
"""


@pytest.fixture
def folder(aimscope: Run, tmp_path: Path) -> Path:
    place = tmp_path / "c"
    answer = aimscope("collector", "init", "--folder", place)
    assert answer.exit_code == 0, answer.stderr
    return place


@pytest.fixture
def finding(folder: Path) -> str:
    """One finding, as reports would have left it."""
    from tests.collector.fleet.planted import Planted

    engine = connect(str(folder / "collector.db"))
    planted = Planted(engine)
    planted.saw(planted.agent("h1", "emea"), "cursor", "application", id="dpkg:cursor")
    planted.reconcile()
    found = next(iter(planted.findings().values())).id
    engine.dispose()
    return found


def ask(aimscope: Run, *words: str | Path) -> Any:
    answer = aimscope(*words, "--json")
    assert answer.exit_code in (0, 3), answer.stderr
    return json.loads(answer.stdout)


def test_a_collector_is_founded_once_and_shows_its_secrets_once(aimscope: Run, tmp_path: Path) -> None:
    made = ask(aimscope, "collector", "init", "--folder", tmp_path / "c")
    assert made["token"].startswith("et_")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "c").rglob("*") if path.is_file())
    assert made["password"].encode() not in stored
    assert made["token"].encode() not in stored
    again = aimscope("collector", "init", "--folder", tmp_path / "c")
    assert (again.exit_code, "already" in again.stderr) == (2, True)


def test_a_folder_that_holds_none_is_said(aimscope: Run, tmp_path: Path) -> None:
    answer = aimscope("collector", "status", "--folder", tmp_path / "none")
    assert answer.exit_code == 2
    assert "collector init" in answer.stderr


def test_health_is_an_exit_status(aimscope: Run, folder: Path) -> None:
    answer = aimscope("collector", "status", "--folder", folder, "--quiet")
    assert (answer.exit_code, answer.stdout) == (0, "")
    (folder / "collector.db").write_bytes(b"no database" * 1_000)
    assert aimscope("collector", "status", "--folder", folder, "--quiet").exit_code == 2


def test_a_damaged_database_is_said_with_what_to_do(aimscope: Run, folder: Path) -> None:
    with (folder / "collector.db").open("r+b") as file:
        file.seek(4_096)  # the header stays: it still looks like a database
        file.write(os.urandom(60_000))
    for words in (("status",), ("audit", "verify"), ("serve", "--listen", "127.0.0.1:0")):
        answer = aimscope("collector", *words, "--folder", folder)
        assert answer.exit_code == 2, answer.stderr
        assert "malformed" in answer.stderr
        assert "defect" not in answer.stderr


def test_status_counts(aimscope: Run, folder: Path, finding: str) -> None:
    found = ask(aimscope, "collector", "status", "--folder", folder)
    assert (found["findings"], found["undecided"], found["devices"]) == (1, 1, 1)
    assert found["feeds"] == {"catalogue": 1, "policy": 1, "root": 1}
    assert "findings" in aimscope("collector", "status", "--folder", folder).stdout


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "192.0.2.1:1", "[::]:8443"])
def test_nothing_is_served_in_clear_across_a_network(aimscope: Run, folder: Path, listen: str) -> None:
    answer = aimscope("collector", "serve", "--folder", folder, "--listen", listen)
    assert answer.exit_code == 2
    assert "--tls-cert" in answer.stderr


def test_tokens_are_made_listed_and_ended(aimscope: Run, folder: Path) -> None:
    made = ask(aimscope, "collector", "token", "create", "--folder", folder, "--uses", "5", "--note", "lab")
    listed = aimscope("collector", "token", "list", "--folder", folder)
    assert "lab" in listed.stdout
    assert made["token"] not in listed.stdout
    assert ask(aimscope, "collector", "token", "enrolled", str(made["id"]), "--folder", folder) == []
    assert aimscope("collector", "token", "revoke", str(made["id"]), "--folder", folder).exit_code == 0
    assert aimscope("collector", "token", "revoke", "99", "--folder", folder).exit_code == 2
    long = aimscope("collector", "token", "create", "--folder", folder, "--hours", "100")
    assert (long.exit_code, "approval" in long.stderr) == (2, True)


def test_accounts_are_made_reset_and_disabled(aimscope: Run, folder: Path) -> None:
    made = ask(aimscope, "collector", "user", "add", "Ann", "--role", "reviewer", "--folder", folder)
    assert made["name"] == "ann"
    other = ask(aimscope, "collector", "user", "reset", "ann", "--folder", folder)
    assert other["password"] != made["password"]
    assert "ann" in aimscope("collector", "user", "list", "--folder", folder).stdout
    assert aimscope("collector", "user", "disable", "ann", "--folder", folder).exit_code == 0
    last = aimscope("collector", "user", "disable", "admin", "--folder", folder)
    assert (last.exit_code, "last administrator" in last.stderr) == (2, True)
    wrong = aimscope("collector", "user", "add", "bob", "--role", "king", "--folder", folder)
    assert (wrong.exit_code, "no role" in wrong.stderr) == (2, True)


def test_the_audit_log_is_verified_and_a_changed_entry_named(aimscope: Run, folder: Path) -> None:
    head = aimscope("collector", "audit", "head", "--folder", folder).stdout.strip()
    assert aimscope("collector", "audit", "verify", "--folder", folder, "--head", head).exit_code == 0
    assert "collector.founded" in aimscope("collector", "audit", "show", "--folder", folder).stdout
    engine = connect(str(folder / "collector.db"))
    with engine.begin() as connection:
        connection.exec_driver_sql("update audit set actor = 'mallory' where sequence = 2")
    engine.dispose()
    answer = aimscope("collector", "audit", "verify", "--folder", folder)
    assert (answer.exit_code, "entry 2" in answer.stderr) == (1, True)


def test_a_backup_is_made_checked_and_restored(aimscope: Run, folder: Path, tmp_path: Path) -> None:
    assert aimscope("collector", "backup", tmp_path / "b", "--folder", folder, "--with-keys").exit_code == 0
    assert aimscope("collector", "restore", tmp_path / "b", "--check").exit_code == 0
    assert aimscope("collector", "restore", tmp_path / "b", "--folder", tmp_path / "new").exit_code == 0
    assert aimscope("collector", "status", "--folder", tmp_path / "new", "--quiet").exit_code == 0
    again = aimscope("collector", "restore", tmp_path / "b", "--folder", tmp_path / "new")
    assert (again.exit_code, "already" in again.stderr) == (2, True)


def test_migrating_what_is_current_changes_nothing(aimscope: Run, folder: Path) -> None:
    found = ask(aimscope, "collector", "migrate", "--folder", folder)
    assert found["before"] == found["after"] != ""


def test_findings_are_listed_shown_and_decided(aimscope: Run, folder: Path, finding: str) -> None:
    assert [one["id"] for one in ask(aimscope, "findings", "list", "--folder", folder)] == [finding]
    assert aimscope("findings", "list", "--folder", folder, "--verdict", "prohibited").stdout == ""
    shown = aimscope("findings", "show", finding, "--folder", folder)
    assert "dpkg:cursor" in shown.stdout
    assert "cursor" in aimscope("findings", "show", finding, "--folder", folder, "--draft").stdout
    refused = aimscope("findings", "decide", finding, "--action", "prohibit", "--folder", folder)
    assert (refused.exit_code, "reason" in refused.stderr) == (2, True)
    words = ("--action", "tolerate", "--reason", "pilot", "--until", "2099-01-01", "--everywhere")
    done = aimscope("findings", "decide", finding, *words, "--folder", folder)
    assert (done.exit_code, done.stdout.split()) == (0, [finding, "tolerated"])
    assert "pilot" in aimscope("findings", "show", finding, "--folder", folder).stdout
    assert aimscope("findings", "show", "f-none", "--folder", folder).exit_code == 2


def test_open_unregistered_use_is_exit_status_3(aimscope: Run, folder: Path, finding: str) -> None:
    from tests.collector.example import inventory
    from tests.collector.fleet.planted import Planted

    assert aimscope("findings", "list", "--folder", folder).exit_code == 0
    engine = connect(str(folder / "collector.db"))
    Planted(engine).reconcile(inventory())
    engine.dispose()
    assert aimscope("findings", "list", "--folder", folder).exit_code == 3
    words = ("--action", "dismiss", "--reason", "a test machine")
    assert aimscope("findings", "decide", finding, *words, "--folder", folder).exit_code == 0
    assert aimscope("findings", "list", "--folder", folder).exit_code == 0


def test_an_inventory_is_compared_pushed_and_pulled(aimscope: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(INVENTORY, "utf-8")
    assert aimscope("inventory", "pull", "--folder", folder).exit_code == 2
    assert aimscope("inventory", "diff", file, "--folder", folder).stdout == "+ AI-1\n"
    assert "version 1" in aimscope("inventory", "push", file, "--folder", folder, "--note", "first").stdout
    file.write_text(INVENTORY.replace("approved", "prohibited"), "utf-8")
    assert "approved" in aimscope("inventory", "diff", file, "--folder", folder).stdout
    assert "version 2" in aimscope("inventory", "push", file, "--folder", folder).stdout
    pulled = aimscope("inventory", "pull", "--folder", folder, "-o", tmp_path / "back.yaml")
    assert pulled.exit_code == 0
    assert aimscope("inventory", "diff", tmp_path / "back.yaml", "--folder", folder).stdout == ""
    assert aimscope("inventory", "pull", "--folder", folder, "-o", tmp_path / "back.yaml").exit_code == 2
    file.write_text("systems: [{name: x, status: nice}]", "utf-8")
    bad = aimscope("inventory", "push", file, "--folder", folder)
    assert (bad.exit_code, "status" in bad.stderr) == (2, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://collector.example", "in clear"),
        ("ftp://collector.example", "https://HOST"),
        ("collector", "https://HOST"),
        ("https://127.0.0.1:1", "does not answer"),
    ],
)
def test_a_collector_that_cannot_be_asked(aimscope: Run, tmp_path: Path, url: str, said: str) -> None:
    (tmp_path / "key").write_text("ak_secret\n", "utf-8")
    answer = aimscope("findings", "list", "--collector", url, "--key-file", tmp_path / "key")
    assert answer.exit_code == 2
    assert said in answer.stderr
    assert "ak_secret" not in answer.stderr


def test_a_key_file_holds_a_key(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hello", "utf-8")
    answer = aimscope("findings", "list", "--collector", "https://127.0.0.1:1", "--key-file", tmp_path / "key")
    assert "begins with ak_" in answer.stderr
    assert (
        "no such"
        in aimscope(
            "findings", "list", "--collector", "https://127.0.0.1:1", "--key-file", tmp_path / "none"
        ).stderr.casefold()
    )


def test_an_installation_without_the_server_says_what_to_install(
    aimscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "litestar" else there(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    for words in (("collector", "init"), ("collector", "serve"), ("findings", "list")):
        answer = aimscope(*words, "--folder", tmp_path / "c")
        assert (answer.exit_code, "aimscope[collector]" in answer.stderr) == (2, True)
