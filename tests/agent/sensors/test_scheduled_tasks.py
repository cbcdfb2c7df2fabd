"""Timed jobs: crontabs, timers, launchd schedules, Windows tasks; what only looks like one, and broken ones."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.sensors.planted import Host, fields, gaps

from aimscope_agent.sensors._scheduled_tasks_cron import commands, left_over
from aimscope_agent.sensors._scheduled_tasks_windows import command_lines
from aimscope_agent.sensors.scheduled_tasks import SENSOR
from aimscope_signatures.model import Status, Value


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


def seen(host: Host) -> list[tuple[Value | None, Value | None, Value | None]]:
    return [(each["name"], each.get("process"), each.get("package")) for each in fields(host.look(SENSOR))]


# cron


def test_a_line_of_the_system_names_its_user(linux: Host) -> None:
    linux.plant({"/etc/cron.d/pull": "SHELL=/bin/bash\n\n# new weights\n0 3 * * * root /usr/local/bin/ollama pull x\n"})
    result = linux.look(SENSOR)
    assert fields(result) == [
        {
            "scheduler": "cron",
            "name": "pull",
            "process": "ollama",
            "command": "sh -c ollama …",
            "path": "/etc/cron.d/pull",
        }
    ]
    assert [each.subject for each in result.observations["scheduled_tasks"]] == [""]


@pytest.mark.parametrize("folder", ["/var/spool/cron/crontabs", "/var/spool/cron", "/var/at/tabs"])
def test_a_users_crontab_belongs_to_the_user(linux: Host, folder: str) -> None:
    linux.plant({f"{folder}/ann": "@daily uvx llm 'say hello'\n"})
    result = linux.look(SENSOR)
    assert [each.subject for each in result.observations["scheduled_tasks"]] == ["ann"]
    assert [(each["name"], each["process"], each["package"]) for each in fields(result)] == [("ann", "uvx", "pypi:llm")]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("*/5 * * * * /bin/a", "/bin/a"),
        ("0 0 1,15 jan-mar MON /bin/a b", "/bin/a b"),
        ("@reboot cd /srv && /bin/a", "cd /srv && /bin/a"),
        ("-*/10 * * * * /bin/quiet", "/bin/quiet"),
        ("5 4 * * sun\t/bin/a 100\\% %input", "/bin/a 100% "),
        ("  0 0 * * *   /bin/a  ", "/bin/a"),
    ],
)
def test_the_command_of_a_line(line: str, command: str) -> None:
    assert list(commands(line, with_user=False)) == [command]


@pytest.mark.parametrize(
    "line",
    ["", "# 0 0 * * * /bin/a", "PATH=/usr/bin:/bin", "MAILTO = ann", "0 0 * * *", "@daily", "* * * /bin/a", "hello"],
)
def test_lines_without_a_command(line: str) -> None:
    assert list(commands(line, with_user=False)) == []


def test_a_line_of_the_system_without_a_user_has_no_command() -> None:
    assert list(commands("0 0 * * * /bin/a", with_user=True)) == []


def test_files_that_cron_passes_over(linux: Host) -> None:
    line = "* * * * * root /usr/bin/ollama list\n"
    linux.plant({f"/etc/cron.d/{name}": line for name in (".placeholder", "pull~", "pull.dpkg-old", "pull.rpmsave")})
    assert seen(linux) == []
    assert not left_over("llama-farm-report")


@given(st.text(), st.booleans())
def test_no_crontab_is_too_odd(text: str, with_user: bool) -> None:
    for command in commands("* * * * * ann " + text, with_user=with_user):
        assert "\n" not in command


# timers


def service(command: str) -> str:
    return f"[Service]\nExecStart={command}\n"


def test_a_timer_tells_what_its_service_starts(linux: Host) -> None:
    linux.plant(
        {
            "/usr/lib/systemd/system/nightly.timer": "[Timer]\nOnCalendar=daily\nUnit=report.service\n",
            "/usr/lib/systemd/system/report.service": service("/usr/bin/uvx --from llm llm"),
            "/etc/systemd/system/same.timer": "[Timer]\nOnCalendar=daily\n",
            "/etc/systemd/system/same.service": service("/usr/bin/same"),
            "/etc/systemd/system/each@.timer": "[Timer]\nUnit=each@one.service\n",
            "/etc/systemd/system/each@.service": service("/usr/bin/each %i"),
        }
    )
    assert sorted(seen(linux), key=str) == [
        ("each@", "each", None),
        ("nightly", "uvx", "pypi:llm"),
        ("same", "same", None),
    ]


def test_a_users_timer_starts_the_users_service(linux: Host) -> None:
    linux.plant(
        {
            ".config/systemd/user/x.timer": "[Timer]\nOnCalendar=daily\n",
            ".config/systemd/user/x.service": service("%h/bin/mine"),
            "/etc/systemd/system/x.service": service("/usr/bin/theirs"),
        }
    )
    result = linux.look(SENSOR)
    assert [(each.subject, each.fields["process"]) for each in result.observations["scheduled_tasks"]] == [
        ("ann", "mine")
    ]


def test_a_timer_without_its_service_and_one_that_is_none(linux: Host) -> None:
    linux.plant({"/etc/systemd/system/lost.timer": "[Timer]\n", "/etc/systemd/system/none.timer": "[Unit]\n"})
    assert seen(linux) == [("lost", None, None)]


# launchd


def test_a_job_with_a_schedule_and_one_without(tmp_path: Path) -> None:
    mac = Host(tmp_path, "macos")
    arguments = ["/bin/sh", "-c", "npx -y @anthropic-ai/claude-code -p digest"]
    mac.plant(
        {
            "Library/LaunchAgents/a.plist": plistlib.dumps(
                {"Label": "a", "ProgramArguments": arguments, "StartInterval": 60}, fmt=plistlib.FMT_BINARY
            ),
            "Library/LaunchAgents/b.plist": plistlib.dumps({"Label": "b", "Program": "/bin/b", "RunAtLoad": True}),
            "Library/LaunchAgents/c.plist": plistlib.dumps(
                {"Label": "c", "Program": "/bin/c", "StartCalendarInterval": [{"Hour": 3}]}
            ),
        }
    )
    assert seen(mac) == [("a", "npx", "npm:@anthropic-ai/claude-code"), ("c", "c", None)]


# Windows

SPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"


def task(*actions: tuple[str, str], head: str = "") -> str:
    lines = "".join(f"<Exec><Command>{a}</Command><Arguments>{b}</Arguments></Exec>" for a, b in actions)
    return f'<?xml version="1.0" encoding="UTF-16"?>{head}<Task xmlns="{SPACE}"><Actions>{lines}</Actions></Task>'


@pytest.fixture
def windows(tmp_path: Path) -> Host:
    return Host(tmp_path, "windows")


def test_each_action_of_a_task(windows: Host) -> None:
    text = task((r'"C:\Program Files\x\claude.exe"', "-p hi"), ("cmd.exe", "/c npx -y @google/gemini-cli"), ("  ", ""))
    windows.plant({"/Windows/System32/Tasks/Corp/Daily digest": text.encode("utf-16")})
    assert seen(windows) == [
        ("Corp/Daily digest", "claude", None),
        ("Corp/Daily digest", "npx", "npm:@google/gemini-cli"),
    ]
    assert fields(windows.look(SENSOR))[0]["path"] == "C:/Windows/System32/Tasks/Corp/Daily digest"


def test_a_task_that_starts_no_program(windows: Host) -> None:
    handler = (
        f'<Task xmlns="{SPACE}"><Actions><ComHandler/></Actions><Data><Exec><Command>x</Command></Exec></Data></Task>'
    )
    windows.plant({"/Windows/System32/Tasks/Com": handler})
    assert seen(windows) == []
    assert gaps(windows.look(SENSOR)) == set()


def test_broken_tasks_cost_only_themselves(windows: Host) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    windows.plant(
        {
            "/Windows/System32/Tasks/torn": task(("ollama.exe", "serve"))[:90],
            "/Windows/System32/Tasks/bomb": task(("&b;", ""), head=bomb).replace("UTF-16", "UTF-8"),
            "/Windows/System32/Tasks/bytes": b"\x00\xff\xfe\x01",
            "/Windows/System32/Tasks/deep": "<a>" * 100_000,
            "/Windows/System32/Tasks/fine": task(("ollama.exe", "serve")).encode("utf-16"),
        }
    )
    result = windows.look(SENSOR)
    assert [each["name"] for each in fields(result)] == ["fine"]
    assert {source.rpartition("/")[2] for _, source in gaps(result)} == {"torn", "bomb", "bytes", "deep"}


@given(st.text())
def test_no_task_is_too_odd(text: str) -> None:
    assert command_lines("<Task><Actions><Exec><Command>" + text) is None
    command_lines(text)


def test_a_closed_folder_of_crontabs_is_a_gap(linux: Host) -> None:
    result = linux.look(SENSOR, denied=["/var/spool/cron"])
    assert gaps(result) == {(Status.DENIED, "/var/spool/cron")}
