"""Processes: who runs what, under whose name; threads of the kernel and repetitions left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.sensors.planted import Host, fields, gaps

from aimscope_agent.host.facts import Process
from aimscope_agent.readers.running import running, shown
from aimscope_agent.sensors.processes import SENSOR
from aimscope_signatures.model import Status, Value

INIT = {"pid": 1, "name": "systemd", "exe": "/usr/lib/systemd/systemd", "argv": ["/sbin/init"], "user": "root"}


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


def process(pid: int, exe: str = "", argv: tuple[str, ...] = (), **more: object) -> dict[str, object]:
    return {"pid": pid, "name": exe.rpartition("/")[2], "exe": exe, "argv": argv, "user": "ann", "parent": 1} | more


def seen(host: Host, *processes: dict[str, object]) -> list[dict[str, Value]]:
    return fields(host.look(SENSOR, processes=[INIT, *processes]))[1:]


def test_an_interpreter_is_told_with_what_it_runs_and_what_started_it(linux: Host) -> None:
    shell = process(5, "/usr/bin/zsh", ("-zsh",))
    tool = process(
        6,
        "/home/ann/.nvm/bin/node",
        ("node", "/home/ann/.nvm/lib/node_modules/@google/gemini-cli/dist/index.js", "-p", "my secret question"),
        parent=5,
        started=1_789_990_000,
    )
    assert seen(linux, shell, tool)[1] == {
        "name": "node",
        "exe": "~/.nvm/bin/node",
        "script": "~/.nvm/lib/node_modules/@google/gemini-cli/dist/index.js",
        "package": "npm:@google/gemini-cli",
        "command": "node … -p …",
        "parent": "zsh",
        "pid": 6,
        "started": 1_789_990_000,
    }


def test_the_user_of_a_process_is_the_subject(linux: Host) -> None:
    result = linux.look(SENSOR, processes=[process(7, "/usr/bin/ollama", user="svc")])
    assert [observation.subject for observation in result.observations["processes"]] == ["svc"]


def test_a_home_is_shortened_only_for_whom_it_belongs_to(linux: Host) -> None:
    own, other = seen(linux, process(5, "/home/ann/x"), process(6, "/home/ann/x", user="root"))
    assert own["exe"] == "~/x"
    assert other["exe"] == "/home/ann/x"


def test_what_differs_only_in_its_number_is_one(linux: Host) -> None:
    twins = [process(5, "/usr/bin/code", started=20), process(6, "/usr/bin/code", started=10)]
    (found,) = seen(linux, *twins)
    assert (found["pid"], found["started"]) == (6, 10)


def test_another_parent_is_another_process(linux: Host) -> None:
    assert len(seen(linux, process(5, "/usr/bin/code"), process(6, "/usr/bin/code", parent=5))) == 2


def test_threads_of_the_kernel_are_none(linux: Host) -> None:
    kernel = [
        process(2, parent=0, name="kthreadd"),
        process(14, parent=2, name="kworker/0:1"),
        process(15, parent=14, name="below"),
    ]
    assert seen(linux, *kernel) == []


def test_a_process_that_tells_only_its_name_is_told_by_it(linux: Host) -> None:
    (found,) = seen(linux, process(8, name="Claude Helper (Renderer)"))
    assert found == {"name": "Claude Helper (Renderer)", "parent": "systemd", "pid": 8}


def test_on_a_mac_the_second_process_is_like_any_other(tmp_path: Path) -> None:
    result = Host(tmp_path, "macos").look(SENSOR, processes=[process(2, name="mds")])
    assert [each["name"] for each in fields(result)] == ["mds"]


def test_parents_in_a_circle(linux: Host) -> None:
    circle = [process(5, name="a", parent=6), process(6, name="b", parent=5), process(7, name="c", parent=7)]
    assert {each["name"]: each["parent"] for each in seen(linux, *circle)} == {"a": "b", "b": "a", "c": "c"}


def test_a_windows_process_has_no_suffix(tmp_path: Path) -> None:
    host = Host(tmp_path, "windows")
    argv = ("C:\\Users\\ann\\x\\python.exe", "C:\\Users\\ann\\app\\main.py")
    result = host.look(SENSOR, processes=[process(5, "C:/Users/ann/x/python.exe", argv), process(6, name="System.EXE")])
    first, second = fields(result)
    assert (first["name"], first["exe"], first["script"]) == ("python", "~/x/python.exe", "~/app/main.py")
    assert second["name"] == "System"


def test_a_tool_that_renamed_itself_leaves_empty_arguments() -> None:
    launch = running(Process(1, "npm exec @x/y", "/usr/bin/node", ("npm exec @x/y-mcp", "", "")))
    assert (launch.process, launch.package) == ("npm", "npm:@x/y-mcp")


def test_processes_that_could_not_be_asked_are_a_gap(linux: Host) -> None:
    assert gaps(linux.look(SENSOR)) == {(Status.UNSUPPORTED, "processes")}


def test_arguments_are_never_observed_as_they_are(linux: Host) -> None:
    secret = "sk-ant-EXAMPLE"
    found = seen(linux, process(5, "/usr/bin/tool", ("tool", secret, "--key", secret, f"--token={secret}", secret)))
    assert secret not in str(found)


@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=40), st.text(max_size=20))
def test_no_command_line_is_too_odd(argv: list[str], exe: str, name: str) -> None:
    launch = running(Process(1, name, exe, tuple(argv)))
    assert isinstance(launch.process, str)
    shown(launch.script, "ann", ())
