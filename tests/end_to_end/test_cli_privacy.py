"""What the program reads, and what it never says: a plan reads nothing, a planted secret is in no output."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.machine import Machine
from tests.end_to_end.person import Person
from tests.end_to_end.program import aimscope, evidence, told

IN_ACCESS, IN_OPEN = 0x01, 0x20


class Watch:
    """Whether files were opened or read meanwhile, as the kernel tells (inotify)."""

    def __init__(self, *files: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK)
        for file in files:
            assert libc.inotify_add_watch(self._handle, os.fsencode(file), IN_ACCESS | IN_OPEN) >= 0

    def happened(self) -> bool:
        try:
            return bool(os.read(self._handle, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._handle)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with files a scan reads, a pipe that would block whoever opens it, and a folder nobody may enter."""
    root = tmp_path / "root"
    home = root / "home" / "ann"
    (home / ".claude" / "projects").mkdir(parents=True)
    (home / ".claude.json").write_text('{"mcpServers": {"fetch": {"command": "uvx", "args": ["mcp-server-fetch"]}}}')
    (home / ".bashrc").write_text("export PATH=$PATH:~/bin\n")
    os.mkfifo(home / ".zshrc")
    os.mkfifo(home / ".claude" / "settings.json")
    (home / "closed").mkdir(mode=0o000)
    return root


def test_a_plan_reads_nothing(tree: Path, tmp_path: Path) -> None:
    home = tree / "home" / "ann"
    watch = Watch(home / ".claude.json", home / ".bashrc")
    done = aimscope("scan", "--root", tree, "--plan", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "~/.claude.json" in done.stdout
    assert not watch.happened()
    assert not (tmp_path / "state").exists(), "nor is anything kept"
    # the same watch sees a scan: it would have seen the plan
    report = told(aimscope("scan", "--root", tree, "--json", folder=tmp_path))
    assert watch.happened()
    watch.close()
    assert evidence(report, "mcp-fetch", "mcp_server")


def test_pipes_are_not_waited_for(tree: Path, tmp_path: Path) -> None:
    """It ends at all, which a read from a pipe nobody writes to would not; and the pipe still is one."""
    report = told(aimscope("scan", "--root", tree, "--json", folder=tmp_path))
    assert {part["sensor"] for part in report["coverage"]} >= {"mcp", "credentials", "packages"}
    assert stat.S_ISFIFO((tree / "home" / "ann" / ".zshrc").stat().st_mode)


def secret(prefix: str, number: int) -> str:
    """A made-up key of a known form, put together here so that no scanner of this repository takes it for one."""
    return prefix + "".join(chr(ord("A") + (number * 7 + i * 11) % 26) + str((number + i) % 10) for i in range(24))


ANTHROPIC = secret("sk-ant-" + "api03-", 1) + "q" * 37 + "QAA"
OPENAI = secret("sk-" + "proj-", 2)
GOOGLE = "AIza" + "Sy" + secret("", 3)[:33]
GITHUB = "ghp" + "_" + secret("", 4)[:36]
PASSWORD = secret("hunter-", 5)
SECRETS = (ANTHROPIC, OPENAI, GOOGLE, GITHUB, PASSWORD)


@pytest.fixture
def careless(tmp_path: Path, private_machine: Callable[[Path], Machine]) -> Machine:
    """Somebody who leaves keys wherever a tool may find them, and runs one with two more."""
    person = Person(tmp_path / "home")
    person.install("openai")
    person.write(".bashrc", f"export ANTHROPIC_API_KEY={ANTHROPIC}\nexport GITHUB_TOKEN='{GITHUB}'\n")
    person.write("work/bot/.env", f'OPENAI_API_KEY="{OPENAI}"\nDB_PASSWORD={PASSWORD}\n')
    server = {
        "command": "npx",
        "args": ["-y", "@modelcontextprotocol/server-github", "--token", GITHUB, f"--api-key={OPENAI}"],
        "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": GITHUB, "GEMINI_API_KEY": GOOGLE},
    }
    remote = {
        "type": "http",
        "url": f"https://ann:{PASSWORD}@mcp.example.com/mcp?key={GOOGLE}",
        "headers": {"Authorization": f"Bearer {OPENAI}"},
    }
    person.write(".claude.json", {"mcpServers": {"github": server, "remote": remote}, "primaryApiKey": ANTHROPIC})
    person.write(".cursor/mcp.json", {"mcpServers": {"github": server}})
    person.write(".codex/auth.json", {"OPENAI_API_KEY": OPENAI})
    person.write(".gemini/settings.json", f'{{"torn": "{GOOGLE}"')
    machine = private_machine(person.home)
    program = person.write("work/bot/server.py", "import time\ntime.sleep(600)\n")
    command = ["python3", str(program), "--api-key", OPENAI, f"--endpoint=https://u:{PASSWORD}@api.openai.com/v1"]
    machine.start(command, machine.folder / "server.log", environ={"ANTHROPIC_API_KEY": ANTHROPIC})
    return machine


FORMS = (
    ("--explain", "--html", "report.html", "--opt-in", "shell_history", "--project", "{project}"),
    ("--json",),
    ("--csv",),
    ("--sarif",),
)


def test_no_secret_is_told_or_kept(careless: Machine) -> None:
    debugging = {"AIMSCOPE_DEBUG": "1"}
    for form in FORMS:
        arguments = [part.replace("{project}", str(careless.home / "work/bot")) for part in form]
        done = careless.aimscope("scan", *arguments, environ=debugging)
        assert done.returncode == 0, done.stderr
        for each in SECRETS:
            assert each not in done.stdout + done.stderr, form
            assert each[8:24] not in done.stdout + done.stderr, (form, "nor a part of it")
    assert careless.aimscope("inventory", "init", "--from-scan", environ=debugging).returncode == 0
    kept = [path for path in careless.folder.rglob("*") if path.is_file()]
    assert {"scans.db", "report.html", "inventory.yaml"} <= {path.name for path in kept}
    for path in kept:
        content = path.read_bytes()
        for each in SECRETS:
            assert each[8:24].encode() not in content, path.name


def test_that_there_are_keys_is_told(careless: Machine) -> None:
    """The secrets above were really met: where they are, and whose, is a finding."""
    report = told(careless.aimscope("scan", "--json"))
    met = {
        (one["fields"].get("env_name"), one["fields"].get("place"))
        for service in ("anthropic-api", "openai-api", "claude-code", "openai-codex")
        for one in evidence(report, service, "credential")
    }
    assert ("ANTHROPIC_API_KEY", "shell") in met
    assert ("ANTHROPIC_API_KEY", "process") in met
    assert ("OPENAI_API_KEY", "dotenv") in met
