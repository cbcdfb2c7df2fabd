"""Services: units, jobs and registry rows; those that are switched off, only look so, or are broken."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.sensors.planted import Host, fields, gaps

from aimscope_agent.readers.services_systemd import settings, template
from aimscope_agent.readers.services_windows import words
from aimscope_agent.sensors.services import SENSOR
from aimscope_signatures.model import Status, Value


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def mac(tmp_path: Path) -> Host:
    return Host(tmp_path, "macos")


def unit(command: str) -> str:
    return f"[Unit]\nDescription=x\n\n[Service]\nExecStart={command}\n"


def link(host: Host, name: str, target: str) -> None:
    host.path(name).symlink_to(target)


def only(host: Host, **machine: object) -> dict[str, Value]:
    (found,) = fields(host.look(SENSOR, None, **machine))
    return found


# systemd


def test_a_unit_that_starts_by_itself(linux: Host) -> None:
    linux.plant({"/etc/systemd/system/ollama.service": unit("/usr/local/bin/ollama serve")})
    link(linux, "/etc/systemd/system/default.target.wants/ollama.service", "/etc/systemd/system/ollama.service")
    assert only(linux) == {
        "manager": "systemd",
        "name": "ollama",
        "process": "ollama",
        "command": "ollama serve",
        "enabled": True,
        "path": "/etc/systemd/system/ollama.service",
    }


def test_a_unit_nobody_wants_does_not(linux: Host) -> None:
    linux.plant({"/usr/lib/systemd/system/ollama.service": unit("/usr/bin/ollama serve")})
    assert only(linux)["enabled"] is False


def test_a_units_own_wishes_do_not_start_it(linux: Host) -> None:
    linux.plant({"/etc/systemd/system/a.service": unit("/bin/a"), "/etc/systemd/system/a.service.wants/": ""})
    assert only(linux)["enabled"] is False


def test_a_users_unit_belongs_to_the_user_and_knows_the_home(linux: Host) -> None:
    linux.plant({".config/systemd/user/llm.service": unit("%h/.local/bin/litellm --config %h/litellm.yaml")})
    result = linux.look(SENSOR)
    assert [each.subject for each in result.observations["services"]] == ["ann"]
    assert fields(result)[0]["process"] == "litellm"
    assert fields(result)[0]["path"] == "~/.config/systemd/user/llm.service"


def test_the_administrators_unit_hides_that_of_the_vendor(linux: Host) -> None:
    linux.plant(
        {
            "/etc/systemd/system/x.service": unit("/usr/bin/mine"),
            "/usr/lib/systemd/system/x.service": unit("/usr/bin/theirs"),
            "/lib/systemd/system/x.service": unit("/usr/bin/theirs"),
        }
    )
    assert only(linux)["process"] == "mine"


def test_a_masked_unit_does_not_start(linux: Host) -> None:
    linux.plant({"/usr/lib/systemd/system/x.service": unit("/usr/bin/x")})
    link(linux, "/etc/systemd/system/multi-user.target.wants/x.service", "/usr/lib/systemd/system/x.service")
    os.mkfifo(linux.path("/dev/null"))  # anything that is neither file nor folder
    link(linux, "/etc/systemd/system/x.service", "/dev/null")
    assert only(linux)["enabled"] is False


def test_an_instance_switches_its_template_on(linux: Host) -> None:
    linux.plant({"/etc/systemd/system/worker@.service": unit("/usr/bin/worker %i")})
    link(linux, "/etc/systemd/system/multi-user.target.wants/worker@7.service", "/etc/systemd/system/worker@.service")
    assert only(linux)["enabled"] is True


@pytest.mark.parametrize(
    ("command", "process", "package"),
    [
        ("-/usr/bin/ollama serve", "ollama", None),
        ("@/usr/sbin/sshd sshd -D", "sshd", None),
        ("!!/usr/bin/x", "x", None),
        ("/opt/v/bin/python -m vllm.entrypoints.openai.api_server", "python", "pymod:vllm"),
        ("/bin/sh -c 'exec npx -y @openai/codex@1 exec x'", "npx", "npm:@openai/codex"),
        ("/usr/bin/env A=b /usr/bin/uvx mcp-server-fetch", "uvx", "pypi:mcp-server-fetch"),
        ("/usr/bin/a ; /usr/bin/ollama", "a", None),
        ("", None, None),
    ],
)
def test_what_a_unit_starts(linux: Host, command: str, process: str | None, package: str | None) -> None:
    linux.plant({"/etc/systemd/system/x.service": unit(command)})
    found = only(linux)
    assert found.get("package") == package
    assert found.get("process") == process


def test_quoting_that_does_not_close_is_read_as_words(linux: Host) -> None:
    linux.plant({"/etc/systemd/system/x.service": unit("/usr/bin/ollama 'serve")})
    assert only(linux)["process"] == "ollama"


def test_other_units_and_empty_files_are_no_services(linux: Host) -> None:
    linux.plant(
        {
            "/etc/systemd/system/empty.service": "",
            "/etc/systemd/system/half.service": "[Unit]\nDescription=[Service]\n# [Service]\n",
            "/etc/systemd/system/x.socket": "[Socket]\nListenStream=1\n",
            "/etc/systemd/system/x.service.bak": unit("/usr/bin/ollama"),
        }
    )
    assert fields(linux.look(SENSOR)) == []


def test_lines_that_go_on_and_values_that_are_reset() -> None:
    text = (
        "[Service]\nExecStart=/old\nExecStart=\n# no\nExecStart=/bin/new \\\n --flag \\\n last\n[Install]\nExecStart=no"
    )
    found = settings(text, "Service")
    assert found is not None
    assert [value.split() for value in found["ExecStart"]] == [["/bin/new", "--flag", "last"]]
    assert settings("[Other]\na=b", "Service") is None


@given(st.text())
def test_no_unit_is_too_odd(text: str) -> None:
    settings("[Service]\n" + text, "Service")
    template(text)


def test_hostile_units_cost_only_themselves(linux: Host) -> None:
    linux.plant(
        {
            "/etc/systemd/system/big.service": b"[Service]\n" + b"x" * 2_000_000,
            "/etc/systemd/system/bytes.service": b"[Service]\nExecStart=/usr/bin/\xff\xfe\n\x00=\x00",
            "/etc/systemd/system/fine.service": unit("/usr/bin/ollama serve"),
        }
    )
    os.mkfifo(linux.path("/etc/systemd/system/pipe.service"))
    result = linux.look(SENSOR)
    assert {"fine", "bytes"} == {each["name"] for each in fields(result)}
    assert (Status.PARTIAL, "/etc/systemd/system/big.service") in gaps(result)


def test_a_closed_home_is_a_gap(linux: Host) -> None:
    assert gaps(linux.look(SENSOR, denied=["/home/ann"])) == {(Status.DENIED, "/home/ann")}


# launchd


def job(**content: object) -> bytes:
    return plistlib.dumps(content)


def test_a_job_of_a_user(mac: Host) -> None:
    content = job(Label="homebrew.mxcl.ollama", ProgramArguments=["/opt/homebrew/bin/ollama", "serve"])
    mac.plant({"Library/LaunchAgents/o.plist": content})
    assert only(mac) == {
        "manager": "launchd",
        "name": "homebrew.mxcl.ollama",
        "process": "ollama",
        "command": "ollama serve",
        "enabled": True,
        "path": "~/Library/LaunchAgents/o.plist",
    }


def test_a_job_switched_off(mac: Host) -> None:
    mac.plant({"/Library/LaunchDaemons/x.plist": job(Label="x", Program="/usr/local/bin/x", Disabled=True)})
    assert only(mac)["enabled"] is False


def test_the_program_counts_and_not_the_name_it_is_given(mac: Host) -> None:
    content = job(Program="/usr/bin/python3", ProgramArguments=["ollama", "-m", "mlx_lm.server"])
    mac.plant({"/Library/LaunchAgents/noname.plist": content})
    found = only(mac)
    assert (found["name"], found["process"], found["package"]) == ("noname", "python3", "pymod:mlx_lm")


def test_a_timed_job_is_no_service(mac: Host) -> None:
    mac.plant({"/Library/LaunchAgents/x.plist": job(Label="x", Program="/bin/x", StartInterval=60)})
    assert fields(mac.look(SENSOR)) == []


def test_property_lists_of_other_forms(mac: Host) -> None:
    mac.plant(
        {
            "/Library/LaunchAgents/torn.plist": job(Label="x", Program="/bin/x")[:60],
            "/Library/LaunchAgents/list.plist": plistlib.dumps(["Label"]),
            "/Library/LaunchAgents/types.plist": job(Label=5, ProgramArguments={"a": "b"}, Program=7),
            "/Library/LaunchAgents/mixed.plist": job(Label=["no"], ProgramArguments=[1, "/bin/mixed"]),
            "/Library/LaunchAgents/empty.plist": b"",
        }
    )
    result = mac.look(SENSOR)
    assert [(each["name"], each["process"]) for each in fields(result)] == [("mixed", "mixed")]
    assert (Status.FAILED, "/Library/LaunchAgents/torn.plist") in gaps(result)


# Windows

KEY = "HKLM/SYSTEM/CurrentControlSet/Services"


def windows(folder: Path, *rows: dict[str, object], **keys: object) -> list[dict[str, Value]]:
    return fields(Host(folder, "windows").look(SENSOR, registry={KEY: rows} | keys))


def row(key: str, path: str, **values: str) -> dict[str, object]:
    return {"key": key, "values": {"ImagePath": path, "Type": "16", "Start": "2"} | values}


@pytest.mark.parametrize(
    ("path", "process", "package"),
    [
        (r'"C:\Program Files\Ollama\ollama.exe" serve', "ollama", None),
        (r"C:\Program Files\Ollama\ollama.exe serve", "ollama", None),
        (r"%SystemRoot%\System32\svchost.exe -k netsvcs", "svchost", None),
        (r"C:\Program Files\nodejs\node.exe C:\srv\node_modules\n8n\bin\n8n start", "node", "npm:n8n"),
        (r'"C:\Program Files\x.exe.d\python.exe" -m vllm', "python", "pymod:vllm"),
        (r"C:\x\run.bat --fast", "run", None),
    ],
)
def test_what_a_windows_service_starts(tmp_path: Path, path: str, process: str, package: str | None) -> None:
    (found,) = windows(tmp_path, row("svc", path))
    assert (found["manager"], found["name"], found["enabled"]) == ("windows", "svc", True)
    assert (found["process"], found.get("package")) == (process, package)
    assert "path" not in found


def test_drivers_and_rows_without_a_program_are_none(tmp_path: Path) -> None:
    drivers = [row(kind, r"System32\drivers\x.sys", Type=kind) for kind in ("1", "2", "8")]
    assert windows(tmp_path, *drivers, {"key": "group", "values": {"Start": "4"}}, row("empty", "")) == []


def test_whether_a_windows_service_starts_by_itself(tmp_path: Path) -> None:
    unknown: dict[str, object] = {"key": "c", "values": {"imagepath": "c.exe"}}
    found = windows(tmp_path, row("a", "a.exe"), row("b", "b.exe", Start="3"), unknown)
    assert [each.get("enabled") for each in found] == [True, False, None]


def test_what_a_service_manager_runs(tmp_path: Path) -> None:
    parameters = {"Application": r"C:\tools\open-webui.exe", "AppParameters": "serve --port 8080"}
    keys = {f"{KEY}/webui": [{"key": "Parameters", "values": parameters}]}
    found = windows(tmp_path, row("webui", r"C:\tools\nssm.exe"), row("bare", r"C:\tools\nssm.exe"), **keys)
    assert [each["process"] for each in found] == ["open-webui", "nssm"]


@given(st.text(max_size=300))
def test_no_command_line_of_windows_is_too_odd(line: str) -> None:
    assert all(isinstance(word, str) for word in words(line))
