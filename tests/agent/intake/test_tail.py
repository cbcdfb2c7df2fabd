from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_agent.intake import tail
from aimscope_agent.intake.place import Place
from aimscope_agent.intake.tail import BLOCK, Follower, Piece

OPEN: list[Watch] = []
CHECKED = zstandard.ZstdCompressor(write_checksum=True).compress


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().follower.close()


class Watch:
    """A follower, a clock, and what it gave; `kill` forgets what was not committed."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self.path = path
        self.now = 0.0
        self.committed: dict[str, Place] = {}
        self.lines: list[str] = []
        self.follower = Follower(path, from_end=from_end)
        OPEN.append(self)

    def look(self, *, after: float = 1.0, stop_after: int = 1_000_000) -> list[str]:
        self.now += after
        new: list[Piece] = []
        for piece in self.follower.poll(self.now):
            new.append(piece)
            if len(new) == stop_after:
                break
        for piece in new:
            self.committed[piece.file] = piece.place
        lines = [line for piece in new for line in piece.block.decode().splitlines()]
        self.lines += lines
        if len(new) < stop_after:
            self.committed = dict(self.follower.places)
        return lines

    def restart(self) -> None:
        self.follower.close()
        self.follower = Follower(self.path, self.committed)

    def settle(self) -> list[str]:
        return [line for _ in range(6) for line in self.look(after=6.0)]


def write(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + end)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def test_lines_come_once_as_they_are_written(log: Path) -> None:
    write(log, "one", "two")
    watch = Watch(log)
    assert watch.look() == ["one", "two"]
    assert watch.look() == []
    write(log, "three")
    assert watch.look() == ["three"]


def test_a_line_is_waited_for_until_it_is_whole(log: Path) -> None:
    write(log, "one", "tw", end="")
    watch = Watch(log)
    assert watch.look() == ["one"]
    write(log, "o", end="\n")
    assert watch.look() == ["two"]
    write(log, "last", end="")
    assert watch.look() == []
    assert watch.look(after=10.0) == ["last"]


def test_numbers_of_lines_go_on(log: Path) -> None:
    write(log, "one", "two")
    watch = Watch(log)
    watch.look()
    write(log, "three")
    (piece,) = watch.follower.poll(2.0)
    assert (piece.first_line, piece.place.line, piece.path) == (3, 3, str(log))


def test_what_was_there_before_may_be_left_out(log: Path) -> None:
    write(log, "old")
    watch = Watch(log, from_end=True)
    assert watch.look() == []
    write(log, "new")
    assert watch.look() == ["new"]


def test_rotated_by_renaming(log: Path) -> None:
    write(log, "one")
    watch = Watch(log)
    watch.look()
    write(log, "two")
    log.rename(log.with_name("access.log.1"))
    write(log, "three")
    with log.with_name("access.log.1").open("a") as old:  # the writer has not noticed yet
        old.write("two and a half\n")
    assert sorted(watch.look()) == ["three", "two", "two and a half"]
    assert watch.settle() == []


def test_rotated_by_copying_and_truncating(log: Path) -> None:
    write(log, "one")
    watch = Watch(log)
    watch.look()
    write(log, "two")
    shutil.copy(log, log.with_name("access.log.1"))
    assert watch.look() == ["two"]  # both hold it
    os.truncate(log, 0)
    write(log, "three")
    assert watch.look() == ["three"]
    assert watch.settle() == []


def test_a_copy_in_the_making_is_not_taken_for_a_new_log(log: Path) -> None:
    lines = [f"line {number}" for number in range(2_000)]
    write(log, *lines)
    watch = Watch(log)
    watch.look()
    data = log.read_bytes()
    copy = log.with_name("access.log.1")
    for size in (100, 5_000, len(data)):
        copy.write_bytes(data[:size])
        assert watch.look() == []
    os.truncate(log, 0)
    assert watch.settle() == []


@pytest.mark.parametrize(("end", "press"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_rotated_and_compressed_while_nobody_followed(log: Path, end: str, press: object) -> None:
    write(log, "one")
    watch = Watch(log)
    watch.look()
    write(log, "two")
    log.with_name(f"access.log.1{end}").write_bytes(press(log.read_bytes()))  # type: ignore[operator]
    log.unlink()
    write(log, "three")
    watch.restart()
    assert sorted(watch.settle()) == ["three", "two"]
    assert watch.follower.gaps == {}


def test_rotated_twice_while_nobody_followed(log: Path) -> None:
    write(log, "one")
    watch = Watch(log)
    watch.look()
    write(log, "two")
    log.rename(log.with_name("access.log.2"))
    write(log.with_name("access.log.1"), "three")
    write(log, "four")
    watch.restart()
    assert sorted(watch.settle()) == ["four", "three", "two"]


def test_a_log_that_was_deleted_meanwhile_is_a_gap(log: Path) -> None:
    write(log, "one")
    watch = Watch(log)
    watch.look()
    write(log, "lost")
    log.unlink()
    write(log, "three")
    watch.restart()
    assert watch.look() == ["three"]
    (gap,) = watch.follower.gaps.values()
    assert "lines after 1 are not read" in gap.reason


def test_what_is_written_to_a_deleted_file_is_read(log: Path) -> None:
    write(log, "one")
    watch = Watch(log)
    watch.look()
    with log.open("a") as writer:
        log.unlink()
        writer.write("two\n")
        writer.flush()
        assert watch.settle() == ["two"]


def test_neighbours_are_left_alone(log: Path, tmp_path: Path) -> None:
    for name in ("access.log.swp", "other.log", "access.log.readme", "access-errors.log"):
        write(tmp_path / name, "not ours")
    write(tmp_path / "access.log.1", "older than our first look")
    write(log, "one")
    assert Watch(log).settle() == ["one"]


def test_a_drop_folder(tmp_path: Path) -> None:
    write(tmp_path / "b.log", "b")
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(b"a1\na2"))
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"t1\nt2\n" * 2_000)[:60])
    (tmp_path / ".hidden").write_text("no\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    watch = Watch(tmp_path)
    assert Counter(line for line in watch.settle() if line[0] != "t") == Counter(["a1", "a2", "b"])
    write(tmp_path / "c.log", "c")
    assert watch.look() == ["c"]
    (tmp_path / "b.log").rename(tmp_path / "archived.log")
    assert watch.settle() == []


def test_the_folders_in_a_folder(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    write(deep / "deep.log", "deep")
    write(tmp_path / "top.log", "top")
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git" / "x.log", "hidden")
    (deep / "loop").symlink_to(tmp_path)
    watch = Watch(tmp_path)
    assert Counter(watch.settle()) == Counter(["deep", "top"])
    (tmp_path / "new").mkdir()
    write(tmp_path / "new" / "n.log", "new")
    write(deep / "deep.log", "more")
    assert Counter(watch.settle()) == Counter(["new", "more"])
    (tmp_path / "top.log").rename(deep / "top.log.1")  # put away is not new
    shutil.rmtree(tmp_path / "new")
    assert watch.settle() == []
    assert watch.follower.gaps == {}


def test_too_many_folders_are_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_MOST_FOLDERS", 3)
    for number in range(6):
        (tmp_path / str(number)).mkdir()
    watch = Watch(tmp_path)
    watch.look()
    assert ["more than" in gap.reason for gap in watch.follower.gaps.values()] == [True]


@pytest.mark.parametrize("press", [gzip.compress, bz2.compress, lzma.compress, CHECKED])
def test_what_is_wrong_with_a_compressed_log_stays_told(log: Path, press: Callable[[bytes], bytes]) -> None:
    packed = press(os.urandom(9_000).hex("\n", 20).encode())
    for content, reason in (
        (packed[:-30], "ends before its end"),
        (packed[:90] + b"\xff" * 90 + packed[180:], "damaged"),
    ):
        log.write_bytes(content)
        watch = Watch(log)
        for _ in range(3):
            watch.look()
            assert [reason in gap.reason for gap in watch.follower.gaps.values()] == [True]


def test_a_log_that_is_not_there_is_a_gap_until_it_is(log: Path) -> None:
    watch = Watch(log)
    assert watch.look() == []
    assert [gap.reason for gap in watch.follower.gaps.values()] == ["is not there"]
    write(log, "one")
    assert watch.look() == ["one"]
    assert watch.follower.gaps == {}


def test_a_line_longer_than_a_block_costs_only_itself(log: Path) -> None:
    write(log, "x" * (BLOCK + 10), "short")
    assert watch_tail(Watch(log)) == "short"


def watch_tail(watch: Watch) -> str:
    return watch.look()[-1]


STEPS = st.lists(
    st.sampled_from(["write", "write", "part", "look", "look", "rename", "copy", "gzip", "restart", "kill"]),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_no_line_is_lost_and_none_comes_twice(steps: list[str], chooser: random.Random) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "app.log"
        log.touch()
        watch = Watch(log)
        watch.look()
        written: list[str] = []
        unfinished = False
        for number, step in enumerate(steps):
            match step:
                case "write" | "part":
                    lines = [f"{number}-{n} " + "y" * chooser.randrange(300) for n in range(chooser.randrange(1, 40))]
                    with log.open("a") as file:
                        if unfinished:
                            file.write("\n")
                        file.write("\n".join(lines) + ("\n" if step == "write" else ""))
                    unfinished = step == "part"
                    written += lines
                case "look":
                    watch.look()
                case "rename" | "copy":
                    rotate(log, copied=step == "copy")
                    unfinished = False
                case "gzip":
                    compress(log.with_name("app.log.1"))
                case "restart":
                    watch.restart()
                case "kill":
                    watch.look(stop_after=1)
                    watch.restart()
        watch.settle()
        watch.follower.close()
        # a line that is left unfinished for long is given as it is; its end, when it comes, is an empty line
        assert Counter(line for line in watch.lines if line) == Counter(written)


def rotate(log: Path, *, copied: bool) -> None:
    """As logrotate does it: the older ones move up first."""
    for number in range(50, 0, -1):
        for end in ("", ".gz"):
            old = log.with_name(f"app.log.{number}{end}")
            if old.exists():
                old.rename(log.with_name(f"app.log.{number + 1}{end}"))
    if copied:
        shutil.copy(log, log.with_name("app.log.1"))
        os.truncate(log, 0)
    else:
        log.rename(log.with_name("app.log.1"))
        log.touch()


def compress(path: Path) -> None:
    if path.exists():
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
