"""``./**``: what people wrote in a project is found, what was fetched or built is not, and links lead nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aimscope_agent.host import projects
from aimscope_agent.host.tree import Tree
from aimscope_agent.host.walk import Walk
from aimscope_signatures.model import Gap, Status

from .conftest import Plant


def expand(root: Path, glob: str, *given: str) -> tuple[list[str], list[Gap]]:
    gaps: list[Gap] = []
    found = Walk(Tree(os.fspath(root), "linux")).expand(glob, given or ("/p",), gaps.append)
    return [one.path for one in found], gaps


def test_every_file_below_a_project_is_found_whatever_its_folders_are_called(plant: Plant) -> None:
    root = plant(
        {
            "p/a.py": "",
            "p/.github/workflows/ci.yml": "",
            # names that are caches of package managers elsewhere
            "p/packages/web/index.ts": "",
            "p/registry/main.go": "",
            "p/uv/x.py": "",
            "other/b.py": "",
        }
    )
    found, gaps = expand(root, "./**")
    assert found == [
        "/p/.github/workflows/ci.yml",
        "/p/a.py",
        "/p/packages/web/index.ts",
        "/p/registry/main.go",
        "/p/uv/x.py",
    ]
    assert gaps == []


def test_names_and_folders_can_be_asked_for_at_any_depth(plant: Plant) -> None:
    root = plant({"p/go.mod": "", "p/a/b/go.mod": "", "p/a/go.sum": "", "p/node_modules/x/go.mod": "", "p/c/d/": ""})
    assert expand(root, "./**/go.mod")[0] == ["/p/a/b/go.mod", "/p/go.mod"]
    assert expand(root, "./**/d/")[0] == ["/p/c/d"]
    assert expand(root, "./**/")[0] == ["/p/a", "/p/a/b", "/p/c", "/p/c/d", "/p/node_modules"]


def test_what_was_fetched_or_built_is_not_entered(plant: Plant) -> None:
    closed = ["node_modules", "vendor", "dist", "build", ".git", ".venv", "a/b/target", "__pycache__"]
    root = plant({"p/x.py": "", **{f"p/{folder}/x.py": "" for folder in closed}, "p/vendors/x.py": ""})
    assert expand(root, "./**")[0] == ["/p/vendors/x.py", "/p/x.py"]


def test_a_virtual_environment_is_known_by_its_mark_not_by_its_name(plant: Plant) -> None:
    root = plant({"p/env/config.py": "", "p/my/pyvenv.cfg": "", "p/my/lib/x.py": ""})
    assert expand(root, "./**")[0] == ["/p/env/config.py"]


def test_a_project_that_is_itself_such_a_folder_is_looked_at(plant: Plant) -> None:
    root = plant({"build/x.py": "", "venv/pyvenv.cfg": "", "venv/y.py": ""})
    assert expand(root, "./**", "/build", "/venv")[0] == ["/build/x.py", "/venv/pyvenv.cfg", "/venv/y.py"]


def test_links_are_not_followed_and_pipes_are_told(plant: Plant) -> None:
    root = plant({"p/a/x.py": "", "secret/y.py": ""})
    (root / "p" / "loop").symlink_to(root / "p")
    (root / "p" / "out").symlink_to(root / "secret")
    (root / "p" / "z.py").symlink_to(root / "secret" / "y.py")
    os.mkfifo(root / "p" / "pipe.py")
    found, gaps = expand(root, "./**")
    assert found == ["/p/a/x.py"]
    assert gaps == [Gap("/p/pipe.py", Status.PARTIAL, "not a regular file")]


def test_a_project_within_another_is_looked_at_once(plant: Plant) -> None:
    root = plant({"p/a/x.py": ""})
    assert expand(root, "./**", "/p", "/p/a", "/p/")[0] == ["/p/a/x.py"]


def test_depth_and_number_are_bounded_and_told(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant({"p/1/2/3/x.py": "", "p/1/y.py": ""})
    monkeypatch.setattr(projects, "DEPTH", 3)
    found, gaps = expand(root, "./**")
    assert (found, [gap.reason for gap in gaps]) == (["/p/1/y.py"], ["deeper than 3 folders"])
    many = plant({f"q/{folder}/{name}.py": "" for folder in range(4) for name in range(10)})
    monkeypatch.setattr(projects, "MOST_ENTRIES", 15)
    found, gaps = expand(many, "./**", "/q")
    assert 0 < len(found) < 40
    assert gaps == [Gap("/q", Status.PARTIAL, "looked at 15 names only")]
