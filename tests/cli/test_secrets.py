"""Keys planted everywhere on a machine: none of them leaves a scan, in any form, with debugging on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run

KEY = "sk-ant-api03-" + "Planted1" * 12
OTHER = "sk-proj-" + "Planted2" * 12
SERVERS = {
    "a": {"command": "npx", "args": ["-y", "mcp-remote", f"https://mcp.linear.app/sse?k={KEY}"], "env": {"K": OTHER}},
    f"named {KEY}": {"command": "uvx", "args": ["mcp-server-fetch", KEY]},
    f"https://ann:Planted3@mcp.example.com/{OTHER}?t=Planted3": {"command": "uvx", "args": ["mcp-server-time"]},
    "b": {"url": f"https://ann:Planted3@mcp.example.com/?t={KEY}", "headers": {"Authorization": f"Bearer {KEY}"}},
    "c": {"command": "bash", "args": ["-c", f"OPENAI_API_KEY={OTHER} npx -y @modelcontextprotocol/server-slack"]},
    "d": {"command": f"/opt/{OTHER}/mcp-server-git", "args": ["--token", KEY]},
}
HOME = {
    ".bashrc": f"export ANTHROPIC_API_KEY={KEY}\nalias x='OPENAI_API_KEY={OTHER} claude'\n",
    ".cursor/mcp.json": json.dumps({"mcpServers": SERVERS}),
    ".vscode/mcp.json": f"// {KEY}\n" + json.dumps({"servers": SERVERS}),
    ".claude.json": json.dumps({"primaryApiKey": KEY, "projects": {f"/home/ann/{KEY}": {"mcpServers": SERVERS}}}),
    ".codex/config.toml": f'# {KEY}\n[mcp_servers."{OTHER}"]\ncommand = "uvx"\nargs = ["mcp-server-git"]\n',
    f"{KEY}/.env": f"OPENAI_API_KEY={OTHER}\n",
    f"models/{KEY}.gguf": "GGUF",
    f"{OTHER}/lib/python3.11/site-packages/openai-1.0.dist-info/METADATA": f"Name: openai\nVersion: {KEY}\n",
    "app/node_modules/openai/package.json": json.dumps({"name": "openai", "version": KEY}),
    f".ollama/models/manifests/registry.ollama.ai/library/llama3/{KEY}": json.dumps({"layers": []}),
    ".bash_history": f"OPENAI_API_KEY={OTHER} claude -p {KEY}\nollama run {KEY}\n",
    f".cursor/{KEY}.json": "{",
}
ROOT = {
    f"etc/systemd/system/ollama@{KEY}.service": "[Service]\nExecStart=/usr/local/bin/ollama serve\n",
    "etc/systemd/system/ollama.service": f"[Service]\nEnvironment=A={KEY}\nExecStart=/usr/bin/ollama serve {OTHER}\n",
    f"etc/cron.d/{OTHER}": f"* * * * * root ANTHROPIC_API_KEY={KEY} /usr/local/bin/claude -p {OTHER}\n",
    "var/lib/dpkg/status": f"Package: ollama\nStatus: install ok installed\nVersion: {KEY}\n\n",
}
PROCESSES = [
    {"pid": 7, "name": "node", "exe": "/usr/bin/node", "argv": ["node", f"/home/ann/{KEY}/claude-code/cli.js", KEY]},
    {"pid": 8, "name": "ollama", "exe": f"/home/ann/{OTHER}/ollama", "argv": ["ollama", "serve", "--key", KEY]},
    {"pid": 9, "name": KEY[:15], "exe": f"/home/ann/{OTHER}", "argv": [OTHER], "user": "ann"},
]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    recorded = tmp_path / "recorded"
    files = {f"home/ann/{name}": text for name, text in HOME.items()} | ROOT
    for name, text in files.items():
        path = recorded / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environments = {"7": {"ANTHROPIC_API_KEY": KEY, "X": OTHER}, "9": {"OPENAI_API_KEY": OTHER}}
    told = {"platform": "linux", "processes": PROCESSES, "environments": environments, "sockets": []}
    (recorded / "machine.json").write_text(json.dumps(told))
    return recorded


@pytest.mark.parametrize("form", ["--json", "--csv", "--sarif", "--explain"])
def test_no_planted_key_leaves_a_scan(
    aimscope: Run, machine: Path, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMSCOPE_DEBUG", "1")
    page = tmp_path / "report.html"
    answer = aimscope("scan", "--root", machine, form, "--html", page, "--opt-in", "shell_history")
    written = answer.stdout + answer.stderr + page.read_text()
    assert "anthropic" in written.lower()
    assert "ollama" in written.lower()
    assert not re.findall("planted[123]", written.lower())
