"""Whatever a log holds: every format reads it or says that it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_agent.formats._format import Format
from aimscope_agent.logs.documents import document_lines
from aimscope_agent.logs.parser import QUARANTINED, Parser
from aimscope_agent.logs.reading import lines_of
from aimscope_agent.logs.recognition import recognise
from aimscope_agent.logs.registry import built_in
from aimscope_signatures.kinds import KINDS

NOW = 1_795_500_000
SAMPLES = Path(__file__).parents[2] / "_data" / "formats"
FORMATS = st.sampled_from([*built_in().values()])
NOISE = st.binary(max_size=40) | st.sampled_from([b'"', b"\\", b" ", b"\t", b"|", b"=", b",", b"[", b"{", b"\r", b"\0"])


def start_of(form: Format) -> bytes:
    return next(iter(sorted((SAMPLES / form.name).glob("sample*")))).read_bytes()[:1_500]


@given(FORMATS, st.integers(0, 1_500), st.integers(0, 60), st.lists(NOISE, max_size=6))
@settings(deadline=None, max_examples=300)
def test_damage_in_lines_raises_nothing(form: Format, at: int, gone: int, noise: list[bytes]) -> None:
    text = start_of(form)
    parser = Parser(form, now=NOW)
    for seen in parser.feed(text[:at] + b"".join(noise) + text[at + gone :], 1, "log"):
        assert seen.kind in form.kinds
        assert seen.fields.keys() <= KINDS[seen.kind].fields.keys()
        assert seen.at > 0
    assert parser.counts.read + parser.counts.unreadable <= parser.counts.lines
    assert len(parser.counts.quarantine) <= QUARANTINED


@given(FORMATS, st.integers(0, 1_500), st.lists(NOISE, max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_beginning_is_of_a_format_or_of_none(form: Format, keep: int, noise: list[bytes]) -> None:
    found = recognise(start_of(form)[:keep] + b"\n".join(noise), built_in().values())
    assert found.format or found.reason()
    assert all(fit.fitting <= fit.lines <= found.lines for fit in found.fits)


@given(st.sampled_from([b"", b"[", b'{"Records":[', b"{\n", b"\xff\xfe", b"\0\0\0\0"]), st.binary(max_size=200))
def test_any_small_file_has_lines(start: bytes, data: bytes) -> None:
    assert len(lines_of(start + data, built_in().values())) <= 4 * len(start + data) + 4


@given(
    st.lists(
        st.dictionaries(st.text(max_size=4), st.none() | st.text(max_size=8) | st.lists(st.integers())), max_size=5
    ),
    st.sampled_from([None, 0, 1, 4]),
    st.sampled_from(["", "Records"]),
)
def test_each_object_of_a_document_is_a_line(rows: list[dict[str, object]], indent: int | None, inside: str) -> None:
    text = json.dumps({inside: rows} if inside else rows, indent=indent).encode()
    lines = document_lines(text, ("Records",))
    assert [json.loads(line) for line in lines.split(b"\n") if line] == rows


@pytest.mark.parametrize("text", [b"x", b"x ", b'"', b"\\", b'a="b ', b"x,", b"(", "é.".encode()])
def test_a_field_without_end_takes_no_more_than_its_length(text: bytes) -> None:
    for form in built_in().values():
        start = start_of(form)
        line = max(start.split(b"\n"), key=len)
        middle = len(line) // 2
        parser = Parser(form, now=NOW)
        list(
            parser.feed(start + b"\n" + line[:middle] + text * (60_000 // len(text)) + line[middle:] + b"\n", 1, "log")
        )
        assert parser.counts.lines > 1
