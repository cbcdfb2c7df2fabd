"""What the written pages say holds: their example proves itself, their commands and links exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from aimscope_cli.main import app
from aimscope_signatures.conditions import OPERATORS
from aimscope_signatures.sections import SECTIONS
from tests.cli.conftest import Run
from tests.cli.conftest import aimscope as aimscope  # noqa: PLC0414 - a fixture

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "THREAT_MODEL.md", "docs/signatures.md")]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text()) if found == language]


def test_the_complete_file_of_the_guide_proves_itself(aimscope: Run, tmp_path: Path) -> None:
    (text,) = (text for text in blocks(ROOT / "docs/signatures.md", "yaml") if text.startswith("id: "))
    path = tmp_path / "own" / "coding-assistant" / "cursor.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    for check in ("verify", "lint"):
        result = aimscope("signatures", check, "--folder", path.parents[1])
        assert (result.exit_code, result.stdout) == (0, "")


def test_the_guide_names_every_section_and_operator() -> None:
    text = (ROOT / "docs/signatures.md").read_text()
    for name in (*SECTIONS, *OPERATORS):
        assert f"`{name}`" in text or f"`{name}." in text or f".{name}`" in text, name


def commands() -> list[str]:
    lines = [line for page in PAGES for text in blocks(page, "sh") for line in text.splitlines()]
    found = [re.split(r"\||#", line)[-1 if line.startswith("echo") else 0].strip() for line in lines]
    return [line for line in found if line.startswith("aimscope ")]


@pytest.mark.parametrize("line", commands())
def test_commands_of_the_pages_exist_with_their_options(line: str) -> None:
    words = shlex.split(line)[1:]
    command = typer.main.get_command(app)
    while words and hasattr(command, "get_command") and (found := command.get_command(None, words[0])):
        command, words = found, words[1:]
    if hasattr(command, "get_command"):  # `aimscope scan` is `aimscope scan host`
        command = command.get_command(None, "host")
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
