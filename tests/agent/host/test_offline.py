from __future__ import annotations

import json
from pathlib import Path

import pytest

from aimscope_agent.host.facts import Answer, Process, Row, Socket, User
from aimscope_agent.host.offline import OfflineHost
from aimscope_signatures.model import Status

from .conftest import Plant

MACHINE = {
    "platform": "windows",
    "now": 1_790_000_000,
    "hostname": "pc-1",
    "users": [{"name": "ann", "home": "C:/Users/ann"}],
    "processes": [
        {"pid": 10, "name": "ollama.exe", "argv": ["ollama", "serve"]},
        {"pid": 11, "name": "x", "env_denied": True},
    ],
    "environments": {"10": {"OPENAI_API_KEY": "sk-EXAMPLE"}},
    "sockets": [{"address": "127.0.0.1", "port": 11434, "pid": 10}],
    "dns": {"203.0.113.7": "api.example.com"},
    "registry": {"HKLM/SOFTWARE/Uninstall": [{"key": "Git_is1", "values": {"DisplayName": "Git"}}]},
    "probes": {"11434 /api/tags": {"status": 200, "body": "{}"}, "80 *": {"status": 404}},
    "commands": {"rpm": "a\t1\tb"},
    "unix_http": {"/var/run/docker.sock /images/json": []},
    "denied": ["C:/Users/bob", "C:/run/shut.sock"],
}


def recorded(plant: Plant, tmp_path: Path, machine: object) -> OfflineHost:
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(machine))
    return OfflineHost(plant({"Users/ann/": "", "Users/bob/": ""}), path)


def test_a_recorded_machine_tells_what_was_recorded(plant: Plant, tmp_path: Path) -> None:
    host = recorded(plant, tmp_path, MACHINE)
    assert (host.platform, host.name, host.now, host.tree.users) == (
        "windows",
        "pc-1",
        1_790_000_000,
        (User("ann", "C:/Users/ann"),),
    )
    assert host.processes().value[0] == Process(10, "ollama.exe", argv=("ollama", "serve"))
    assert host.environment(10).value == (("OPENAI_API_KEY", "sk-EXAMPLE"),)
    assert host.sockets().value == (Socket("127.0.0.1", 11434, 10),)
    assert host.dns_answers().value == {"203.0.113.7": "api.example.com"}
    assert host.registry("hklm/software/uninstall").value == (Row("Git_is1", {"DisplayName": "Git"}),)
    assert host.probe("127.0.0.1", 11434, "/api/tags", "*/*").value == Answer(200, body="{}")
    assert host.probe("127.0.0.1", 80, "/any", "*/*").value == Answer(404)
    assert host.probe("127.0.0.1", 81, "/any", "*/*") == (None, ())
    assert host.command("rpm").value == "a\t1\tb"
    assert host.unix_http("/var/run/docker.sock", "/images/json").value == []
    assert host.unix_http("/var/run/docker.sock", "/other") == (None, ())
    (gap,) = host.unix_http("C:/run/shut.sock", "/images/json").gaps
    assert (gap.source, gap.status) == ("C:/run/shut.sock", Status.DENIED)


def test_a_closed_environment_is_a_gap(plant: Plant, tmp_path: Path) -> None:
    told = recorded(plant, tmp_path, MACHINE).environment(11)
    assert told.value == ()
    assert [(gap.source, gap.status) for gap in told.gaps] == [("environments", Status.DENIED)]


def test_what_was_not_recorded_could_not_be_asked(plant: Plant, tmp_path: Path) -> None:
    host = recorded(plant, tmp_path, {"platform": "windows"})
    gaps = [
        *host.processes().gaps,
        *host.environment(1).gaps,
        *host.sockets().gaps,
        *host.dns_answers().gaps,
        *host.registry("HKLM/x").gaps,
    ]
    assert [gap.source for gap in gaps] == ["processes", "environments", "sockets", "dns", "registry"]
    assert {gap.status for gap in gaps} == {Status.UNSUPPORTED}
    empty = recorded(
        plant, tmp_path, {"platform": "windows", "processes": [], "sockets": [], "unsupported": ["sockets"]}
    )
    assert empty.processes() == ((), ())
    assert empty.sockets().gaps != ()


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ({}, ["platform"]),
        ({"platform": "amiga"}, ["$.platform"]),
        ({"platform": "linux", "users": [{"name": "ann"}]}, ["$.users[0]", "home"]),
        ({"platform": "linux", "processes": [{"pid": "x", "name": "a"}]}, ["$.processes[0].pid"]),
        ({"platform": "linux", "proceses": []}, ["proceses"]),
    ],
)
def test_what_is_wrong_in_a_machine_is_named(plant: Plant, tmp_path: Path, machine: object, words: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        recorded(plant, tmp_path, machine)
    for word in ["machine.json", *words]:
        assert word in str(error.value)


def test_a_machine_that_is_no_json_or_not_there_is_named(plant: Plant, tmp_path: Path) -> None:
    root = plant({"etc/": ""})
    (tmp_path / "bad.json").write_text("[" * 20_000)
    for name in ("bad.json", "none.json"):
        with pytest.raises(ValueError, match=name):
            OfflineHost(root, tmp_path / name)
    with pytest.raises(ValueError, match="not a folder"):
        OfflineHost(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("files", "platform", "users"),
    [
        (("home/ann/x", "home/lost+found/", "root/.bashrc", "etc/passwd"), "linux", ["ann", "root"]),
        (("Users/ann/x", "Users/Shared/", "Applications/"), "macos", ["ann"]),
        (("Users/ann/Library/", "Users/Shared/"), "macos", ["ann"]),
        (("Users/ann/", "Users/Public/", "Users/Default/", "Windows/System32/"), "windows", ["ann"]),
        (("var/lib/",), "linux", []),
    ],
)
def test_platform_and_users_are_told_from_a_bare_tree(
    plant: Plant, files: tuple[str, ...], platform: str, users: list[str]
) -> None:
    host = OfflineHost(plant(dict.fromkeys(files, "")))
    assert (host.platform, [user.name for user in host.tree.users]) == (platform, users)
    assert host.processes().gaps[0].status is Status.UNSUPPORTED


def test_a_bare_tree_misses_commands_only_where_they_had_something_to_tell(plant: Plant) -> None:
    assert OfflineHost(plant({"var/lib/dpkg/status": ""})).command("rpm") == (None, ())
    host = OfflineHost(plant({"var/lib/rpm/rpmdb.sqlite": ""}))
    assert host.command("rpm").gaps[0].status is Status.UNSUPPORTED
