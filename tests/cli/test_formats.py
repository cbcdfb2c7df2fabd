"""Events for a SIEM from one scan, without a collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pycef
import pytest

from aimscope_cli.output import Failure
from aimscope_cli.renderers import render
from aimscope_collector.events import Event
from aimscope_collector.events_of_scan import Scan, events_of_scan
from aimscope_collector.formats import formats
from tests.cli.conftest import HOSTS, Run
from tests.cli.example import EVIDENCE, HOSTILE, REPORT, row
from tests.collector.formats.shared import seen_by_a_receiver
from tests.collector.formats.test_ocsf import check_event

BUSY = HOSTS / "macos-ai-workstation"


def told(**changed: object) -> list[Event]:
    report = msgspec.structs.replace(REPORT, **changed)
    return list(events_of_scan(msgspec.convert(report, Scan, from_attributes=True)))


@pytest.mark.parametrize("name", formats())
def test_every_format_shows_the_shared_report(name: str) -> None:
    body = render(name, REPORT).encode()
    assert seen_by_a_receiver(name, body) == len(told())


def test_what_a_scan_tells() -> None:
    events = told()
    assert [(event.type, event.activity, event.severity) for event in events] == [
        ("ai.finding", "create", "high"),
        ("ai.finding", "create", "high"),
        ("ai.finding", "create", "informational"),
        ("ai.finding", "create", "informational"),
        *[("ai.observation", "update", "informational")] * 3,
        ("ai.coverage", "create", "medium"),
    ]
    assert len({event.uid for event in events}) == len(events)
    assert {event.at for event in events} == {REPORT.finished}
    first = events[0].finding
    assert first
    assert (first.subjects, first.assets, first.score, first.state) == (1, 1, 12, "unreviewed")
    denied = events[-1].coverage
    assert denied
    assert (denied.sensor, denied.status, denied.why) == ("packages", "denied", f"{HOSTILE}: may not be read")


def test_no_name_of_a_person_leaves() -> None:
    someone = msgspec.structs.replace(EVIDENCE, subject="erika.mustermann", fields={"name": "cursor"})
    report = msgspec.structs.replace(REPORT, findings=(row("a", "unregistered", evidence=(someone,)),), coverage=())
    for name in formats():
        assert "mustermann" not in render(name, report)


def test_the_next_scan_tells_the_same_findings_with_ids_of_its_own() -> None:
    again = msgspec.structs.replace(REPORT.findings[0], change="unchanged")
    before, after = told()[0], told(findings=(again,), finished=REPORT.finished + 3600)[0]
    assert before.finding and after.finding  # noqa: PT018
    assert before.finding.uid == after.finding.uid
    assert (before.activity, after.activity) == ("create", "update")
    assert before.uid != after.uid
    assert after.sequence > before.sequence
    assert told() == told()
    elsewhere = told(host="another")[0].finding
    assert elsewhere
    assert elsewhere.uid != before.finding.uid


def test_blocked_attempts_are_no_alarm() -> None:
    blocked = told(findings=(row("a", "prohibited", evidence=(EVIDENCE,), blocked=True),))[0]
    assert blocked.severity == "informational"
    assert blocked.message == "a is prohibited and was found; every attempt was blocked."


def test_a_scan_of_many_machines_has_no_device_but_those_it_saw() -> None:
    there = msgspec.structs.replace(EVIDENCE, asset="10.0.0.7")
    events = told(host="", findings=(row("a", "unregistered", evidence=(there,)),), coverage=())
    assert [event.device and event.device.name for event in events] == [None, "10.0.0.7"]


def test_a_host_is_scanned_into_a_file(aimscope: Run, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    answer = aimscope("scan", "--root", BUSY, "--format", "ocsf:version=1.6.0,class=detection", "-o", out, "-q")
    assert answer.exit_code in (0, 3), answer
    assert answer.stdout.strip()  # what people read still goes to them
    found = [json.loads(line) for line in out.read_text().splitlines()]
    for one in found:
        check_event(one, "1.6.0")
    assert {2004, 5020} <= {one["class_uid"] for one in found}


def test_standard_output_holds_events_alone(aimscope: Run) -> None:
    answer = aimscope("scan", "--root", BUSY, "--events", "cef", "--quiet")
    lines = answer.stdout.splitlines()
    assert lines
    assert all(pycef.parse(line) for line in lines)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("xml", "xml is no format: choose from cef, ecs"),
        ("ocsf:version=7", "version cannot be '7': choose from 1.5.0"),
        ("ocsf:1.6.0", "'1.6.0' is no option: write ocsf:NAME=VALUE"),
        ("ocsf:colour=red", "there is no option colour: choose from version"),
        ("../text", "../text is no format"),
        ("syslog:pen=x", "pen cannot be 'x'"),
    ],
)
def test_what_there_is_not_is_said_before_the_scan(aimscope: Run, asked: str, said: str) -> None:
    answer = aimscope("scan", "--root", "no-such-folder", "--format", asked)
    assert answer.exit_code == 2
    assert said in answer.stderr


def test_one_form_at_a_time(aimscope: Run) -> None:
    answer = aimscope("scan", "--format", "cef", "--json")
    assert (answer.exit_code, "one of --json, --events at a time" in answer.stderr) == (2, True)


def test_logs_have_events_beside_the_format_they_are_in(aimscope: Run, tmp_path: Path) -> None:
    log = tmp_path / "dns.log"
    log.write_text("Sep 21 14:13:20 dnsmasq[1]: query[A] api.openai.com from 192.0.2.7\n" * 3)
    answer = aimscope("scan", "logs", log, "--format", "dnsmasq", "--events", "ecs", "--quiet")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {one["event"]["dataset"] for one in found} >= {"aimscope.finding", "aimscope.observation"}


def test_unknown_forms_are_still_unknown() -> None:
    with pytest.raises(KeyError):
        render("nothing", REPORT)
    with pytest.raises(Failure):
        render("ocsf:version=7", REPORT)


def test_an_agent_needs_no_extra_for_events() -> None:
    script = (
        "import sys\n"
        "for name in ('sqlalchemy', 'litestar', 'nacl', 'alembic', 'argon2'): sys.modules[name] = None\n"
        "from aimscope_cli.eventing import check\n"
        "check('ocsf')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
