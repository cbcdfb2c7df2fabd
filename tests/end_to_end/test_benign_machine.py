"""A developer's box without AI, made from real packages, yields nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.environments import Environment, Node, Recipe, Venv, installed
from tests.end_to_end.machine import Machine
from tests.end_to_end.program import aimscope, told

RECIPE = Recipe(
    "benign",
    venvs=(Venv("work/shop/.venv", ("flask", "numpy", "requests", "sqlalchemy", "celery", "pytest", "black")),),
    node=(Node("work/shop", ("eslint", "express", "prettier", "typescript")),),
)
UBLOCK = ".config/google-chrome/Default/Extensions/cjpalhdlnbpafiamejdnhcphjbkeiagm/1.62.0_0/manifest.json"
EDITOR = ".vscode/extensions/ms-python.python-2024.22.0/package.json"


@pytest.fixture(scope="module")
def benign() -> Environment:
    return installed(RECIPE)


@pytest.fixture
def box(benign: Environment, tmp_path: Path) -> Path:
    """A root with the installed home and what else such a person has: an ad blocker, an editor, a repository."""
    root = tmp_path / "root"
    shutil.copytree(benign.root, root, symlinks=True)
    home = root / "home" / "dev"
    manifest = {"manifest_version": 3, "name": "uBlock Origin", "version": "1.62.0"}
    editor = {"name": "python", "publisher": "ms-python", "version": "2024.22.0", "engines": {"vscode": "^1.95.0"}}
    for name, content in ((UBLOCK, manifest), (EDITOR, editor)):
        path = home / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    (home / ".bashrc").write_text("export EDITOR=vim\nexport DATABASE_URL=postgres://localhost/shop\n")
    subprocess.run(["git", "init", "--quiet", home / "work" / "shop"], check=True)
    (home / "work" / "shop" / "README.md").write_text("# Shop\n")
    return root


def test_a_box_without_ai_yields_nothing(box: Path, tmp_path: Path) -> None:
    done = aimscope("scan", "--root", box, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    report = told(done)
    assert report["findings"] == []
    assert report["summary"] == {}
    counts = {part["sensor"]: part.get("counts", {}).get("observed", 0) for part in report["coverage"]}
    assert counts["packages"] > 100, "the packages that are there were looked at"
    assert counts["browser_extensions"] == 1
    assert counts["editor_extensions"] == 1


def test_it_yields_nothing_with_an_inventory_either(box: Path, tmp_path: Path) -> None:
    inventory = tmp_path / "none.yaml"
    assert aimscope("inventory", "init", inventory, folder=tmp_path).returncode == 0
    done = aimscope("scan", "--root", box, "--inventory", inventory, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row for row in told(done)["findings"] if row.get("evidence")] == []


def test_what_it_says_to_a_person(box: Path, tmp_path: Path) -> None:
    done = aimscope("scan", "--root", box, folder=tmp_path)
    assert done.returncode == 0
    assert "no AI" in done.stdout or "No AI" in done.stdout


def test_the_live_machine_with_that_home_yields_nothing(box: Path, private_machine: Callable[[Path], Machine]) -> None:
    report = told(private_machine(box / "home" / "dev").aimscope("scan", "--json"))
    assert [row["service"] for row in report["findings"]] == []
