"""dnstap through the same door as every other log."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.formats._format import Format
from aimscope_agent.intake.decompress import Stream
from aimscope_agent.intake.following import LogWatch
from aimscope_agent.ledger import Ledger
from aimscope_agent.logs.frames import TORN, frame_lines
from aimscope_agent.logs.reading import UnusableError
from aimscope_agent.logs.registry import built_in
from aimscope_agent.logs.scanning import Part, Workshop
from aimscope_agent.logs.work import look, run, tasks_of
from aimscope_signatures import bundle

RECORDED = (Path(__file__).parents[2] / "_data" / "formats" / "dnstap" / "sample.tap").read_bytes()
NOW = 1_795_521_600


def read(path: Path) -> tuple[Format | None, Part]:
    with path.open("rb") as file:
        log, recognised = look(file, Stream, built_in().values())
        (task,) = tasks_of(log, built_in()["dnstap"], str(path), path.stat().st_size, NOW, "", 0)
    return recognised.format, run(task, Workshop(built_in(), bundle.shipped(), None), Stream, lambda _: True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_recognised_and_read(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "queries.tap"
    path.write_bytes(gzip.compress(RECORDED) if packed else RECORDED)
    form, part = read(path)
    assert form is not None
    assert form.name == "dnstap"
    assert {(one.service, one.asset, one.count) for one in part.sightings} == {
        ("chatgpt", "192.0.2.10", 1),
        ("openai-api", "2001:db8::10", 2),
    }
    assert part.unreadable == 0


def test_a_broken_frame_is_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "queries.tap"
    path.write_bytes(RECORDED + (3).to_bytes(4, "big") + b"\xff\xff\xff")
    assert read(path)[1].unreadable == 1


@given(st.lists(st.integers(1, 400), max_size=30))
def test_pieces_may_have_any_size(sizes: list[int]) -> None:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(RECORDED[start : start + size])
        start += size
    found = b"".join(frame_lines([*pieces, RECORDED[start:]]))
    assert found == b"".join(frame_lines([RECORDED]))
    assert TORN not in found


def test_without_the_library_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dnstap_pb", None)
    with pytest.raises(UnusableError, match="dnstap-pb"):
        look(io.BytesIO(RECORDED), Stream, built_in().values())


def test_it_is_not_followed_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "queries.tap"
    path.write_bytes(RECORDED + b"\n")
    ledger = Ledger(tmp_path / "ledger.db", now=NOW)
    watch = LogWatch([path], ledger, Workshop(built_in(), bundle.shipped(), None))
    watch.step(1.0, NOW)
    assert "not followed" in watch.coverage().gaps[0].reason
    watch.close()
    ledger.close()
