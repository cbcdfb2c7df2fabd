"""Shell history: only tools that a catalogue names, only how often, in the dialect of each shell."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.sensors.planted import Host, fields, gaps

from aimscope_agent.scan import ScanResult
from aimscope_agent.sensors._shell_history_commands import LONGEST, Shell, Tools, commands
from aimscope_agent.sensors.shell_history import SENSOR
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Status

INTERESTS = Interests(
    processes=frozenset({"ollama", "aider", "aichat"}),
    packages=frozenset({"npm:@openai/codex", "pypi:mcp-server-fetch", "pymod:vllm"}),
)


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


def counted(result: ScanResult) -> dict[str, int]:
    return {
        str(found.get("process", "")) + str(found.get("package", "")): cast("int", found["count"])
        for found in fields(result)
    }


def test_it_is_off_unless_asked_for_and_says_what_it_reads() -> None:
    assert SENSOR.opt_in
    assert "no arguments" in SENSOR.privacy


def test_only_names_and_counts_are_told(linux: Host) -> None:
    linux.plant({".bash_history": "ollama run llama3 'my secret'\ncd /srv\nollama list\nnpx -y @openai/codex@1 x\n"})
    result = linux.look(SENSOR, INTERESTS)
    assert fields(result) == [{"package": "npm:@openai/codex", "count": 1}, {"process": "ollama", "count": 2}]
    assert {found.subject for found in result.observations["shell_history"]} == {"ann"}
    assert {found.source for found in result.observations["shell_history"]} == {"~/.bash_history"}


@pytest.mark.parametrize(
    ("command", "tool"),
    [
        ("ollama", "ollama"),
        ("/usr/local/bin/ollama serve", "ollama"),
        ("OLLAMA_HOST=0.0.0.0 ollama serve &", "ollama"),
        ("sudo -u ollama ollama serve", "ollama"),
        ("cat notes.txt | ollama run llama3 > out.txt", "ollama"),
        ("cd x && (ollama list)", "ollama"),
        ("for f in *; do aichat $f; done", "aichat"),
        ("if true; then ollama list; fi", "ollama"),
        ("bash -c 'ollama ps'", "ollama"),
        ("python3 -m vllm.entrypoints.openai.api_server --model x", "pymod:vllm"),
        ("uvx mcp-server-fetch==1.0", "pypi:mcp-server-fetch"),
        ("uvx mcp_server_fetch", "pypi:mcp-server-fetch"),
        ("npx @openai/codex", "npm:@openai/codex"),
        ("echo x; aider", "aider"),
    ],
)
def test_what_starts_a_tool(command: str, tool: str) -> None:
    tools = Tools(INTERESTS)
    assert tools.may_start(command)
    assert ["".join(found) for found in tools.started(command, "bash")] == [tool]


@pytest.mark.parametrize(
    "command",
    [
        "git commit -m 'ollama run llama3'", "echo ollama", "pip install aider", "man ollama", "ollama-exporter",
        "cat /etc/ollama", "./ollama.sh", "npx openai/codex", "npm install @openai/codex", "python -m vllmx",
        "npx codex", "ssh gpu ollama list", "docker run ollama/ollama", "alias o=ollama", "# ollama",
        "", "'", "&& || ;",
    ],
)  # fmt: skip
def test_what_does_not_start_a_tool(command: str) -> None:
    assert list(Tools(INTERESTS).started(command, "bash")) == []


def test_programs_of_windows(tmp_path: Path) -> None:
    history = "AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt"
    lines = r"""& 'C:\Users\ann\AppData\Local\Programs\Ollama\ollama.exe' run llama3
Get-ChildItem C:\ollama\ | Out-Null
Ollama.exe list
foreach ($f in ls) {`
  aichat $f`
}
npx ``
  @openai/codex
