"""What was not read of what is kept: said by every report of it, also by runs that met nothing of the kind."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from aimscope_cli import following
from tests.cli.conftest import Answer, Run
from tests.cli.test_following import lines, reasons, report, settled

TORN = "torn \x01\n"


@pytest.fixture
def once(aimscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(following, "_PAUSE", 0.01)
    options = ("--once", "--json", "--strict-coverage", "--state", str(tmp_path / "kept"))
    return lambda *more: aimscope("watch", *options, *(part for log in more for part in ("--log", log)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "access.log"


def torn(answer: Answer, status: int) -> list[int]:
    gaps = [gap for part in report(answer, status)["coverage"] for gap in part.get("gaps", ())]
    return [gap.get("count", 1) for gap in gaps if gap["reason"].startswith("unreadable lines")]


def test_a_log_that_is_mostly_torn_is_no_success_now_and_later(once: Run, log: Path) -> None:
    log.write_text(lines(700) + TORN * 1_500)
    for _ in range(2):
        answer = once(log)
        assert torn(answer, 2) == [1_500]
        assert f"mostly unreadable: {log}" in answer.stderr
        assert report(answer, 2)["complete"] is False
    with log.open("a") as file:  # in time it is no longer most of it
        file.write(lines(2_000, start=700))
    assert torn(once(log), 4) == [1_500]


def test_some_torn_lines_stay_said_and_are_added_up(once: Run, log: Path) -> None:
    log.write_text(lines(20) + TORN)
    assert torn(once(log), 4) == [1]
    assert torn(once(log), 4) == [1]
    with log.open("a") as file:
        file.write(TORN * 2 + lines(12, start=100))
    assert torn(once(log), 4) == [3]
    log.with_name("other.log").write_text(lines(12, "claude.ai"))
    assert torn(once(log.with_name("other.log")), 4) == [3]  # its totals are in that report too
    assert report(once(log), 4)["complete"] is False


def test_a_whole_log_stays_whole(once: Run, log: Path) -> None:
    log.write_text(lines(20))
    assert report(once(log))["complete"] is True
    assert report(once(log))["complete"] is True


def test_what_was_lost_between_runs_stays_said_until_it_comes_back(once: Run, log: Path) -> None:
    log.write_text(lines(12))
    assert reasons(once(log)) == []
    away = log.parent.parent / "away.log"
    log.rename(away)
    log.write_text(lines(12, "claude.ai", start=500))
    for _ in range(2):
        (reason,) = reasons(once(log), 4)
        assert reason.startswith("was rotated away and cannot be found")
    away.rename(log.with_name("access.log.1"))
    settled(log.with_name("access.log.1"))
    assert reasons(once(log)) == []


def test_a_compressed_log_that_ends_too_early_stays_said(once: Run, log: Path) -> None:
    packed = log.with_name("access.log.1.gz")
    packed.write_bytes(gzip.compress(lines(4_000).encode())[:-400])
    settled(packed)
    log.write_text(lines(12, "claude.ai"))
    for _ in range(2):
        assert "the compressed file ends before its end" in reasons(once(log.parent), 4)


def test_a_log_that_nobody_knows(once: Run, log: Path) -> None:
    log.write_text("The rain, it raineth every day\n" * 4_000)
    answer = once(log)
    assert (answer.exit_code, f"not read: {log}" in answer.stderr) == (2, True)
    assert len(reasons(once(log), 4)) == 1  # nothing new of it, and what was not read is said
    poem = log.with_name("poem.txt")
    poem.write_text("buy milk\n")
    assert reasons(once(poem), 2)[:1] == ["its format is not known yet"]


def test_of_a_folder_what_cannot_be_read_is_a_gap_and_no_failure(once: Run, log: Path) -> None:
    log.write_text(lines(12))
    log.with_name("poem.txt").write_text("buy milk\n")
    answer = once(log.parent)
    assert (reasons(answer, 4), "not read" in answer.stderr) == (["its format is not known yet"], False)
