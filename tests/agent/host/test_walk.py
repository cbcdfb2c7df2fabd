from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host import places
from aimscope_agent.host.facts import User
from aimscope_agent.host.tree import Tree
from aimscope_agent.host.walk import Names, Walk, Walked
from aimscope_agent.sensor import Options
from aimscope_signatures.model import Gap, Status

from .conftest import LookOver, Plant


def walk(root: Path, *wanted: str, mounts: dict[str, str] | None = None, home: str = "/home/ann") -> Walked:
    return Walk(Tree(os.fspath(root), "linux", (User("ann", home),)), mounts).everywhere(wanted)


def paths(walked: Walked, glob: str) -> list[str]:
    return [found.path for found in walked.found[glob]]


def test_names_suffixes_prefixes_and_folders_are_found_anywhere(plant: Plant) -> None:
    root = plant(
        {
            "home/ann/app/.env": "",
            "home/ann/app/.env.local": "",
            "home/ann/app/env": "",
            "home/ann/m/x.gguf": "",
            "home/ann/m/x.gguf.txt": "",
            "home/ann/hub/models--a--b/": "",
            "opt/tool/y.gguf": "",
            "etc/z.gguf": "",
        }
    )
    walked = walk(root, "**/.env", "**/.env.*", "**/*.gguf", "**/models--*/", "**/models--*")
    assert paths(walked, "**/.env") == ["~/app/.env"]
    assert paths(walked, "**/.env.*") == ["~/app/.env.local"]
    assert paths(walked, "**/*.gguf") == ["~/m/x.gguf", "/opt/tool/y.gguf"]
    assert paths(walked, "**/models--*/") == ["~/hub/models--a--b"]
    assert paths(walked, "**/models--*") == []


def test_a_glob_reaches_below_its_first_part(plant: Plant) -> None:
    root = plant(
        {
            "home/ann/.venv/lib/python3.12/site-packages/openai-1.0.dist-info/METADATA": "",
            "home/ann/.venv/lib/python3.12/site-packages/openai/x.dist-info/": "",
            "home/ann/p/.git/config": "",
            "home/ann/p/a/b/c.txt": "",
        }
    )
    walked = walk(root, "**/site-packages/*.dist-info/", "**/.git/config", "**/p/**/*.txt", "**/*.dist-info/METADATA")
    assert paths(walked, "**/site-packages/*.dist-info/") == [
        "~/.venv/lib/python3.12/site-packages/openai-1.0.dist-info"
    ]
    assert paths(walked, "**/.git/config") == ["~/p/.git/config"]
    assert paths(walked, "**/p/**/*.txt") == ["~/p/a/b/c.txt"]
    assert len(paths(walked, "**/*.dist-info/METADATA")) == 1


def test_what_cannot_matter_is_not_entered(plant: Plant) -> None:
    closed = [
        ".git/x.gguf",
        "p/__pycache__/x.gguf",
        ".npm/_cacache/x.gguf",
        ".cache/pip/x.gguf",
        ".cache/uv/x.gguf",
        ".cache/pypoetry/cache/x.gguf",
        ".cache/pypoetry/artifacts/x.gguf",
        "go/pkg/x.gguf",
        ".cargo/registry/x.gguf",
        ".local/share/Trash/files/x.gguf",
        "node_modules/a/x.gguf",
        "node_modules/@s/a/x.gguf",
        "v/site-packages/a/x.gguf",
        ".local/share/pnpm/store/v10/x.gguf",
        ".local/share/pnpm/global/5/.pnpm/x.gguf",
        ".pnpm-store/x.gguf",
        "miniconda3/pkgs/x.gguf",
        "micromamba/pkgs/x.gguf",
    ]
    open_ = [
        "pip/x.gguf",
        "pkg/x.gguf",
        "pkgs/x.gguf",
        "store/x.gguf",
        "miniconda3/envs/x.gguf",
        ".cache/huggingface/x.gguf",
        ".cache/pypoetry/virtualenvs/x.gguf",
        "node_modules/x.gguf",
        "node_modules/@s/x.gguf",
    ]
    root = plant({f"home/ann/{name}": "" for name in closed + open_})
    walked = walk(root, "**/*.gguf")
    assert paths(walked, "**/*.gguf") == sorted(f"~/{name}" for name in open_)
    assert walked.gaps == ()


def test_links_are_neither_entered_nor_followed_out(plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "secret.gguf").write_text("")
    root = plant({"home/ann/a/x.gguf": "", "srv/models/y.gguf": ""})
    (root / "home/ann/a/loop").symlink_to("..")
    (root / "home/ann/again").symlink_to("a")
    (root / "home/ann/z.gguf").symlink_to("/srv/models/y.gguf")
    (root / "home/ann/out.gguf").symlink_to(tmp_path / "secret.gguf")
    (root / "home/ann/gone.gguf").symlink_to("nowhere")
    walked = walk(root, "**/*.gguf", "**/again/")
    assert paths(walked, "**/*.gguf") == ["~/a/x.gguf", "~/z.gguf", "/srv/models/y.gguf"]
    assert paths(walked, "**/again/") == ["~/again"]


def test_a_home_behind_a_link_is_walked_and_reported_as_the_home(plant: Plant) -> None:
    root = plant({"data/ann/x.gguf": "", "home/": ""})
    (root / "home/ann").symlink_to("/data/ann")
    assert paths(walk(root, "**/*.gguf"), "**/*.gguf") == ["~/x.gguf"]


