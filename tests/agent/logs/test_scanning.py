"""One log in one piece, in parts, in other processes: the same answers, and what was assumed is said."""

from __future__ import annotations

import errno
import functools
import json
import os
from pathlib import Path

import msgspec
import pytest

from aimscope_agent.config import Privacy
from aimscope_agent.formats._format import Format
from aimscope_agent.intake.decompress import Stream
from aimscope_agent.logs import work
from aimscope_agent.logs.registry import built_in
from aimscope_agent.logs.reporting import Summed, coverage_of, note_of, summed
from aimscope_agent.logs.scanning import Part, Scan, Workshop
from aimscope_agent.logs.work import Task, Unread, below, look, run, tasks_of
from aimscope_agent.logs.workers import Done, Failed, Kit, Pool, attempt, in_turn
from aimscope_agent.privacy import Curtain
from aimscope_signatures import bundle
from aimscope_signatures.fold import Tally
from aimscope_signatures.model import Sighting, Status

NOW = 1_795_521_600


@functools.cache
def shop() -> Workshop:
    return Workshop(built_in(), bundle.shipped(), None, small=0)


def line(number: int, host: str, **more: object) -> str:
    fields = {"ts": 1_795_000_000 + number, "id.orig_h": f"192.0.2.{number % 7}", "id.resp_h": "198.51.100.3"}
    return json.dumps({**fields, "trans_depth": 1, "host": host, "uri": "/", "request_body_len": 10, **more}) + "\n"


def lines(number: int = 3_000) -> str:
    hosts = ["www.example.com", "api.openai.com", "chat.example", "claude.ai"]
    return "".join(line(n, hosts[n % 4]) for n in range(number))


def plan(path: Path, form: str = "zeek-json") -> tuple[Format, tuple[Task, ...]]:
    with path.open("rb") as file:
        log, recognised = look(file, Stream, built_in().values())
    assert recognised.format is not None, recognised.reason()
    assert recognised.format.name == form
    return recognised.format, tasks_of(log, recognised.format, str(path), path.stat().st_size, NOW, "utc", 0)


def judged(path: Path, results: dict[int, Part], form: Format) -> tuple[Summed, tuple[Sighting, ...]]:
    tally = Tally("")
    total = summed(path.name, form, path.stat().st_size, [results[n] for n in sorted(results)], tally)
    return total, tally.sightings()


def read(tasks: tuple[Task, ...]) -> dict[int, Part]:
    found = {}
    for task, result in in_turn(tasks, shop(), Stream, lambda _: None, lambda: False):
        assert isinstance(result, Done), result
        found[task.part] = result.part
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "http.log"
    path.write_text(lines())
    return path


