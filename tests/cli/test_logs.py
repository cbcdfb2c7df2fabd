"""`scan logs`, `logs try`, `logs formats`, as a person uses them."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import re
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from aimscope_agent.logs.registry import built_in
from tests.cli.conftest import Run

ZEEK = {"ts": 1_795_000_000.5, "id.orig_h": "192.0.2.7", "id.resp_h": "198.51.100.3", "trans_depth": 1, "uri": "/"}
LOG = "".join(json.dumps({**ZEEK, "host": host}) + "\n" for host in ("www.example.com", "claude.ai", "claude.ai"))
MAP = """\
name: corp-proxy
title: Proxy of the house
vendor: House
engine: delimited
options: {separator: pipe, columns: [when, who, host]}
recognise: {fields: [when, who, host], values: {when: ["20*"]}}
time: [when]
records:
  - kind: http.request
    fields: {host: host}
    user: who
verified: memory
"""


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMSCOPE_FORMATS", str(tmp_path / "formats"))
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(tmp_path / "config.yaml"))
    (tmp_path / "config.yaml").write_text("privacy: {users: keep}\n")
    (tmp_path / "http.log").write_text(LOG)


def services(text: str) -> dict[str, int]:
    return {row["service"]: sum(e.get("count", 1) for e in row["evidence"]) for row in json.loads(text)["findings"]}


def test_a_log(aimscope: Run) -> None:
    answer = aimscope("scan", "logs", "http.log")
    assert answer.exit_code == 0
    assert "Claude" in answer.stdout
    assert "http.request: claude.ai [192.0.2.7]  http.log:2" in answer.stdout
    assert "zeek-json http.log" in answer.stdout
    assert "3 lines, 2026-11-18 11:06 to 2026-11-18 11:06 UTC" in answer.stderr


def test_as_json_and_the_same_by_every_line(aimscope: Run) -> None:
    answer = aimscope("scan", "logs", "http.log", "--json", "--strict-coverage")
    assert services(answer.stdout) == {"claude": 2}
    (coverage,) = json.loads(answer.stdout)["coverage"]
    assert coverage["counts"]["lines"] == 3
    every = aimscope("scan", "logs", "http.log", "--json", "--every-line", "--jobs", "1")
    assert json.loads(every.stdout)["findings"] == json.loads(answer.stdout)["findings"]


def test_standard_input_and_compressed(aimscope: Run, tmp_path: Path) -> None:
    assert services(aimscope("scan", "logs", "-", "--json", input=LOG).stdout) == {"claude": 2}
    (tmp_path / "http.log.1.gz").write_bytes(gzip.compress(LOG.encode()))
    assert services(aimscope("scan", "logs", "http.log.1.gz", "--json").stdout) == {"claude": 2}


def test_a_folder_is_read_as_far_as_it_can_be(aimscope: Run, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.log").write_text(LOG)
    (folder / "b.log").write_text(LOG)
    (folder / "notes.txt").write_text("buy milk\n")
    (folder / "empty.log").write_text("")
    answer = aimscope("scan", "logs", folder, "--json", "--strict-coverage")
    assert answer.exit_code == 4
    assert services(answer.stdout) == {"claude": 4}
    report = json.loads(answer.stdout)
    (gap,) = next(part["gaps"] for part in report["coverage"] if part["sensor"] == "folders")
    assert (gap["reason"], gap["source"].endswith("notes.txt")) == ("its lines fit no known format", True)


def test_a_folder_without_logs_is_no_complete_look(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    answer = aimscope("scan", "logs", "empty", "--strict-coverage")
    assert (answer.exit_code, "it holds no log" in answer.stdout) == (4, True)


def test_a_folder_that_may_not_be_listed_is_a_gap(
    aimscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs" / "closed").mkdir(parents=True)
    (tmp_path / "logs" / "a.log").write_text(LOG)
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):  # what the system says to those who may not, and never to root
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    answer = aimscope("scan", "logs", "logs", "--json", "--strict-coverage")
    assert answer.exit_code == 4
    (gap,) = next(part["gaps"] for part in json.loads(answer.stdout)["coverage"] if part["sensor"] == "folders")
    assert (gap["status"], gap["source"].endswith("closed")) == ("denied", True)


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_links_that_lead_out_of_a_folder_are_said(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(LOG)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.log").write_text(LOG)
    (tmp_path / "logs" / "inside.log").symlink_to(tmp_path / "logs" / "a.log")
    (tmp_path / "logs" / "itself").symlink_to(tmp_path / "logs")
    (tmp_path / "logs" / "nowhere.log").symlink_to(tmp_path / "none")
    (tmp_path / "logs" / "null").symlink_to("/dev/null")
    whole = aimscope("scan", "logs", "logs", "--json", "--strict-coverage")
    assert (whole.exit_code, services(whole.stdout)) == (0, {"claude": 2})
    (tmp_path / "logs" / "b.log").symlink_to(tmp_path / "elsewhere" / "b.log")
    (tmp_path / "logs" / "folder").symlink_to(tmp_path / "elsewhere")
    answer = aimscope("scan", "logs", "logs", "--json", "--strict-coverage")
    assert (answer.exit_code, services(answer.stdout)) == (4, {"claude": 2})
    (part,) = (part for part in json.loads(answer.stdout)["coverage"] if part["sensor"] == "folders")
    assert part["status"] == "partial"
    assert [Path(gap["source"]).name for gap in part["gaps"]] == ["b.log", "folder"]
    assert {gap["reason"].partition(";")[0] for gap in part["gaps"]} == {"a link that leads elsewhere is not followed"}
    both = aimscope("scan", "logs", "logs", "elsewhere", "--json", "--strict-coverage")
    assert (both.exit_code, services(both.stdout)) == (0, {"claude": 4})


def test_a_file_of_a_folder_that_may_not_be_read_is_a_gap(
    aimscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(LOG)
    (tmp_path / "logs" / "closed.log").write_text(LOG)
    opened = Path.open

    def open_(path: Path, mode: str = "r") -> IO[Any]:
        if path.name == "closed.log":  # what the system says to those who may not, and never to root
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", open_)
    answer = aimscope("scan", "logs", "logs")
    assert answer.exit_code == 0
    assert "closed.log: denied: permission denied" in answer.stdout
    assert "not everything could be looked at" in answer.stdout
    assert aimscope("scan", "logs", "logs", "--strict-coverage").exit_code == 4
    assert aimscope("scan", "logs", "logs/a.log", "logs/closed.log").exit_code == 2


def test_a_log_that_is_named_twice_counts_once(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "http.log").write_text(LOG)
    answer = aimscope("scan", "logs", "folder/http.log", "folder", "folder/../folder/http.log", "--json")
    assert services(answer.stdout) == {"claude": 2}


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_pipe_is_not_taken_for_an_empty_log(aimscope: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    answer = aimscope("scan", "logs", tmp_path / "pipe")
    assert (answer.exit_code, "read as standard input" in answer.stderr) == (2, True)


def test_what_cannot_be_recognised_is_an_error_that_says_how_to_go_on(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    answer = aimscope("scan", "logs", "notes.txt")
    assert answer.exit_code == 2
    assert "its lines fit no known format" in answer.stderr
    assert "--format" in answer.stderr
    assert aimscope("scan", "logs", "none.log").exit_code == 2
    assert "no format 'x'" in aimscope("scan", "logs", "http.log", "--format", "x").stderr
    assert "no time zone" in aimscope("scan", "logs", "http.log", "--zone", "Mars").stderr


def test_one_file_that_cannot_be_read_does_not_keep_the_others_from_being_read(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(LOG.encode())[:12])
    (tmp_path / "bad.gz").write_bytes(gzip.compress(LOG.encode())[:-8] + bytes(8))
    answer = aimscope("scan", "logs", "notes.txt", "http.log", "cut.gz", "bad.gz", "--json")
    assert answer.exit_code == 2
    assert services(answer.stdout) == {"claude": 2}
    assert "not read: notes.txt, cut.gz, bad.gz" in answer.stderr
    report = json.loads(answer.stdout)
    (part,) = (part for part in report["coverage"] if part["sensor"] == "files")
    told = {gap["source"]: (gap["status"], gap["reason"].partition(":")[0]) for gap in part["gaps"]}
    assert (part["status"], report["complete"]) == ("failed", False)
    assert told == {
        "notes.txt": ("failed", "its lines fit no known format"),
        "cut.gz": ("failed", "the compressed file ends before its end"),
        "bad.gz": ("failed", "damaged gzip"),
    }
    assert [gap.get("remedy", "")[:13] for gap in part["gaps"] if gap["source"] == "notes.txt"] == ["--format NAME"]


def test_where_nothing_can_be_read_the_first_failure_is_the_answer(aimscope: Run, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("buy milk\n")
    answer = aimscope("scan", "logs", "a.txt", "b.txt")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "a.txt: its lines fit no known format" in answer.stderr


def squid(host: str) -> str:
    return f"1795000000.123     90 10.0.0.7 TCP_TUNNEL/200 512 CONNECT {host}:443 ann HIER_DIRECT/192.0.2.1 -\n"


def test_a_larger_log_that_is_mostly_torn_is_told_by_a_sample(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "torn.log").write_text(squid("claude.ai") * 3_000 + "x 1\n" * 40_000)
    assert 400_000 < (tmp_path / "torn.log").stat().st_size < 524_288  # a single block
    answer = aimscope("scan", "logs", "torn.log", "--json")
    assert answer.exit_code == 2
    assert services(answer.stdout) == {"claude": 3_000}
    (part,) = json.loads(answer.stdout)["coverage"]
    (gap,) = part["gaps"]
    assert (part["status"], gap["status"], part["counts"]["lines"]) == ("failed", "failed", 43_000)
    if part["counts"]["read closely"] == 43_000:  # without the library that searches every line is read
        assert gap["count"] == 40_000
        return
    assert re.match(r"about 9[1-5] % of the lines are torn or not of squid-native, by a sample of \d+", gap["reason"])
    assert "unreadable" not in part["counts"]
    assert gap.get("count", 1) == 1
    every = json.loads(aimscope("scan", "logs", "torn.log", "--json", "--every-line").stdout)
    assert every["coverage"][0]["gaps"][0]["count"] == every["coverage"][0]["counts"]["unreadable"] == 40_000


def test_a_log_that_goes_bad_in_its_middle(aimscope: Run, tmp_path: Path) -> None:
    good, bad = squid("www.example.com") * 12_000, "x 1\n" * 60_000
    (tmp_path / "torn.log").write_text(good + bad + good)
    answer = aimscope("scan", "logs", "torn.log", "--json")
    assert answer.exit_code == 2
    (tmp_path / "torn.log").write_text(good * 9 + bad + good * 2)
    answer = aimscope("scan", "logs", "torn.log", "--json", "--strict-coverage")
    (part,) = json.loads(answer.stdout)["coverage"]
    assert (answer.exit_code, part["status"]) == (4, "partial")
    (tmp_path / "torn.log").write_text(good * 5)
    assert aimscope("scan", "logs", "torn.log", "--strict-coverage").exit_code == 0


def test_a_log_that_is_mostly_unreadable(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "torn.log").write_text("buy milk\n" * 20 + LOG)
    answer = aimscope("scan", "logs", "torn.log", "--format", "zeek-json")
    assert answer.exit_code == 2
    assert "lines that are torn or not of zeek-json" in answer.stdout
    assert "milk" not in answer.stdout + answer.stderr


def test_torn_lines_are_named(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "torn.log").write_text(LOG * 4 + LOG[:40] + "\n" + LOG)
    answer = aimscope("scan", "logs", "torn.log", "--json", "--strict-coverage")
    assert answer.exit_code == 4
    (coverage,) = json.loads(answer.stdout)["coverage"]
    assert coverage["gaps"][0]["source"] == "torn.log:13"
    assert services(answer.stdout) == {"claude": 10}


def test_ai_that_nobody_knows(aimscope: Run, tmp_path: Path) -> None:
    asked = json.dumps({**ZEEK, "host": "llm.corp.example", "uri": "/v1/chat/completions?key=secret"}) + "\n"
    (tmp_path / "http.log").write_text(asked)
    answer = aimscope("scan", "logs", "http.log", "--explain")
    assert "AI API at llm.corp.example" in answer.stdout
    assert "because path inference_path '/chat/completions'" in answer.stdout
    assert "secret" not in answer.stdout


def test_privacy(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("privacy: {users: drop, devices: pseudonym}\n")
    text = aimscope("scan", "logs", "http.log", "--json").stdout
    assert "192.0.2.7" not in text
    assert '"device-' in text


def test_an_own_format(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "proxy.log").write_text("2026-11-23 10:00:00|ann|claude.ai\n2026-11-23 10:00:01|bob|www.example.com\n")
    assert aimscope("logs", "try", "proxy.log").exit_code == 1
    (tmp_path / "corp-proxy.yaml").write_text(MAP)
    tried = aimscope("logs", "try", "proxy.log", "--map", "corp-proxy.yaml", "--zone", "utc")
    assert tried.exit_code == 0
    assert "1  2026-11-23T10:00:00Z  http.request  host=claude.ai  [user ann]" in tried.stdout
    (tmp_path / "formats").mkdir()
    (tmp_path / "corp-proxy.yaml").rename(tmp_path / "formats" / "corp-proxy.yaml")
    assert "corp-proxy" in aimscope("logs", "formats", "house").stdout
    assert services(aimscope("scan", "logs", "proxy.log", "--json").stdout) == {"claude": 1}


def test_a_header_says_where_the_columns_are(aimscope: Run, tmp_path: Path) -> None:
    form = built_in()["netskope-transaction-csv"]
    sample = Path(__file__).parents[1] / "_data" / "formats" / form.name / "sample.log"
    text = sample.read_text().splitlines()
    rows = [dict(zip(form.map.options.columns, row, strict=False)) for row in csv.reader(text)]
    shuffled = list(rows[0])
    random.Random(3).shuffle(shuffled)
    assert shuffled[0] not in form.map.recognise.fields
    with (tmp_path / "export.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, shuffled)
        writer.writeheader()
        writer.writerows(rows)
    assert services(aimscope("scan", "logs", "export.csv", "--json").stdout) == {"chatgpt": 1, "openai-api": 1}
    (tmp_path / "export.csv").write_text("".join((tmp_path / "export.csv").read_text().splitlines(keepends=True)[1:]))
    assert aimscope("scan", "logs", "export.csv").exit_code == 2  # without its header nobody knows


def test_a_malformed_own_format_names_file_and_field(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "corp-proxy.yaml").write_text(MAP + "colour: red\n")
    answer = aimscope("scan", "logs", "http.log")
    assert answer.exit_code == 2
    assert "corp-proxy.yaml" in answer.stderr
    assert "colour" in answer.stderr


def test_trying(aimscope: Run) -> None:
    answer = aimscope("logs", "try", "http.log", "--json", "--lines", "2")
    trial = json.loads(answer.stdout)
    assert (trial["format"], trial["lines"], len(trial["facts"])) == ("zeek-json", 2, 2)
    assert "/" not in trial["facts"][0]["fields"].get("host", "")
    assert aimscope("logs", "try", "-", input=LOG).exit_code == 0


def test_the_list_of_formats(aimscope: Run) -> None:
    rows = json.loads(aimscope("logs", "formats", "--json").stdout)
    zeek = next(row for row in rows if row["name"] == "zeek-json")
    assert "host name" in zeek["gives"]
    assert aimscope("logs", "formats", "no such product").exit_code == 2
