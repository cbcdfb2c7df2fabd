"""Trees made to hang, crash or deceive: everything ends, nothing leaks, all of it is in the coverage."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from aimscope_agent.host import live
from aimscope_agent.host.facts import User
from aimscope_agent.host.look import HostLook
from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.host.tree import Tree
from aimscope_agent.host.walk import Walk
from aimscope_agent.sensor import Options
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Status

from .conftest import LookOver, Plant

GLOBS = ("**/*.json", "**/*.yaml", "~/*.json", "~/**")


def hostile(plant: Plant) -> Path:
    root = plant(
        {
            "home/ann/deep.json": "[" * 20_000 + "]" * 20_000,
            "home/ann/deep.yaml": "[" * 20_000,
            "home/ann/bomb.yaml": "a: &a [1]\nb: [*a, *a, *a]",
            "home/ann/text.json": b"\xff\xfe\xfd\x00{",
            "home/ann/ok.json": "{}",
            "home/ann/loop/": "",
        }
    )
    home = root / "home/ann"
    with (home / "large.json").open("wb") as file:
        file.truncate(100 * 1_048_576)
    (home / "loop/up").symlink_to("..")
    (home / "loop/round.json").symlink_to("round.json")
    (home / "passwd.json").symlink_to("/etc/passwd")
    (home / "out.json").symlink_to("../../../../../../../../etc/hostname")
    if hasattr(os, "mkfifo"):
        os.mkfifo(home / "pipe.json")
    with contextlib.suppress(OSError, AttributeError):
        os.mknod(home / "zero.json", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    return root


@pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and links")
def test_a_hostile_home_ends_and_is_told(plant: Plant, look_over: LookOver) -> None:
    root = hostile(plant)
    look = look_over(root, *GLOBS)
    found = {each.host_path: each for glob in GLOBS for each in look.found(glob)}
    read = {path: look.yaml(path) if path.endswith("yaml") else look.json(path) for path in found}
    assert {path for path, value in read.items() if value is not None} == {"/home/ann/ok.json"}
    told = {(gap.source, gap.reason) for gap in look.coverage("x").gaps}
    assert {
        ("~/deep.json", "nested deeper than 64"),
        ("~/deep.yaml", "nested deeper than 64"),
        ("~/bomb.yaml", "YAML with anchors or aliases"),
        ("~/text.json", "not valid JSON"),
        ("~/large.json", "larger than 4 MiB"),
        ("~/loop/round.json", "links in a circle"),
        ("~/pipe.json", "not a regular file"),
    } <= told


def test_a_folder_of_a_hundred_thousand_names_is_walked(tmp_path: Path) -> None:
    home = tmp_path / "home/ann/many"
    home.mkdir(parents=True)
    for number in range(100_000):
        os.close(os.open(home / f"{number}.txt", os.O_CREAT | os.O_WRONLY))
    walk = Walk(Tree(os.fspath(tmp_path), "linux", (User("ann", "/home/ann"),)))
    walked = walk.everywhere(["**/77777.txt", "**/many/5*.txt"])
    assert [found.path for found in walked.found["**/77777.txt"]] == ["~/many/77777.txt"]
    assert len(walked.found["**/many/5*.txt"]) == 11_111
    assert walked.gaps == ()


def test_names_made_to_confuse_are_reported_as_they_are(plant: Plant, look_over: LookOver) -> None:
    names = ["a\nb.json", "-rf.json", "~.json", "$(x).json", "\u202etxt.json", " .json"]
    root = plant({f"home/ann/{name}": "{}" for name in names})
    look = look_over(root, "**/*.json")
    assert sorted(found.path for found in look.found("**/*.json")) == sorted(f"~/{name}" for name in names)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no user ids here")
def test_a_home_that_may_not_be_read(plant: Plant) -> None:
    """As an ordinary user: the closed home is a gap with a remedy, everything else is found."""
    root = plant({"home/ann/a.json": "{}", "home/bob/b.json": "{}", "home/ann/shut.json": "{}"})
    (root / "home/bob").chmod(0)
    (root / "home/ann/shut.json").chmod(0)
    if os.geteuid() != 0:
        seen = _look_at(root)
    else:
        for folder in [root, *root.parents]:
            if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)
        seen = _as_nobody(root)
    assert seen == {
        "found": "~/a.json ~/shut.json",
        "read": "~/a.json",
        "gaps": "/home/bob:denied:run as root ~/shut.json:denied:run as root",
    }


def _look_at(root: Path) -> dict[str, str]:
    host = OfflineHost(root)
    walk = Walk(host.tree)
    globs = ("**/*.json", "~/b.json")
    look = HostLook(
        host,
        wanted=globs,
        walk=walk,
        walked=walk.everywhere(globs),
        interests=Interests(),
        options=Options(),
        now=0,
    )
    found = [each for glob in globs for each in look.found(glob)]
    read = [each.path for each in found if look.json(each) is not None]
    gaps = sorted(f"{gap.source}:{gap.status.value}:{gap.remedy}" for gap in look.coverage("x").gaps)
    return {"found": " ".join(each.path for each in found), "read": " ".join(read), "gaps": " ".join(gaps)}


def _as_nobody(root: Path) -> dict[str, str]:
    """What an unprivileged child sees."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
            os.write(writing, json.dumps(_look_at(root)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        pytest.skip("no unprivileged child could be started")
    seen: dict[str, str] = json.loads(text)
    return seen


def test_a_mac_without_full_disk_access_is_not_touched_where_it_would_ask(plant: Plant) -> None:
    root = plant({"Users/ann/Documents/x.json": "{}", "Users/ann/x.json": "{}"})
    users = (User("ann", "/Users/ann"),)
    guarded = live._guarded("macos", users)
    assert "/Users/ann/Documents" in guarded
    walked = Walk(Tree(os.fspath(root), "macos", users, guarded)).everywhere(["**/*.json"])
    assert [found.path for found in walked.found["**/*.json"]] == ["~/x.json"]
    assert [(gap.source, gap.status) for gap in walked.gaps] == [("~/Documents", Status.DENIED)]
    assert "Full Disk Access" in walked.gaps[0].remedy