def test_parts_say_what_the_whole_says(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form, tasks = plan(log)
    assert len(tasks) == 1
    whole = judged(log, read(tasks), form)
    monkeypatch.setattr(work, "PIECE", 10_001)
    _, several = plan(log)
    assert len(several) > 40
    parts = judged(log, read(several), form)
    assert parts[1] == whole[1]
    assert (parts[0].part.lines, parts[0].part.observed) == (3_000, 1_500)
    assert (parts[0].part.first, parts[0].part.last) == (1_795_000_000, 1_795_002_999)
    assert whole[1][0].sources[:2] == ("http.log:8", "http.log:36")


def test_other_processes_say_the_same(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form, tasks = plan(log)
    whole = judged(log, read(tasks), form)
    monkeypatch.setattr(work, "PIECE", 200_000)
    _, several = plan(log)
    told: list[int] = []
    kit = Kit((form.map,), bundle.shipped(), None, Stream, True)
    pool = Pool(several, 2, kit, Workshop({form.name: form}, bundle.shipped(), None))
    results = {}
    for task, result in pool.results(told.append, lambda: False):
        assert isinstance(result, Done), result
        results[task.part] = result.part
    assert judged(log, results, form)[1] == whole[1]
    assert sum(told) >= log.stat().st_size


def test_processes_that_are_made_anew_say_the_same(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form, tasks = plan(log)
    whole = judged(log, read(tasks), form)
    monkeypatch.setattr("threading.active_count", lambda: 2)  # as where there are threads, and on macOS and Windows
    curtain = Curtain(Privacy())
    pool = Pool(tasks, 2, Kit((form.map,), bundle.shipped(), curtain, Stream, True), shop())
    ((_, result),) = pool.results(lambda _: None, lambda: False)
    assert isinstance(result, Done), result
    assert judged(log, {0: result.part}, form)[1] == whole[1]


def test_stopping_says_how_far_it_came(log: Path) -> None:
    form, (task,) = plan(log)
    part = run(task, shop(), Stream, lambda _: False)
    assert part.stopped
    coverage = coverage_of(judged(log, {0: part}, form)[0])
    assert coverage.status is Status.PARTIAL
    assert coverage.gaps[0].reason.startswith("stopped after")


def test_files_that_are_gone_or_broken_are_failures(log: Path, tmp_path: Path) -> None:
    _, (task,) = plan(log)
    gone = msgspec.structs.replace(task, path=str(tmp_path / "none"))
    assert attempt(gone, shop(), Stream, lambda _: True) == Failed("No such file or directory")
    broken = tmp_path / "x.gz"
    broken.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 100)
    result = attempt(msgspec.structs.replace(task, path=str(broken), end=0), shop(), Stream, lambda _: True)
    assert isinstance(result, Failed)


@pytest.mark.parametrize("search", [True, False])
def test_headers_in_the_middle_of_a_file(search: bool) -> None:
    text = (
        "#Software: x\n#Version: 1.0\n#Fields: date time c-ip cs-host sc-status\n"
        "2026-11-23 10:00:00 192.0.2.1 claude.ai 200\n"
        "#Fields: date time cs-host c-ip sc-status\n"
        "2026-11-23 10:00:01 chatgpt.com 192.0.2.2 200\n"
    )
    workshop = Workshop(built_in(), bundle.shipped(), None, search=search, small=0)
    scan = Scan(built_in()["generic-w3c"], workshop, zone="utc", now=NOW)
    scan.block(text.encode())
    found = scan.result()
    assert {(s.service, s.asset, s.sources) for s in found.sightings} == {
        ("claude", "192.0.2.1", ("4",)),
        ("chatgpt", "192.0.2.2", ("6",)),
    }


def test_a_file_that_is_mostly_something_else_has_failed(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("nonsense\n" * 30 + lines(10))
    task = Task(0, 0, str(path), "zeek-json", NOW, "utc")
    total, _ = judged(path, {0: run(task, shop(), Stream, lambda _: True)}, built_in()["zeek-json"])
    assert total.failed
    coverage = coverage_of(total)
    assert coverage.status is Status.FAILED
    assert coverage.gaps[0].source == "x.log:1, 2, 3, 4, 5, 6, 7, 8, …"
    assert coverage.gaps[0].count == 30
    assert "nonsense" not in str(coverage)


def test_people_and_devices_as_the_policy_says() -> None:
    text = line(1, "claude.ai", username="ann").encode()
    for policy, subject, asset in (
        (Privacy(), "ann", "192.0.2.1"),
        (Privacy(users="drop", devices="drop"), "", ""),
    ):
        workshop = Workshop(built_in(), bundle.shipped(), Curtain(policy))
        scan = Scan(built_in()["zeek-json"], workshop, zone="", now=NOW)
        scan.block(text)
        (sighting,) = scan.result().sightings
        assert (sighting.subject, sighting.asset) == (subject, asset)
    workshop = Workshop(built_in(), bundle.shipped(), Curtain(Privacy(users="pseudonym", devices="pseudonym"), b"key"))
    scan = Scan(built_in()["zeek-json"], workshop, zone="", now=NOW)
    scan.block(text)
    (sighting,) = scan.result().sightings
    assert sighting.subject.startswith("user-")
    assert sighting.asset.startswith("device-")


def test_volumes_are_added_and_unknown_ones_left_out() -> None:
    large = line(7, "claude.ai", request_body_len=2_000_000)
    text = "".join([line(7, "claude.ai"), large, line(7, "chatgpt.com", request_body_len=None)]).encode()
    scan = Scan(built_in()["zeek-json"], shop(), zone="", now=NOW)
    scan.block(text)
    found = {s.service: s for s in scan.result().sightings}
    assert (found["claude"].bytes_out, found["claude"].bytes_in, found["claude"].presence) == (
        2_000_010,
        None,
        "uploaded",
    )
    assert found["chatgpt"].bytes_out is None


def test_what_was_assumed_is_said() -> None:
    form = built_in()["dnsmasq"]
    scan = Scan(form, shop(), zone="", now=NOW)
    scan.block(b"Nov 23 10:00:00 dnsmasq[1]: query[A] claude.ai from 192.0.2.1\n")
    total = summed("dns.log", form, 60, [scan.result()], Tally(""))
    assert "times without a zone taken as local" in note_of(total, "")
    assert "years counted back" in note_of(total, "")


def test_folders_are_walked_by_name_and_links_left_out(tmp_path: Path) -> None:
    for name in ("b.log", "a/x.log", "a/y.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "a" / "link.log").symlink_to(tmp_path / "b.log")
    unread: list[Unread] = []
    found = [(path.name, named) for path, named in below([tmp_path, tmp_path / "b.log"], unread.append)]
    assert not unread
    assert found == [("b.log", False), ("x.log", False), ("y.log", False), ("b.log", True)]


def test_folders_that_cannot_be_listed_and_files_beyond_the_bound_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("closed/x.log", "a.log", "b.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):  # what the system says to those who may not, and never to root
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    unread: list[Unread] = []
    assert [path.name for path, _ in below([tmp_path], unread.append)] == ["a.log", "b.log"]
    assert unread == [Unread(str(tmp_path / "closed"), "permission denied", denied=True)]
    monkeypatch.setattr(work, "MOST_FILES", 1)
    assert [path.name for path, _ in below([tmp_path], unread.append)] == ["a.log"]
    assert unread[1:] == [Unread(str(tmp_path), "more than 1 files: the rest is not read")]
