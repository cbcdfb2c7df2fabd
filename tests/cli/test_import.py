"""`aimscope import` as a person runs it: findings, coverage and exit status for each source."""

from __future__ import annotations

import gzip
import json
import os
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

SAMPLES = Path(__file__).parents[1] / "_data" / "sources"
FOUND = {
    "anthropic/activities.json": {"claude", "anthropic-api"},
    "anthropic/audit.csv": {"claude"},
    "cyclonedx/bom.json": {"", "anthropic-api", "openai-api", "ollama"},
    "defender/extensions.csv": {"grammarly"},
    "defender/software.json": {"chatgpt"},
    "entra/1-servicePrincipals.json": {"chatgpt"},
    "entra/portal.csv": {"otter-ai"},
    "expenses/card.csv": set(),
    "fleet/hosts.json": {"claude", "openai-api"},
    "fleet/software.csv": {"claude", "ollama"},
    "google_workspace/activities.json": {"chatgpt"},
    "google_workspace/oauth_log.csv": {"perplexity"},
    "google_workspace/tokens.json": {"fireflies"},
    "homebrew/Brewfile": {"cursor", "github-copilot", "ollama"},
    "homebrew/info.json": {"chatgpt", "ollama"},
    "homebrew/list.txt": {"claude", "cursor", "ollama"},
    "intune/AppInvRawData.csv": {"chatgpt"},
    "intune/detectedApps.json": {"cursor"},
    "jamf/computers-inventory.json": {"claude", "lm-studio"},
    "jamf/search.csv": {"chatgpt"},
    "openai/audit.jsonl": {"openai-api"},
    "osquery/apps.json": {"chatgpt"},
    "osquery/results.log": {"cursor", "github-copilot", "grammarly", "ollama"},
    "spdx/bom.spdx": {"vllm"},
    "spdx/bom.spdx.json": {"langchain"},
    "winget/export.json": {"ollama"},
    "winget/list.txt": {"chatgpt", "cursor", "lm-studio", "ollama"},
}
TORN = {
    "cyclonedx/bom.json",
    "defender/extensions.csv",
    "expenses/card.csv",
    "fleet/hosts.json",
    "intune/AppInvRawData.csv",
    "openai/audit.jsonl",
    "osquery/results.log",
    "winget/list.txt",
}


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("{}\n")
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(path))


