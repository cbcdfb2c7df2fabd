from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import HOSTS, Run

QUIET = HOSTS / "linux-dev-quiet"
BUSY = HOSTS / "macos-ai-workstation"


def test_a_machine_without_ai_yields_nothing(aimscope: Run) -> None:
    result = aimscope("scan", "--root", QUIET, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["findings"], report["aimscope_scan"]) == (0, [], 1)
    assert aimscope("scan", "--root", QUIET, "--sensor", "processes").stdout.count("No AI found") == 1


def test_without_an_inventory_nothing_is_called_unregistered(aimscope: Run) -> None:
    result = aimscope("scan", "host", "--root", BUSY)
    assert result.exit_code == 0
    assert "AI services found, no inventory yet" in result.stdout
    assert "aimscope inventory init --from-scan" in result.stderr
    assert "Not registered" not in result.stdout


def test_with_an_inventory_there_are_verdicts_and_an_exit_status(aimscope: Run, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text("aimscope_inventory: 1\nsystems:\n- {name: Cursor, services: [cursor], status: approved}\n")
    result = aimscope("scan", "--root", BUSY, "--json")  # found in the working folder
    report = json.loads(result.stdout)
    assert result.exit_code == 3
    verdicts = {row["service"]: row["verdict"] for row in report["findings"]}
    assert verdicts["cursor"] == "authorised"
    assert verdicts["claude"] == "unregistered"
    inventory.write_text("aimscope_inventory: 1\nsystems:\n- {name: Cursor, stauts: approved}\n")
    broken = aimscope("scan", "--root", BUSY)
    assert broken.exit_code == 2
    assert "inventory.yaml:3" in broken.stderr
    assert "stauts" in broken.stderr


def test_incomplete_coverage_matters_when_asked(aimscope: Run) -> None:
    assert aimscope("scan", "--root", BUSY, "-q").exit_code == 0
    result = aimscope("scan", "--root", BUSY, "--strict-coverage")
    assert result.exit_code == 4
    assert "run as root" in result.stderr


def test_a_plan_reads_nothing_and_names_what_would_be_read(aimscope: Run) -> None:
    result = aimscope("scan", "--plan", "--root", BUSY)
    assert result.exit_code == 0
    for text in ("~/.cursor/mcp.json", "/Users/ann", "privacy:", "shell_history (off)"):
        assert text in result.stdout
    assert json.loads(aimscope("scan", "--plan", "--json", "--root", BUSY).stdout)["sensors"]


def test_files_are_written_whole_and_for_their_owner_alone(aimscope: Run, tmp_path: Path) -> None:
    page, table = tmp_path / "report.html", tmp_path / "out.csv"
    aimscope("scan", "--root", BUSY, "--html", page, "--csv", "--output", table)
    assert page.read_text().startswith("<!doctype html>")
    assert table.read_text().startswith('"verdict","service"')
    assert page.stat().st_mode & 0o077 == 0
    missing = aimscope("scan", "--root", QUIET, "--html", tmp_path / "no" / "report.html")
    assert missing.exit_code == 2
    assert "cannot be written" in missing.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_what_is_no_file_is_written_into_and_never_replaced(aimscope: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    aimscope("scan", "--root", QUIET, "--csv", "--output", pipe)
    assert pipe.is_fifo()
    assert os.read(reader, 65_536).startswith(b'"verdict","service"')
    os.close(reader)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scan", "--json", "--csv"), "one of --json, --csv at a time"),
        (("scan", "--output", "x"), "--output needs one of"),
        (("scan", "--root", "nowhere"), "not a folder"),
        (("scan", "--project", "nowhere"), "nowhere is no folder"),
        (("scan", "--sensor", "telepathy"), "no sensor 'telepathy'"),
        (("scan", "--opt-in", "telepathy"), "no sensor 'telepathy'"),
        (("scan", "code", "nowhere"), "is no folder"),
        (("scan", "--inventory", "nowhere.yaml"), "aimscope inventory init"),
        (("signatures", "show", "curser"), "did you mean cursor"),
        (("signatures", "new", "Bad Id", "--category", "search"), "is no id"),
        (("signatures", "new", "x", "--category", "magic"), "is no category"),
        (("signatures", "verify", "--folder", "nowhere"), "is no folder"),
        (("inventory", "init", "--from-scan"), "run `aimscope scan` first"),
        (("inventory", "convert", "nowhere.csv"), "cannot be used"),
        (("ignore", "cursor"), "a reason and an end"),
        (("ignore", "cursor", "--reason", "x", "--until", "2020-01-01"), "has passed"),
        (("signatures", "list", "--category", "magic"), "is no category"),
        (("ignore", "nobody", "--reason", "x", "--until", "2027-01-01"), "no service 'nobody'"),
        (("ignore", "cursor", "--reason", "x", "--until", "2027-01-01", "--evidence", "x"), "name=value"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(aimscope: Run, arguments: tuple[str, ...], said: str) -> None:
    result = aimscope(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_ignored_detection_is_left_out_but_counted(aimscope: Run) -> None:
    before = json.loads(aimscope("scan", "--root", BUSY, "--json").stdout)
    done = aimscope("ignore", "cursor", "--reason", "our own cursor", "--until", "2099-01-01")
    assert done.exit_code == 0
    after = json.loads(aimscope("scan", "--root", BUSY, "--json").stdout)
    assert {row["service"] for row in before["findings"]} - {row["service"] for row in after["findings"]} == {"cursor"}
    assert after["ignored"] > 0
    assert "our own cursor" in aimscope("ignore").stdout


def test_the_authoring_loop(aimscope: Run, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    new = aimscope("signatures", "new", "holly", "--category", "assistant", "--folder", folder)
    assert new.exit_code == 0
    verified = aimscope("signatures", "verify", "holly", "--folder", folder)
    assert (verified.exit_code, verified.stdout) == (0, "")
    again = aimscope("signatures", "new", "holly", "--category", "assistant", "--folder", folder)
    assert "exists already" in again.stderr
    path = folder / "assistant" / "holly.yaml"
    path.write_text(path.read_text().replace("vendor:", "vendro:"))
    broken = aimscope("signatures", "verify", "holly", "--folder", folder)
    assert broken.exit_code == 1
    assert "holly.yaml:3: unknown key 'vendro'" in broken.stdout


def test_the_organisations_own_services_are_matched(
    aimscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aimscope("signatures", "new", "corpgpt", "--category", "assistant", "--folder", tmp_path / "own")
    monkeypatch.setenv("AIMSCOPE_SERVICES", str(tmp_path / "own"))
    result = aimscope("signatures", "match", "domain", input="www.corpgpt.example\n")
    assert json.loads(result.stdout)["service"] == "corpgpt"


def test_stats_and_explanations(aimscope: Run) -> None:
    numbers = json.loads(aimscope("signatures", "stats", "--json").stdout)
    assert numbers["services"] >= 200
    assert len(numbers["category"]) == 25
    evidence = [
        json.loads(line) for line in aimscope("signatures", "stats", "--evidence", "--json").stdout.splitlines()
    ]
    assert {"service", "section", "value", "checked", "reference", "opened"} <= set(evidence[0])
    assert not [fact for fact in evidence if not fact["reference"]]
    assert "looked for in: " in aimscope("signatures", "explain", "cursor").stdout
    assert "com.todesktop.230313mzl4w4u92" in aimscope("signatures", "show", "cursor").stdout
    assert "cursor" in aimscope("signatures", "list", "anysphere").stdout


def test_the_version_is_told_without_loading_anything() -> None:
    code = (
        "import sys; sys.argv = ['aimscope', '--version']; from aimscope_cli.__main__ import run\n"
        "try: run()\nexcept SystemExit: pass\n"
        "print(sorted({'typer', 'yaml', 'msgspec', 'psutil', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_path())
    assert done.stdout.splitlines()[0].startswith("aimscope 0.")
    assert done.stdout.splitlines()[1] == "[]"


def _path() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_statistics_count_probes_and_clauses_as_such(aimscope: Run) -> None:
    facts = json.loads(aimscope("signatures", "stats", "--json").stdout)["facts"]
    assert {"domains", "probes", "clauses", "apps.macos"} <= set(facts)
    assert not [name for name in facts if name.startswith(("probes.", "clauses."))]


def test_help_says_where_the_options_of_a_scan_are(aimscope: Run) -> None:
    assert "aimscope scan host --help" in aimscope("scan", "--help").stdout


@pytest.mark.parametrize("project", ["/home/ann/app", str(HOSTS / "linux-ai-workstation" / "root/home/ann/app")])
def test_a_project_in_a_tree_is_named_as_there_or_as_here(aimscope: Run, project: str) -> None:
    host = HOSTS / "linux-ai-workstation"
    report = json.loads(aimscope("scan", "--root", host, "--project", project, "--sensor", "mcp", "--json").stdout)
    kinds = [evidence["kind"] for row in report["findings"] for evidence in row["evidence"]]
    assert kinds.count("project_file") == 4