def test_a_home_within_a_walked_place_is_walked_once(plant: Plant) -> None:
    root = plant({"opt/homes/ann/x.gguf": "", "opt/y.gguf": ""})
    walked = walk(root, "**/*.gguf", home="/opt/homes/ann")
    assert paths(walked, "**/*.gguf") == ["~/x.gguf", "/opt/y.gguf"]


def test_depth_is_bounded_and_told(plant: Plant) -> None:
    deep = "/".join(f"d{level}" for level in range(1, 27))
    root = plant({f"home/ann/{deep}/x.gguf": "", "home/ann/d1/y.gguf": ""})
    walked = walk(root, "**/*.gguf")
    assert paths(walked, "**/*.gguf") == ["~/d1/y.gguf"]
    assert [(gap.status, gap.reason) for gap in walked.gaps] == [(Status.PARTIAL, "deeper than 24 folders")]


def test_entries_are_bounded_and_told(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_ENTRIES", 50)
    root = plant({f"home/ann/{folder}/{number}": "" for folder in "abc" for number in range(30)})
    walked = walk(root, "**/29")
    assert [gap.reason for gap in walked.gaps] == ["walk ended after 50 names"]


def test_other_file_systems_are_not_entered(plant: Plant) -> None:
    root = plant({f"home/ann/{name}/x.gguf": "" for name in ("disk", "share", "memory")})
    mounts = {
        f"{root}/home/ann/{name}": kind for name, kind in [("disk", "ext4"), ("share", "nfs4"), ("memory", "proc")]
    }
    walked = walk(root, "**/*.gguf", mounts=mounts)
    assert paths(walked, "**/*.gguf") == ["~/disk/x.gguf"]
    assert walked.gaps == (Gap("~/share", Status.PARTIAL, "another file system (nfs4)"),)


def test_a_home_on_a_network_is_told_and_still_read_by_name(plant: Plant) -> None:
    root = plant({"home/ann/x.gguf": "", "home/ann/.cursor/mcp.json": ""})
    tree = Tree(os.fspath(root), "linux", (User("ann", "/home/ann"),))
    walker = Walk(tree, {f"{root}/home": "nfs"})
    walked = walker.everywhere(["**/*.gguf"])
    assert paths(walked, "**/*.gguf") == []
    assert [gap.reason for gap in walked.gaps] == ["another file system (nfs)"]
    assert [found.path for found in walker.expand("~/.cursor/*.json", (), lambda gap: None)] == ["~/.cursor/mcp.json"]


def test_globs_with_a_place_are_expanded(plant: Plant, look_over: LookOver) -> None:
    root = plant(
        {
            "home/ann/.config/Code/User/mcp.json": "",
            "home/bob/.config/Code - Insiders/User/mcp.json": "",
            "home/ann/proj/.cursor/rules/a.mdc": "",
            "home/ann/proj/.cursor/rules/deep/b.mdc": "",
            "etc/cron.d/job": "",
            "etc/cron.d/folder/": "",
        }
    )
    globs = ("~/.config/*/User/mcp.json", "./.cursor/rules/**/*.mdc", "/etc/cron.d/*", "/etc/*/", "./.cursor/rules/**")
    look = look_over(root, *globs, options=Options(projects=("/home/ann/proj",)))
    found = {glob: [(each.path, each.user, each.folder) for each in look.found(glob)] for glob in globs}
    assert found[globs[0]] == [
        ("~/.config/Code/User/mcp.json", "ann", False),
        ("~/.config/Code - Insiders/User/mcp.json", "bob", False),
    ]
    assert [path for path, _, _ in found[globs[1]]] == ["~/proj/.cursor/rules/a.mdc", "~/proj/.cursor/rules/deep/b.mdc"]
    assert [path for path, _, _ in found[globs[4]]] == [path for path, _, _ in found[globs[1]]]
    assert found[globs[2]] == [("/etc/cron.d/job", "", False)]
    assert found[globs[3]] == [("/etc/cron.d", "", True)]
    with pytest.raises(LookupError, match="not among those"):
        list(look.found("~/.ssh/*"))


def test_windows_names_are_compared_without_case(plant: Plant) -> None:
    root = plant({"Users/ann/Models/X.GGUF": "", "Users/ann/a/.ENV": "", "ProgramData/t/y.gguf": ""})
    tree = Tree(os.fspath(root), "windows", (User("ann", "C:/Users/ann"),))
    walked = Walk(tree).everywhere(["**/*.gguf", "**/.env"])
    assert paths(walked, "**/*.gguf") == ["C:/ProgramData/t/y.gguf", "~/Models/X.GGUF"]
    assert paths(walked, "**/.env") == ["~/a/.ENV"]
    found = Walk(tree).expand("/ProgramData/*/", (), lambda gap: None)
    assert [each.host_path for each in found] == ["C:/ProgramData/t"]


parts = st.text(alphabet="ab.-*", min_size=1, max_size=8).filter(
    lambda part: part not in (".", "..", "**") and "**" not in part
)


@given(st.lists(parts, min_size=1, max_size=6), st.text(alphabet="ab.-", min_size=1, max_size=8), st.booleans())
def test_looking_names_up_equals_trying_each_pattern(wanted: list[str], name: str, fold: bool) -> None:
    from aimscope_agent.host.glob import name_pattern

    names = Names(fold)
    for number, part in enumerate(wanted):
        names.add(part, number)
    expected = [number for number, part in enumerate(wanted) if name_pattern(part, fold).match(name)]
    assert sorted(names.fit(name)) == expected
