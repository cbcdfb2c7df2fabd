"""Real tools of both ecosystems, installed where a person installs them, and all of them found.

The live scans run in a private machine (see ``machine.py``); where that is not permitted they are skipped with the
system's own reason, and the same tree is still scanned with ``--root``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.environments import Environment, Node, Recipe, Venv, installed
from tests.end_to_end.machine import Machine
from tests.end_to_end.program import aimscope, evidence, services, told

PROJECT, GATEWAY = "work/assistant", "work/gateway"
AGENT = ("aider", "aider-chat", "0.86.2") if sys.version_info < (3, 13) else ("shell-gpt", "shell-gpt", "1.5.1")
"""A Python agent with an environment of its own: aider, where it runs at all."""

RECIPE = Recipe(
    "tools",
    venvs=(
        Venv(
            f"{PROJECT}/.venv",
            (
                *("openai==3.54.0", "anthropic==2.12.0", "langchain==1.4.7", "ollama==0.6.3"),
                *("google-genai==3.4.0", "mcp-server-fetch==2026.10.24"),
            ),
        ),
        Venv(f"{GATEWAY}/.venv", ("litellm==1.106.2",)),
    ),
    node=(
        Node(
            ".npm-global",
            ("@anthropic-ai/claude-code@2.1.197", "@openai/codex@0.169.0", "@google/gemini-cli@0.61.0"),
            everywhere=True,
        ),
        Node(
            PROJECT,
            ("@modelcontextprotocol/server-filesystem@2026.8.31", "@modelcontextprotocol/inspector@0.15.0", "ai"),
        ),
    ),
    pipx=(f"{AGENT[1]}=={AGENT[2]}", "llm==0.36"),
)

SITE_PACKAGES = f"{PROJECT}/.venv/lib/"
TOOLS = (
    ("openai-api", "pypi:openai", SITE_PACKAGES),
    ("anthropic-api", "pypi:anthropic", SITE_PACKAGES),
    ("langchain", "pypi:langchain", SITE_PACKAGES),
    ("litellm", "pypi:litellm", f"{GATEWAY}/.venv/lib/"),
    ("ollama", "pypi:ollama", SITE_PACKAGES),
    ("google-gemini-api", "pypi:google-genai", SITE_PACKAGES),
    ("mcp-fetch", "pypi:mcp-server-fetch", SITE_PACKAGES),
    (AGENT[0], f"pypi:{AGENT[1]}", f".local/share/pipx/venvs/{AGENT[1]}/"),
    ("llm-cli", "pypi:llm", ".local/share/pipx/venvs/llm/"),
    ("claude-code", "npm:@anthropic-ai/claude-code", ".npm-global/lib/node_modules"),
    ("openai-codex", "npm:@openai/codex", ".npm-global/lib/node_modules"),
    ("gemini-cli", "npm:@google/gemini-cli", ".npm-global/lib/node_modules"),
    ("mcp-filesystem", "npm:@modelcontextprotocol/server-filesystem", f"{PROJECT}/node_modules"),
    ("mcp-inspector", "npm:@modelcontextprotocol/inspector", f"{PROJECT}/node_modules"),
    ("vercel-ai-sdk", "npm:ai", f"{PROJECT}/node_modules"),
)
"""Service, its package, and the folder of the home in which that lies."""

NAMES = [package for _, package, _ in TOOLS]


@pytest.fixture(scope="module")
def tools() -> Environment:
    return installed(RECIPE)


@pytest.fixture(scope="module")
def live(tools: Environment, private_machine: Callable[[Path], Machine]) -> dict[str, Any]:
    """A scan of the machine, while two MCP servers run as a client starts them."""
    machine = private_machine(tools.home)
    project = tools.home / PROJECT
    filesystem = "@modelcontextprotocol/server-filesystem"
    commands: dict[str, list[str | Path]] = {
        "fetch": [project / ".venv/bin/python", "-m", "mcp_server_fetch"],
        "filesystem": ["node", project / "node_modules" / filesystem / "dist/index.js", machine.folder],
    }
    for name, command in commands.items():
        machine.start(command, machine.folder / f"{name}.log")
    return told(machine.aimscope("scan", "--json"))


@pytest.fixture(scope="module")
def offline(tools: Environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return told(aimscope("scan", "--root", tools.root, "--json", folder=tmp_path_factory.mktemp("offline")))


def places(report: dict[str, Any], service: str, package: str) -> list[str]:
    """Where a package was seen, of a service that is a finding."""
    return [
        one["details"].get("path", "") + " ".join(one.get("sources", ()))
        for one in evidence(report, service, "package")
        if one["fields"].get("package") == package
    ]


@pytest.mark.parametrize(("service", "package", "folder"), TOOLS, ids=NAMES)
def test_an_installed_tool_is_found_on_the_machine(
    live: dict[str, Any], service: str, package: str, folder: str
) -> None:
    assert any(f"~/{folder}" in place for place in places(live, service, package)), services(live)


@pytest.mark.parametrize(("service", "package", "folder"), TOOLS, ids=NAMES)
def test_an_installed_tool_is_found_in_its_tree(
    offline: dict[str, Any], service: str, package: str, folder: str
) -> None:
    assert any(f"~/{folder}" in place for place in places(offline, service, package)), services(offline)


@pytest.mark.parametrize("service", ["mcp-fetch", "mcp-filesystem"])
def test_a_running_tool_is_told_as_used(live: dict[str, Any], service: str) -> None:
    assert "used" in {one["presence"] for one in evidence(live, service, "process")}


def test_the_tree_says_of_the_running_machine_that_it_was_not_looked_at(offline: dict[str, Any]) -> None:
    status = {part["sensor"]: part["status"] for part in offline["coverage"]}
    assert status["processes"] == "unsupported"
    assert status["packages"] == "complete"
