from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard

from aimscope_agent.intake import decompress
from aimscope_agent.ledger import Ledger
from aimscope_cli import following
from tests.cli.conftest import Answer, Run

START = 1_795_000_000


def squid(host: str, number: int = 0) -> str:
    return f"{START + number}.123     90 10.0.0.7 TCP_TUNNEL/200 512 CONNECT {host}:443 ann HIER_DIRECT/192.0.2.1 -\n"


def lines(number: int, host: str = "chatgpt.com", start: int = 0) -> str:
    return "".join(squid(host, start + n) for n in range(number))


def report(answer: Answer, status: int = 0) -> dict[str, Any]:
    assert answer.exit_code == status, answer.stderr
    last: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return last


def total(answer: Answer) -> int:
    return sum(one.get("count", 1) for row in report(answer)["findings"] for one in row["evidence"])


def reasons(answer: Answer, status: int = 0) -> list[str]:
    return [gap["reason"] for part in report(answer, status)["coverage"] for gap in part.get("gaps", ())]


@pytest.fixture
def once(aimscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """What a scheduler runs, again and again."""
    monkeypatch.setattr(following, "_PAUSE", 0.01)
    options = ("--once", "--json", "--state", str(tmp_path / "kept"))
    return lambda *more: aimscope("watch", *options, *(part for log in more for part in ("--log", log)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder / "access.log"


def settled(path: Path) -> None:
    """Nobody has touched it for long."""
    os.utime(path, (time.time() - 600,) * 2)


def test_a_use_is_said_when_it_is_new_and_the_report_holds_all_that_is_kept(once: Run, log: Path) -> None:
    log.write_text(lines(12) + squid("notchatgpt.com"))
    answer = once(log)
    first = json.loads(answer.stdout.splitlines()[0])
    assert (first["service"], first["client"], first["host"]) == ("chatgpt", "10.0.0.7", "chatgpt.com")
    assert total(answer) == 12
    with log.open("a") as file:
        file.write(lines(3, start=50))
    assert total(once(log)) == 15
    answer = once(log)
    assert (len(answer.stdout.splitlines()), total(answer)) == (1, 15)


def test_a_long_stretch_without_ai_is_no_end(once: Run, log: Path) -> None:
    with log.open("w") as file:
        for _ in range(45):
            file.write(lines(10_000, "www.example.org"))
        file.write(lines(7))
    assert log.stat().st_size > 40_000_000
    assert total(once(log)) == 7


def test_a_log_that_this_installation_cannot_read_is_no_complete_look(
    aimscope: Run, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = log.with_name("access.log.zst")
    packed.write_bytes(zstandard.compress(lines(12).encode()))
    monkeypatch.setattr(decompress, "zstandard", None)
    answer = aimscope("watch", "--once", "--log", packed, "--strict-coverage", "--state", log.parent / "kept")
    assert (answer.exit_code, f"not read: {packed}" in answer.stderr) == (2, True)
    assert "partial" in answer.stdout
    assert "compressed with zstd, which is not installed" in answer.stdout
    assert "pip install 'aimscope[gateway]'" in answer.stdout
    read = aimscope("scan", "logs", packed)
    assert (read.exit_code, "pip install 'aimscope[gateway]'" in read.stderr) == (2, True)


def test_torn_lines_of_a_long_log_are_all_counted(once: Run, log: Path) -> None:
    log.write_text(lines(12) + lines(9_000, "www.example.org") + "x 1\n" * 9_000 + lines(9_000, "www.example.org"))
    answer = once(log)
    (part,) = report(answer)["coverage"]
    (gap,) = part["gaps"]
    assert (part["counts"]["unreadable"], gap["count"], total(answer)) == (9_000, 9_000, 12)
    assert "the first: 9,013, 9,014" in gap["reason"]


def test_the_folders_in_a_folder_are_followed(once: Run, log: Path) -> None:
    (log.parent / "sub" / "deep").mkdir(parents=True)
    (log.parent / "sub" / "deep" / "other.log").write_text(lines(12, start=100))
    log.write_text(lines(12))
    answer = once(log.parent)
    assert (total(answer), reasons(answer)) == (24, [])
    assert total(once(log.parent)) == 24
    assert "would be read twice" in once(log.parent, log.parent / "sub" / "deep" / "other.log").stderr


@pytest.mark.parametrize("press", [False, True], ids=["plain", "gz"])
def test_rotated_between_runs(once: Run, log: Path, press: bool) -> None:
    log.write_text(lines(12))
    once(log)
    for number in range(1, 4):
        with log.open("a") as file:
            file.write(lines(5, start=number * 100))
        old = log.with_name(f"access.log.{number}{'.gz' if press else ''}")
        if press:
            old.write_bytes(gzip.compress(log.read_bytes()))
            log.unlink()
        else:
            log.rename(old)
        settled(old)
        log.write_text(lines(2, start=number * 100 + 50))
        assert total(once(log)) == 12 + 7 * number


def test_rotated_twice_between_runs_and_the_clock_set_back(once: Run, log: Path) -> None:
    log.write_text(lines(12))
    once(log)
    log.rename(log.with_name("access.log.2"))
    unseen = log.with_name("access.log.1")
    unseen.write_text(lines(4, start=100))
    os.utime(unseen, (time.time() + 7_200,) * 2)
    log.write_text(lines(1, start=200))
    assert total(once(log)) == 17


def test_few_lines_are_not_forgotten_when_they_are_rotated_before_they_tell_their_format(once: Run, log: Path) -> None:
    log.write_text("".join(f"what is this {n}\n" for n in range(3)))
    once(log)
    log.rename(log.with_name("access.log.1"))
    log.write_text(lines(12))
    with log.with_name("access.log.1").open("a") as file:
        file.write(lines(20, start=100))
    assert total(once(log)) == 32


def test_a_compressed_file_in_the_place_of_another(once: Run, log: Path) -> None:
    """The system gives a new file the number of one that was deleted."""
    old, new = (gzip.compress(lines(12, start=start).encode()) for start in (0, 500))
    path = log.with_name("one.gz")
    path.write_bytes(old)
    settled(path)
    assert total(once(log.parent)) == 12
    with path.open("r+b") as file:  # the same inode for sure
        file.truncate()
        file.write(new)
    later = path.rename(log.with_name("two.gz"))
    settled(later)
    assert total(once(log.parent)) == 24
    assert total(once(log.parent)) == 24


def test_a_compressed_file_that_was_left_out_and_one_in_its_place(aimscope: Run, once: Run, log: Path) -> None:
    path = log.with_name("one.gz")
    path.write_bytes(gzip.compress(lines(12).encode()))
    settled(path)
    kept = ("--once", "--json", "--from-end", "--state", "kept")
    assert total(aimscope("watch", *kept, "--log", log.parent)) == 0
    assert total(once(log.parent)) == 0
    with path.open("r+b") as file:
        file.truncate()
        file.write(gzip.compress(lines(5, start=500).encode()))
    settled(path)
    assert total(once(log.parent)) == 5


def test_what_was_away_and_comes_back_compressed_is_read_on(once: Run, log: Path) -> None:
    log.write_text(lines(12))
    once(log.parent)
    text = log.read_text() + lines(6, start=100)
    log.unlink()
    answer = once(log.parent)
    assert (total(answer), reasons(answer)) == (
        12,
        ["was rotated away and cannot be found: lines after 12 are not read"],
    )
    back = log.with_name("access.gz")
    back.write_bytes(gzip.compress(text.encode()))
    settled(back)
    answer = once(log.parent)
    assert (total(answer), reasons(answer)) == (18, [])


def test_truncated_under_a_program_that_does_not_append(once: Run, log: Path) -> None:
    log.write_text(lines(12))
    assert total(once(log)) == 12
    with log.open("r+") as file:  # what it leaves
        file.truncate(0)
        file.seek(3_000_000)
        file.write(lines(5, start=100))
    answer = once(log)
    assert total(answer) == 17
    assert all("unreadable" not in reason for reason in reasons(answer))


def test_a_log_that_is_not_there_yet(once: Run, log: Path) -> None:
    answer = once(log)
    assert (answer.exit_code, reasons(answer, 2)) == (2, ["is not there"])
    assert f"{log} is not there" in answer.stderr
    assert f"not read: {log}" in answer.stderr
    assert once(log.parent).exit_code == 0  # a folder in which there is nothing yet
    log.write_text(lines(12))
    answer = once(log)
    assert (total(answer), reasons(answer)) == (12, [])


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")
def test_what_can_never_be_followed(once: Run, log: Path) -> None:
    os.mkfifo(log)
    loop = log.with_name("loop.log")
    loop.symlink_to(loop)
    for path, why in ((log, "neither a file nor a folder"), (Path("/dev/null"), "neither"), (loop, "evels of symb")):
        answer = once(path)
        assert answer.exit_code == 2
        assert f"{path} cannot be followed" in answer.stderr
        assert why in answer.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")
def test_a_folder_with_all_sorts_of_things_in_it(once: Run, log: Path) -> None:
    log.write_text(lines(12))
    os.mkfifo(log.with_name("pipe"))
    log.with_name("loop").symlink_to("loop")
    log.with_name("folder").mkdir()
    log.with_name("link.log").symlink_to(log)
    answer = once(log.parent)
    assert (total(answer), reasons(answer)) == (12, [])


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_links_out_of_a_folder(once: Run, log: Path, tmp_path: Path) -> None:
    log.write_text(lines(12))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.log").write_text(lines(12, start=100))
    log.with_name("b.log").symlink_to(tmp_path / "elsewhere" / "b.log")
    log.with_name("itself").symlink_to(log.parent)
    answer = once(log.parent)
    assert (total(answer), reasons(answer)) == (24, [])  # links to files are followed
    log.with_name("folder").symlink_to(tmp_path / "elsewhere")
    answer = once(log.parent)
    assert (total(answer), report(answer)["complete"]) == (24, False)
    (reason,) = reasons(answer)
    assert reason.startswith("a link that leads elsewhere is not followed")


def test_a_state_folder_that_cannot_be(once: Run, aimscope: Run, log: Path, tmp_path: Path) -> None:
    log.write_text(lines(12))
    (tmp_path / "kept").write_text("a file")
    answer = once(log)
    assert answer.exit_code == 2
    assert "--state FOLDER keeps it elsewhere" in answer.stderr


def test_two_watchers_with_one_state(once: Run, log: Path, tmp_path: Path) -> None:
    log.write_text(lines(12))
    (tmp_path / "kept").mkdir()
    code = "import sys, pathlib; from aimscope_agent.ledger import Ledger; "
    code += "ledger = Ledger(pathlib.Path(sys.argv[1]), now=1); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "kept/watch.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert other.stdout
    try:
        assert other.stdout.readline().strip() == b"open"
        answer = once(log)
        assert answer.exit_code == 2
        assert "another aimscope uses it" in answer.stderr
    finally:
        other.communicate()
    assert total(once(log)) == 12


def test_a_damaged_ledger_is_set_aside(once: Run, log: Path, tmp_path: Path) -> None:
    log.write_text(lines(12))
    once(log)
    (tmp_path / "kept/watch.db").write_bytes(b"x" * 10_000)
    with log.open("a") as file:
        file.write(lines(2, start=100))
    answer = once(log)
    assert total(answer) == 0
    assert any("set aside" in note for note in report(answer)["notes"])
    with log.open("a") as file:
        file.write(lines(11, start=200))
    assert total(once(log)) == 11


def test_places_that_nobody_understands(once: Run, log: Path, tmp_path: Path) -> None:
    log.write_text(lines(12))
    ledger = Ledger(tmp_path / "kept/watch.db", now=1)
    ledger.commit((), {f"{log}#1": b"\xc1 what", f"{log}#x": b"\x80"})
    ledger.close()
    answer = once(log)
    assert answer.exit_code == 2
    assert "watch.db" in answer.stderr


def test_logs_whose_names_begin_alike(once: Run, log: Path) -> None:
    other = log.with_name("access.log#1")
    log.write_text(lines(12))
    other.write_text(lines(10, start=100))
    assert total(once(log, other)) == 22
    assert total(once(log, other)) == 22


def test_no_log_is_read_twice(once: Run, log: Path) -> None:
    log.write_text(lines(12))
    link = log.with_name("link.log")
    link.symlink_to(log)
    rotated = log.with_name("access.log.1")
    for logs in ((log, log.parent), (log.parent, log), (log, link), (log, rotated)):
        answer = once(*logs)
        assert answer.exit_code == 2
        assert "would be read twice" in answer.stderr
    assert total(once(log, log)) == 12


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--syslog", "tcp://0.0.0.0:5514"), "--allow-plain"),
        (("--syslog", "http://127.0.0.1:5514"), "no place to listen"),
        (("--syslog", "tls://127.0.0.1:6514"), "--tls-cert"),
        (("--log", "x", "--format", "nope"), "no format 'nope'"),
        (("--log", "x", "--zone", "Mars/Base"), "--zone"),
    ],
)
def test_what_is_asked_wrongly(aimscope: Run, options: tuple[str, ...], why: str) -> None:
    answer = aimscope("watch", *options)
    assert (answer.exit_code, why in answer.stderr) == (2, True), answer.stderr