def report(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


def services(found: dict[str, Any]) -> set[str]:
    return {row["service"] for row in found["findings"]}


@pytest.mark.parametrize("name", FOUND)
def test_each_source_end_to_end(aimscope: Run, name: str) -> None:
    source = name.partition("/")[0]
    named = aimscope("import", source.replace("_", "-"), SAMPLES / name, "--json")
    assert named.exit_code == 0, named.stderr
    found = report(named.stdout)
    assert services(found) == FOUND[name]
    (coverage,) = found["coverage"]
    assert coverage["sensor"] == source
    assert coverage["counts"]["observed"] > 0
    assert any("cannot tell" in gap["reason"] for gap in coverage["gaps"])
    assert found["complete"] is (name not in TORN)
    strict = aimscope("import", SAMPLES / name, "--json", "--strict-coverage")  # told by its columns
    assert strict.exit_code == (4 if name in TORN else 0)
    assert services(report(strict.stdout)) == FOUND[name]


def test_an_inventory_gives_verdicts_and_an_exit_status(aimscope: Run, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(
        "aimscope_inventory: 1\nsystems:\n- {name: Claude, services: [claude], status: approved}\n"
        "- {name: Cursor, services: [cursor], status: approved}\n"
    )
    result = aimscope("import", "fleet", SAMPLES / "fleet" / "hosts.json", "--inventory", inventory, "--json")
    assert result.exit_code == 3
    verdicts = {row["service"]: row["verdict"] for row in report(result.stdout)["findings"]}
    assert verdicts == {"claude": "authorised", "openai-api": "unregistered"}  # no export proves that Cursor is unused


def test_devices_and_people_follow_the_policy(aimscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("privacy: {users: drop, devices: pseudonym}\n")
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(path))
    told = aimscope("import", "intune", SAMPLES / "intune" / "AppInvRawData.csv", "--json").stdout
    assert "carol" not in told
    assert "PC-21" not in told
    assert '"asset": "device-' in told


def test_payments_are_hints_without_numbers(aimscope: Run) -> None:
    text = aimscope("import", "expenses", SAMPLES / "expenses" / "card.csv", "--json").stdout
    hints = report(text)["weak"]
    assert {hint["held"][0]["value"] for hint in hints} == {
        *("chatgpt", "claude.ai", "midjourney", "cursor ai powered ide"),
    }
    assert {hint["identity"] for hint in hints} == {"low"}
    for number in ("4111", "20,00", "18,00", "4242", "733"):
        assert number not in text


def test_a_name_that_others_bear_too_is_a_hint(aimscope: Run) -> None:
    found = report(
        aimscope("import", "google-workspace", SAMPLES / "google_workspace" / "oauth_log.csv", "--json").stdout
    )
    assert [hint["fields"]["app"] for hint in found["weak"]] == ["Cursor"]


def test_a_wrong_file_is_told_apart(aimscope: Run) -> None:
    path = SAMPLES / "intune" / "AppInvRawData.csv"
    result = aimscope("import", "jamf", path)
    assert result.exit_code == 2
    assert "looks like Microsoft Intune, not Jamf Pro" in result.stderr
    assert f"aimscope import intune {path}" in result.stderr


def test_what_several_sources_could_be_is_asked_for(aimscope: Run, tmp_path: Path) -> None:
    path = tmp_path / "software.csv"
    path.write_text("name,version,source,vendor,weaknesses,exposed devices,os platform\nx,1,apps,y,0,1,macOS\n")
    assert aimscope("import", path, "-q").exit_code == 0  # the one with more of its columns
    path.write_text("Date,Merchant,Amount,Computer Name,Application Title,id\n2026-11-01,OPENAI,1,m,x,1\n")
    assert aimscope("import", path).exit_code == 0
    path.write_text("name,version,source,clientid,displaytext,user\nx,1,apps,1,x,y\n")
    result = aimscope("import", "auto", path)
    assert result.exit_code == 2
    for name in ("fleet", "google_workspace"):
        assert f"aimscope import {name} {path}" in result.stderr
    assert aimscope("import", "fleet", path, "-q").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "osqery", "x"), "did you mean osquery"),
        (("import", "osquery"), "which file?"),
        (("import", "osquery", "nowhere.json"), "nowhere.json cannot be read: no such file"),
        (("import", "auto", "-", "-"), "named twice"),
        (("import", SAMPLES / "cyclonedx" / "bom.xml"), "output-format json"),
        (("import", "spdx", SAMPLES / "cyclonedx" / "expected.json"), "not recognised as SPDX"),
        (("import", "osquery", "x", "--json", "--csv"), "one of --json, --csv"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(aimscope: Run, arguments: tuple[str, ...], said: str) -> None:
    result = aimscope(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_arguments_the_sources_are_listed(aimscope: Run) -> None:
    told = aimscope("import").stdout
    assert told.count("  cannot tell: ") == told.count("  proves: ") == 14
    assert {each["name"] for each in json.loads(aimscope("import", "--json").stdout)} == {
        name.partition("/")[0] for name in FOUND
    }


def test_standard_input_and_several_files(aimscope: Run) -> None:
    data = (SAMPLES / "osquery" / "apps.json").read_text()
    found = report(aimscope("import", "osquery", "-", "--json", input=data).stdout)
    assert services(found) == {"chatgpt"}
    both = [SAMPLES / "osquery" / "apps.json", SAMPLES / "jamf" / "search.csv"]
    found = report(aimscope("import", *both, "--json").stdout)
    assert [one["sensor"] for one in found["coverage"]] == ["osquery", "jamf"]


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_pipe_is_read_like_a_file(aimscope: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        pool.submit(pipe.write_bytes, (SAMPLES / "osquery" / "apps.json").read_bytes())
        answer = aimscope("import", "osquery", pipe, "--json")
    assert services(report(answer.stdout)) == {"chatgpt"}


def test_grants_are_joined_with_the_applications_of_another_file(aimscope: Run) -> None:
    files = sorted((SAMPLES / "entra").glob("[12]-*.json"))
    found = report(aimscope("import", "entra", *files, "--json").stdout)
    assert {evidence.get("subject", "") for evidence in found["findings"][0]["evidence"]} == {"", "user-7"}
    assert any("no file names" in gap["reason"] for gap in found["coverage"][0]["gaps"])  # of sp-9


def test_a_page_that_is_not_the_last_is_not_all(aimscope: Run, tmp_path: Path) -> None:
    page, last = tmp_path / "1.json", SAMPLES / "entra" / "1-servicePrincipals.json"
    page.write_text(last.read_text().replace('{"value"', '{"@odata.nextLink": "https://graph.example.com/2", "value"'))
    assert report(aimscope("import", page, "--json").stdout)["complete"] is False
    assert report(aimscope("import", page, last, "--json").stdout)["complete"] is True


def test_an_archive_with_one_table_is_opened(aimscope: Run, tmp_path: Path) -> None:
    path = tmp_path / "AppInvRawData.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(SAMPLES / "intune" / "AppInvRawData.csv", "report.csv")
    assert services(report(aimscope("import", "intune", path, "--json").stdout)) == {"chatgpt"}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    result = aimscope("import", "intune", path)
    assert result.exit_code == 2
    assert "archive of a.csv, b.csv" in result.stderr


def test_a_file_that_is_mostly_torn_is_no_success(aimscope: Run, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text((SAMPLES / "openai" / "audit.jsonl").read_text().splitlines()[0] + "\n" + '{"torn\n' * 9)
    result = aimscope("import", "openai", path, "--json")
    assert result.exit_code == 2
    assert "mostly unreadable" in result.stderr
    assert services(report(result.stdout)) == {"openai-api"}


def test_cells_of_strangers_stay_text(aimscope: Run, tmp_path: Path) -> None:
    path = tmp_path / "apps.csv"
    path.write_text(
        "ApplicationName,ApplicationVersion,ApplicationPublisher,DeviceName\n"
        "ChatGPT,\"=cmd|' /C calc'!A0\",OpenAI,<script>alert(1)</script>\n"
    )
    page = tmp_path / "report.html"
    table = aimscope("import", "intune", path, "--csv", "--html", page)
    assert table.exit_code == 0
    assert '"=cmd' not in table.stdout
    assert "<script>alert" not in page.read_text()
    shown = aimscope("import", "intune", path, "--explain")
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize("form", ["text", "csv", "html"])
def test_expenses_can_be_reviewed_in_every_form(aimscope: Run, tmp_path: Path, form: str) -> None:
    options = {"text": (), "csv": ("--csv",), "html": ("--html", "page.html")}[form]
    answer = aimscope("import", "expenses", SAMPLES / "expenses/card.csv", *options)
    said = (tmp_path / "page.html").read_text() if form == "html" else answer.stdout
    for part in ("openai chatgpt subscr", "ann@example.com", "2026-11-01", "ChatGPT", "midjourney inc.", "2026-11-03"):
        assert part in said, part
    assert "4111" not in said
    assert answer.exit_code == 0, "a hint is no finding"


def test_one_file_that_cannot_be_read_does_not_keep_the_others_from_being_read(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "bad.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"name,version\n" * 20)[:-8] + bytes(8))
    good = SAMPLES / "intune" / "AppInvRawData.csv"
    answer = aimscope("import", "notes.txt", good, "empty.csv", "bad.zip", "cut.csv.gz", "--json")
    found = report(answer.stdout)
    assert (answer.exit_code, services(found)) == (2, FOUND["intune/AppInvRawData.csv"])
    assert "not read: notes.txt, empty.csv, bad.zip, cut.csv.gz" in answer.stderr
    (part,) = (part for part in found["coverage"] if part["sensor"] == "files")
    told = {gap["source"]: gap["reason"] for gap in part["gaps"]}
    assert (part["status"], part["counts"], found["complete"]) == ("failed", {"not read": 4}, False)
    assert told["empty.csv"] == "is empty"
    assert told["notes.txt"].startswith("is of no source that is known")
    nothing = aimscope("import", "notes.txt", "empty.csv", "--json")
    assert (nothing.exit_code, nothing.stdout) == (2, "")
    assert "notes.txt is of no source" in nothing.stderr
    mistyped = aimscope("import", good, "none.csv", "--json")
    assert (mistyped.exit_code, mistyped.stdout) == (2, "")
