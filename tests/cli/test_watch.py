from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from aimscope_agent.config import Config, Gateway, Privacy
from aimscope_agent.privacy import Curtain
from aimscope_agent.traffic.seen import Seen
from aimscope_cli import watching
from aimscope_cli.concluding import prepare
from aimscope_cli.output import Failure
from aimscope_cli.watching import Herald, Line
from aimscope_signatures.model import Observation
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("{}")
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(path))
    monkeypatch.setenv("AIMSCOPE_STATE", str(tmp_path / "state"))
    return path


def seen(name: str = "api.openai.com", client: str = "10.0.0.5") -> Seen:
    return Seen("tls_sni", name, client, "203.0.113.9", 1_763_900_000.0)


def told(tmp_path: Path, *names: Seen, inventory: str = "", policy: Privacy | None = None) -> list[Line]:
    path = None
    if inventory:
        path = tmp_path / "inventory.yaml"
        path.write_text(inventory)
    lines: list[Line] = []
    herald = Herald(prepare(path), Curtain(policy or Privacy()), lines.append)
    for one in names:
        herald.found(one)
    return lines


def test_each_use_is_said_once(tmp_path: Path) -> None:
    lines = told(tmp_path, seen(), seen(), seen(client="10.0.0.6"), seen("claude.ai"), seen("www.example.org"))
    assert [(line.service, line.client) for line in lines] == [
        ("openai-api", "10.0.0.5"),
        ("openai-api", "10.0.0.6"),
        ("claude", "10.0.0.5"),
    ]
    assert (lines[0].host, lines[0].verdict) == ("api.openai.com", None)


def test_an_inventory_gives_verdicts(tmp_path: Path) -> None:
    inventory = "aimscope_inventory: 1\nsystems:\n  - {name: Claude, services: [claude], status: approved}\n"
    lines = told(tmp_path, seen(), seen("claude.ai"), inventory=inventory)
    assert [line.verdict for line in lines] == ["unregistered", "authorised"]


def test_devices_are_shown_as_the_policy_says(tmp_path: Path) -> None:
    assert [line.client for line in told(tmp_path, seen(), policy=Privacy(devices="drop"))] == [""]


def test_a_late_observation_is_not_said_again(tmp_path: Path) -> None:
    lines: list[Line] = []
    herald = Herald(prepare(None), Curtain(Privacy()), lines.append)
    herald.found(seen())
    herald.observed(
        Observation("tls.client_hello", {"server_name": "api.openai.com", "bytes_out": 9}, asset="10.0.0.5", at=1)
    )
    assert len(lines) == 1


def test_names_of_live_traffic_need_permission(aimscope: Run, configuration: Path, tmp_path: Path) -> None:
    answer = aimscope("watch", "-i", "lo", "--names")
    assert answer.exit_code == 2
    assert "names_on_live_traffic" in answer.stderr
    assert not (tmp_path / "state/audit.log").exists()


def test_and_are_logged(tmp_path: Path) -> None:
    watching._permit_names(Config(gateway=Gateway(names_on_live_traffic=True)), ("eth0", "eth1"))
    path = tmp_path / "state/audit.log"
    (line,) = path.read_text().splitlines()
    assert set(json.loads(line)) == {"at", "user", "action", "interfaces"}
    assert json.loads(line)["interfaces"] == ["eth0", "eth1"]
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o77 == 0


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_what_cannot_be_logged_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "precious").write_text("")
    (tmp_path / "state/audit.log").symlink_to(tmp_path / "precious")
    with pytest.raises(Failure, match="must be logged"):
        watching._permit_names(Config(gateway=Gateway(names_on_live_traffic=True)), ("lo",))
    assert (tmp_path / "precious").read_text() == ""


def test_what_to_watch_must_be_said(aimscope: Run) -> None:
    answer = aimscope("watch")
    assert (answer.exit_code, "-i INTERFACE" in answer.stderr) == (2, True)


def test_an_interface_that_is_not_there(aimscope: Run) -> None:
    answer = aimscope("watch", "-i", "nope0", "--for", "1")
    assert answer.exit_code == 2
    assert "nope0" in answer.stderr


LOG = "".join(
    f'{{"ts": 1795000000.{number}, "id.orig_h": "192.0.2.{number}", "id.resp_h": "198.51.100.3", "trans_depth": 1, '
    f'"uri": "/", "host": "{host}"}}\n'
    for number, host in enumerate(("www.example.com", "claude.ai", "claude.ai"), 1)
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "http.log"
    path.write_text(LOG)
    return path


def test_the_report_at_the_end_as_csv_and_nothing_else_on_standard_output(aimscope: Run, log: Path) -> None:
    answer = aimscope("watch", "--log", log, "--once", "--csv")
    rows = list(csv.DictReader(io.StringIO(answer.stdout, newline="")))
    assert [(row["service"], row["device"], row["count"]) for row in rows] == [
        ("claude", "192.0.2.2", "1"),
        ("claude", "192.0.2.3", "1"),
    ]
    assert "192.0.2.2  claude.ai" in answer.stderr, "what appears is said elsewhere"


def test_the_report_at_the_end_as_sarif_in_a_file(aimscope: Run, log: Path, tmp_path: Path) -> None:
    answer = aimscope("watch", "--log", log, "--once", "--sarif", "-o", "report.sarif")
    (run,) = json.loads((tmp_path / "report.sarif").read_text())["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["aimscope/claude"]
    assert "192.0.2.2  claude.ai" in answer.stdout


def test_one_form_at_a_time_on_standard_output(aimscope: Run, log: Path) -> None:
    assert "at a time" in aimscope("watch", "--log", log, "--once", "--csv", "--json").stderr
    assert "--output" in aimscope("watch", "-i", "nope0", "--names", "--csv").stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (Line(0, "a", "A", "10.0.0.5", "a.example", "dns.query", "used"), "a.example  looked up"),
        (Line(0, "a", "A", "10.0.0.5", "a.example", "dns.query", "used", "prohibited"), "Prohibited, and found"),
        (
            Line(0, "a", "A", "10.0.0.5", "a.example", "tls.client_hello", "used", "prohibited"),
            "Prohibited, and in use",
        ),
        (
            Line(0, "a", "A", "10.0.0.5", "a.example", "http.request", "attempted", "prohibited"),
            "Prohibited, and blocked",
        ),
        (Line(0, "a", "A", "10.0.0.5", "a.example", "http.request", "used"), "a.example  used"),
    ],
)
def test_what_appears_is_called_what_it_is(line: Line, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    watching.text_line(line)
    assert capsys.readouterr().out.rstrip().endswith(said)