"""
    host = Host(tmp_path, "windows").plant({history: "\ufeff" + lines.replace("\n", "\r\n")})
    assert counted(host.look(SENSOR, INTERESTS)) == {"ollama": 2, "aichat": 1, "npm:@openai/codex": 1}


@pytest.mark.parametrize(
    ("shell", "text", "told"),
    [
        ("bash", "#1700000000\nls\n\n#1700000001\nollama list\n", ["ls", "ollama list"]),
        ("bash", "npx \\\n  @openai/codex\nls", ["npx    @openai/codex", "ls"]),
        ("bash", "# a note\nls", ["# a note", "ls"]),
        ("bash", "ends in \\", ["ends in  "]),
        ("zsh", ": 1700000000:0;ollama list\nplain\n: 1700000001:12;ls", ["ollama list", "plain", "ls"]),
        ("zsh", ": 1700000000:0;for f in *\\\ndo aichat $f\\\ndone\n", ["for f in *", "do aichat $f", "done"]),
        ("zsh", ": 1700000000:0;npx \\\\\n  @openai/codex\nls", ["npx    @openai/codex", "ls"]),
        ("fish", "- cmd: ollama list\n  when: 1700000000\n  paths:\n    - ollama\n- cmd: ls\n", ["ollama list", "ls"]),
        ("fish", "- cmd: for f in *\\n  aichat $f\\nend\n", ["for f in *", "  aichat $f", "end"]),
        ("fish", "- cmd: echo a\\\\nb\n  when: 1\n", ["echo a\\nb"]),
        ("powershell", "ls | `\n  more\n", ["ls | ", "  more"]),
    ],
)
def test_dialects(shell: Shell, text: str, told: list[str]) -> None:
    assert list(commands(text, shell)) == told


@pytest.mark.parametrize(
    "place",
    [
        ".zsh_history", ".zhistory", ".config/zsh/.zsh_history", ".local/share/fish/fish_history",
        ".local/share/powershell/PSReadLine/ConsoleHost_history.txt",
    ],
)  # fmt: skip
def test_places_of_histories(linux: Host, place: str) -> None:
    linux.plant({place: "- cmd: ollama list\n" if "fish" in place else "ollama list\n", "old_history": "aider\n"})
    assert counted(linux.look(SENSOR, INTERESTS)) == {"ollama": 1}


def test_nobody_is_named_by_an_empty_catalogue(linux: Host) -> None:
    assert fields(linux.plant({".bash_history": "ollama list\n"}).look(SENSOR)) == []


def test_histories_that_are_odd(linux: Host) -> None:
    linux.plant(
        {
            ".bash_history": b"\xff\xfe\x00 \x00\nollama list\n",
            ".zsh_history": b"caf\x83\xe9\x00\nollama list\n" + b"ollama " + b"x" * 100_000 + b"\n'ollama list\n",
            ".zhistory/": "",
            ".local/share/fish/fish_history": b"- cmd: ollama list \\\n- cmd: \\\n- cmd:\n",
        }
    )
    result = linux.look(SENSOR, INTERESTS)
    assert [found["count"] for found in fields(result)] == [3, 1]
    assert gaps(result) == set()


def test_a_history_too_large_is_a_gap(linux: Host) -> None:
    linux.plant({".bash_history": "ollama list\n", ".zsh_history": b"ollama list\n" * (1 << 20)})
    result = linux.look(SENSOR, INTERESTS)
    assert gaps(result) == {(Status.PARTIAL, "~/.zsh_history")}
    assert counted(result) == {"ollama": 1}


def test_too_many_different_commands_are_a_gap(linux: Host) -> None:
    linux.plant({".bash_history": "".join(f"ollama {number}\n" for number in range(20_001))})
    result = linux.look(SENSOR, INTERESTS)
    assert counted(result) == {"ollama": 20_000}
    assert gaps(result) == {(Status.PARTIAL, "~/.bash_history")}


SHELLS = st.sampled_from(("bash", "zsh", "fish", "powershell"))
TEXT = st.text(alphabet="ollama \\`'\"\n;|&()$#: 170-cmd", max_size=200) | st.text(max_size=100)


@given(TEXT, SHELLS)
def test_no_text_breaks_it_and_nothing_but_named_tools_come_out(text: str, shell: Shell) -> None:
    tools = Tools(INTERESTS)
    for command in commands(text, shell):
        assert "\n" not in command
        assert len(command) <= LONGEST
        started = list(tools.started(command, shell))
        assert not started or tools.may_start(command)
        for process, package in started:
            assert process in INTERESTS.processes or package in INTERESTS.packages
            assert {process, package} <= INTERESTS.processes | INTERESTS.packages | {""}


@given(st.lists(st.text(alphabet="abc \\", max_size=20)))
def test_joined_lines_lose_nothing_but_escapes_and_spaces(lines: list[str]) -> None:
    told = "".join(commands("\n".join(lines), "bash"))
    assert told.replace(" ", "").replace("\\", "") == "".join(lines).replace(" ", "").replace("\\", "")
