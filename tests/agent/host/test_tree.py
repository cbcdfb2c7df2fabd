from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aimscope_agent.host.facts import User
from aimscope_agent.host.tree import NotRegularError, TooLargeError, Tree, clean, in_words
from aimscope_signatures.model import Gap, Status

from .conftest import Plant

ANN = User("ann", "/home/ann")


def tree_of(root: Path, **more: object) -> Tree:
    return Tree(os.fspath(root), "linux", (ANN, User("root", "/root")), **more)  # type: ignore[arg-type]


def test_paths_are_reported_below_the_home_they_lie_in(plant: Plant) -> None:
    tree = tree_of(plant({"home/ann/": ""}))
    assert tree.report("/home/ann/.cursor/mcp.json") == ("~/.cursor/mcp.json", "ann")
    assert tree.report("/home/ann") == ("~", "ann")
    assert tree.report("/home/anna/x") == ("/home/anna/x", "")
    assert tree.report("/root/x") == ("~/x", "root")


def test_windows_paths_have_a_drive_and_forward_slashes(plant: Plant) -> None:
    root = plant({"Users/ann/x.txt": "hello"})
    tree = Tree(os.fspath(root), "windows", (User("ann", "C:/Users/ann"),))
    assert tree.absolute("C:\\Users\\ann\\x.txt") == "C:/Users/ann/x.txt"
    assert tree.absolute("/Users/ann") == "C:/Users/ann"
    assert tree.read("C:/Users/ann/x.txt", 10) == b"hello"
    assert tree.host(tree.real("C:/Users/ann/x.txt")) == "C:/Users/ann/x.txt"
    assert tree.report("C:/Users/ann/x.txt") == ("~/x.txt", "ann")
    assert tree.report("c:\\users\\Ann\\X.txt") == ("~/X.txt", "ann")
    with pytest.raises(FileNotFoundError):
        tree.kind("D:/x")


def test_an_absolute_link_starts_at_the_root_of_the_tree(plant: Plant) -> None:
    root = plant({"home/ann/": "", "srv/real/a.txt": "inside"})
    (root / "home/ann/folder").symlink_to("/srv/real")
    tree = tree_of(root)
    assert tree.read("/home/ann/folder/a.txt", 100) == b"inside"
    assert tree.kind("/home/ann/folder") == "folder"


def test_no_link_leads_out_of_the_tree(plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    root = plant({"home/ann/deep/er/": ""})
    (root / "home/ann/up").symlink_to("../" * 30 + "outside.txt")
    (root / "home/ann/absolute").symlink_to(tmp_path / "outside.txt")
    (root / "home/ann/folder").symlink_to(tmp_path)
    tree = tree_of(root)
    for path in ("/home/ann/up", "/home/ann/absolute", "/home/ann/folder/outside.txt", "/../outside.txt"):
        with pytest.raises(OSError):
            tree.read(path, 100)
    assert [found.path for found in tree.entries("/home/ann")] == ["~/deep"]


def test_links_in_a_circle_are_told(plant: Plant) -> None:
    root = plant({"home/ann/": ""})
    (root / "home/ann/a").symlink_to("b")
    (root / "home/ann/b").symlink_to("a")
    tree = tree_of(root)
    with pytest.raises(OSError) as error:
        tree.read("/home/ann/a", 100)
    assert tree.gap("/home/ann/a", error.value) == Gap("~/a", Status.FAILED, "links in a circle")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_neither_opened_nor_waited_for(plant: Plant) -> None:
    root = plant({"home/ann/": ""})
    os.mkfifo(root / "home/ann/pipe")
    (root / "home/ann/link").symlink_to("pipe")
    tree = tree_of(root)
    for path in ("/home/ann/pipe", "/home/ann/link", "/home/ann"):
        with pytest.raises(NotRegularError):
            tree.open(path)


def test_a_device_is_not_opened(plant: Plant) -> None:
    root = plant({"home/ann/": ""})
    try:
        os.mknod(root / "home/ann/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except (OSError, AttributeError):
        pytest.skip("devices cannot be made here")
    with pytest.raises(NotRegularError):
        tree_of(root).open("/home/ann/null")


def test_sizes_are_bounded_before_and_while_reading(plant: Plant) -> None:
    tree = tree_of(plant({"home/ann/big": b"x" * 101}))
    assert tree.read("/home/ann/big", 101) == b"x" * 101
    assert tree.head("/home/ann/big", 10) == b"x" * 10
    with pytest.raises(TooLargeError) as error:
        tree.read("/home/ann/big", 100)
    assert tree.gap("/home/ann/big", error.value) == Gap("~/big", Status.PARTIAL, "larger than 100 bytes")


def test_what_is_denied_is_denied_through_links_too(plant: Plant) -> None:
    root = plant({"home/bob/x": "secret", "home/ann/": ""})
    (root / "home/ann/link").symlink_to("/home/bob/x")
    tree = tree_of(root, denied={"/home/bob": "ask bob"})
    for path in ("/home/bob/x", "/home/bob", "/home/ann/link"):
        with pytest.raises(PermissionError):
            tree.kind(path)
    gap = tree.gap("/home/bob/x", PermissionError())
    assert gap == Gap("/home/bob", Status.DENIED, "may not be read", remedy="ask bob")
    assert tree_of(root, denied={"/home/bo": ""}).read("/home/bob/x", 10) == b"secret"


def test_nothing_there_is_no_gap(plant: Plant) -> None:
    tree = tree_of(plant({"home/ann/x": ""}))
    assert tree.gap("/home/ann/y", FileNotFoundError()) is None
    assert tree.gap("/home/ann/x/y", NotADirectoryError()) is None


def test_names_that_are_no_utf8_are_found_and_reported_readably(plant: Plant) -> None:
    root = plant({"home/ann/": ""})
    try:
        (root / "home/ann" / os.fsdecode(b"\xff.txt")).write_bytes(b"content")
    except OSError:
        pytest.skip("this file system allows UTF-8 names only")
    tree = tree_of(root)
    (found,) = tree.entries("/home/ann")
    assert found.path == "~/\N{REPLACEMENT CHARACTER}.txt"
    assert tree.read(found.host_path, 100) == b"content"


def test_words() -> None:
    assert in_words(4 << 20) == "4 MiB"
    assert in_words(64 << 10) == "64 KiB"
    assert in_words(1000) == "1000 bytes"
    assert clean("a\ud800b").encode() == "a\N{REPLACEMENT CHARACTER}b".encode()
