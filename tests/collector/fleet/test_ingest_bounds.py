"""What is too large, too deep or no report is refused at once, and costs no memory."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.ingest import body, reading
from aimscope_collector.ingest.limits import Bucket
from aimscope_collector.ingest.problems import Refusal
from tests.collector.fleet.at_the_door import FACT, NOW, cell

MIB = 1 << 20
HEAD = {"schema": 1, "epoch": "e", "sequence": 1, "sent": NOW}
GOOD = msgspec.json.encode({**HEAD, "facts": [FACT], "cells": [cell()]})


def _head(rest: str) -> bytes:
    return b'{"schema":1,"epoch":"e","sequence":1,"sent":1,' + rest.encode() + b"}"


BOMB = zlib.compress(b"\0" * (64 * MIB), 9, wbits=31)
PACKED = {
    "a bomb": (BOMB, "too-large"),
    "two members": (gzip.compress(GOOD) * 2, "malformed"),
    "something behind": (gzip.compress(GOOD) + b"x", "malformed"),
    "cut": (gzip.compress(GOOD)[:-5], "malformed"),
    "nothing": (b"", "malformed"),
    "no gzip": (GOOD, "malformed"),
    "a wrong checksum": (gzip.compress(GOOD)[:-8] + b"\0" * 8, "malformed"),
    "zlib": (zlib.compress(GOOD), "malformed"),
}


@pytest.mark.parametrize("name", PACKED)
def test_what_is_packed_wrongly_is_refused_in_flat_memory(name: str) -> None:
    packed, word = PACKED[name]
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as refused:
            body.inflated(packed, 4 * MIB)
        assert tracemalloc.get_traced_memory()[1] < 12 * MIB
    finally:
        tracemalloc.stop()
    assert refused.value.word == word


def test_what_is_packed_rightly_is_read() -> None:
    assert body.inflated(gzip.compress(GOOD), 4 * MIB) == GOOD


NO_REPORTS = {
    "nothing": b"",
    "an array": b"[]",
    "no head": b'{"schema":1}',
    "deep where nobody looks": _head('"x":' + "[" * 200_000),
    "deep and closed": _head('"x":' + "[" * 200_000 + "]" * 200_000),
    "deep cells": _head('"cells":' + "[" * 200_000),
    "deep facts": _head('"facts":' + "[" * 200_000),
    "deep facts, closed": _head('"facts":' + "[" * 200_000 + "]" * 200_000),
    "a number without end": _head('"acknowledged":' + "9" * 1_000_000),
    "a number without end that nobody knows": _head('"x":' + "9" * 1_000_000)[:-1],
    "half a surrogate": _head('"catalogue":"\\ud800"').replace(b'"e"', b'"\\ud800"'),
    "no UTF-8": _head('"catalogue":"x"').replace(b'"e"', b'"\xff"'),
    "a negative sequence": GOOD.replace(b'"sequence":1', b'"sequence":-1'),
    "too many facts": _head('"facts":[' + ",".join(["[]"] * 1_001) + "]"),
    "too many cells, all bad": _head('"cells":[' + ",".join(["[]"] * 1_001) + "]"),
    "millions of tiny values": _head('"facts":[' + "1," * 2_000_000 + "1]"),
    "cells that are no array": _head('"cells":{}'),
}


@pytest.mark.parametrize("name", NO_REPORTS)
def test_what_is_no_report_is_refused_in_flat_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as refused:
            reading.report(NO_REPORTS[name])
        assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    finally:
        tracemalloc.stop()
    assert refused.value.word in ("malformed", "too-large")


BAD_CELLS: dict[str, Any] = {
    "of unknown identity": cell(identity="sure"),
    "of unknown presence": cell(presence="dreamt"),
    "of a negative count": cell(count=-1),
    "of a huge count": cell(count=1 << 60),
    "of no month": cell(month=13),
    "of days there are not": cell(days=1 << 40),
    "of a long name": cell(subject="x" * 257),
    "too short": [0],
    "an object": {},
    "null": None,
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_a_bad_cell_costs_itself_only(name: str) -> None:
    body_ = msgspec.json.encode({**HEAD, "facts": [FACT], "cells": [cell(count=7), BAD_CELLS[name], cell(count=8)]})
    read, bad = reading.report(body_)
    assert [each.count for each in read.cells] == [7, 8]
    assert bad.total() == 1


def test_fields_of_a_newer_agent_are_passed_over() -> None:
    newer = {**HEAD, "schema": 9, "mood": {"good": [1, 2]}, "facts": [FACT], "cells": [[*cell(), "new", {"x": 1}]]}
    read, bad = reading.report(msgspec.json.encode(newer))
    assert len(read.cells) == 1
    assert not bad


@given(st.one_of(st.binary(max_size=300), st.integers(0, len(GOOD)).map(lambda end: GOOD[:end])))
def test_any_bytes_are_a_report_or_refused(data: bytes) -> None:
    try:
        read, _ = reading.report(data)
    except Refusal:
        return
    assert data == GOOD or read.sequence >= 1


@given(st.binary(max_size=400))
def test_any_bytes_are_gzip_or_refused(data: bytes) -> None:
    try:
        plain = body.inflated(data, 1_000)
    except Refusal:
        return
    assert gzip.decompress(data) == plain


def test_a_bucket_gives_what_it_has_and_fills_again() -> None:
    bucket = Bucket(10, 100)
    assert bucket.take(60, 0) == 0
    assert bucket.take(60, 0) == pytest.approx(2)
    assert bucket.take(60, 2) == 0
    assert bucket.take(1_000, 12) == 0, "more than fits is let through when it is full"
    assert bucket.take(1, 12) > 0
    assert bucket.take(1, 11) > 0, "a clock that goes back gives nothing"
