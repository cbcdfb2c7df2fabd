"""`aimscope export`: what a person sees of destinations, in a folder without a running collector."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from aimscope_collector.deliver.configured import read
from aimscope_collector.store import events_of_findings
from aimscope_collector.store.database import connect, writing
from tests.cli.conftest import Run, aimscope
from tests.collector.fleet.test_review_store import finding, found

__all__ = ["aimscope"]
DESTINATIONS = """
destinations:
  disk: {type: file, format: jsonl, path: events.json, since: all}
  nobody: {type: syslog, format: cef, host: 127.0.0.1, port: 9, transport: tcp, reach: loopback, since: all}
"""


@pytest.fixture
def folder(aimscope: Run, tmp_path: Path) -> Path:
    place = tmp_path / "c"
    assert aimscope("collector", "init", "--folder", place).exit_code == 0
    (place / "destinations.yaml").write_text(DESTINATIONS)
    engine = connect(str(place / "collector.db"))
    found(engine, finding("f-1"), finding("f-2", unit="apac", reasons=json.dumps(["\x1b[31mred"])))
    with writing(engine) as connection:
        events_of_findings.tell(connection, ["f-1", "f-2"], now=int(datetime.datetime.now(datetime.UTC).timestamp()))
    engine.dispose()
    return place


def test_events_are_seen_sent_and_sent_again(aimscope: Run, folder: Path) -> None:
    shown = aimscope("export", "preview", "disk", "--folder", folder)
    assert [json.loads(line)["finding"]["uid"] for line in shown.stdout.splitlines()] == ["f-1", "f-2"]
    assert "\x1b" not in shown.stdout
    assert not (folder / "events.json").exists()
    once = aimscope("export", "once", "--folder", folder)
    assert once.exit_code == 3
    assert "disk: 2 events sent." in once.stdout
    assert "nobody: nothing sent." in once.stdout
    assert "cannot be reached" in once.stdout
    assert len((folder / "events.json").read_text().splitlines()) == 2
    listed = aimscope("export", "list", "--folder", folder)
    assert listed.exit_code == 3  # one of them fails
    assert "disk: jsonl by file to" in listed.stdout
    assert "2 delivered" in listed.stdout
    assert "Fails since" in listed.stdout
    again = aimscope("export", "replay", "disk", "--from", "2020-01-01", "--folder", folder)
    assert "longer than a year" in again.stderr
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    again = aimscope("export", "replay", "disk", "--from", today, "--folder", folder)
    assert again.stdout == "2 events of that period will be sent again.\n"
    assert "2 events sent." in aimscope("export", "once", "disk", "--folder", folder).stdout
    uids = [json.loads(line)["uid"] for line in (folder / "events.json").read_text().splitlines()]
    assert uids[:2] == uids[2:]


def test_dead_letters_and_retry(aimscope: Run, folder: Path) -> None:
    assert aimscope("export", "dead", "disk", "--folder", folder).stdout == ""
    assert json.loads(aimscope("export", "dead", "disk", "--folder", folder, "--json").stdout) == []
    assert "no dead letters" in aimscope("export", "retry", "nobody", "--folder", folder).stdout


def test_a_name_that_is_none_and_a_file_that_is_wrong_are_said(aimscope: Run, folder: Path) -> None:
    for command in ("preview", "dead", "retry", "once"):
        answer = aimscope("export", command, "none/../x", "--folder", folder)
        assert (answer.exit_code, answer.stdout) == (2, ""), command
    (folder / "destinations.yaml").write_text(DESTINATIONS.replace("cef", "pigeon"))
    answer = aimscope("export", "list", "--folder", folder)
    assert answer.exit_code == 2
    assert "nobody: pigeon is no format: choose from" in answer.stderr
    assert aimscope("findings", "list", "--folder", folder).exit_code in (0, 3)  # nothing else needs the file


def test_the_table_of_formats_and_carriers(aimscope: Run, folder: Path) -> None:
    said = aimscope("export", "list", "--formats", "--folder", folder)
    assert said.exit_code == 0
    assert "cef" in said.stdout
    assert "syslog" in said.stdout


def test_examples_of_the_guide_can_be_used(tmp_path: Path) -> None:
    """Every block of YAML in the guide is a file of destinations."""
    guide = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
    blocks = [part.split("```", 1)[0] for part in guide.split("```yaml\n")[1:]]
    assert len(blocks) >= 3
    for name in ("hec.token", "elastic.password", "entra.secret", "soar.secret"):
        (tmp_path / name).write_text("0123456789abcdef\n")
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "destinations.yaml"
    for block in blocks:
        path.write_text(block)
        assert read(path).events
