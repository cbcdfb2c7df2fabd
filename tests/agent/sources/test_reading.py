"""The bounded readers: whatever comes, nothing but rows, and every row that is not torn."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.sources.reading import AT, NOW, opened, read, samples

from aimscope_agent.sources import _descriptors as descriptors
from aimscope_agent.sources import _json as js
from aimscope_agent.sources import _names as names
from aimscope_agent.sources import _table as table
from aimscope_agent.sources._export import HEAD
from aimscope_agent.sources._registry import sources
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import UnusableError
from aimscope_agent.sources._when import Moments

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def pieces(text: str, step: int) -> list[str]:
    return [text[at : at + step] for at in range(0, len(text), step)]


@given(VALUES, st.integers(1, 40))
def test_members_of_any_document_come_through_whole(value: Any, step: int) -> None:
    text = json.dumps([value, {"rows": [value, value], "more": value}, value])
    got = list(js.members(iter(pieces(text, step))))
    again = json.loads(text)
    assert [json.dumps(each) for _, each in got] == [json.dumps(each) for each in again]


@given(st.lists(VALUES, min_size=1, max_size=4), st.data())
def test_a_cut_document_gives_a_beginning_of_its_members(value: list[Any], data: st.DataObject) -> None:
    text = json.dumps({"value": value})
    end = data.draw(st.integers(0, len(text)))
    got: list[str] = []
    try:
        got.extend(json.dumps(each) for _, each in js.members(iter(pieces(text[:end], 7))))
    except js.TornError:
        assert end < len(text)
    assert got == [json.dumps(each) for each in json.loads(text)["value"]][: len(got)]


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader_of_documents(text: str) -> None:
    with contextlib.suppress(js.TornError):
        list(js.members(iter(pieces(text, 5))))


def test_a_deep_document_is_torn_and_no_more() -> None:
    with pytest.raises(js.TornError):
        list(js.members(iter(['[{"a":' * 200_000])))


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=8), st.sampled_from(table.SEPARATORS), st.integers(1, 30))
def test_what_was_quoted_properly_is_read_as_it_was(rows: list[tuple[str, ...]], separator: str, step: int) -> None:
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows]
    lines = table.lines_of(iter(pieces("".join(quoted), step)))
    got = list(table.rows(lines, separator, ("one", "two", "three")))
    assert [cells for _, cells in got] == [list(row) for row in rows if row != ("one", "two", "three")]


@given(st.text(max_size=300), st.integers(1, 50))
def test_no_text_breaks_the_reader_of_tables(text: str, step: int) -> None:
    lines = list(table.lines_of(iter(pieces(text, step))))
    assert "\n".join(line.text for line in lines).replace("\r", "") == text.rstrip("\n").replace("\r", "") or text[
        -1:
    ] in {"\n", "\r"}
    for number, cells in table.rows(iter(lines), ",", ("a", "b")):
        assert 1 <= number <= len(lines)
        assert cells is None or len(cells) == 2


def test_a_torn_row_spoils_no_other() -> None:
    text = 'a,b\n1,2\n3,"never closed\n4,5\n6\n7,"two\nlines"\n8,9\n'
    got = list(table.rows(table.lines_of(iter([text])), ",", ("a", "b")))
    assert got == [
        (2, ["1", "2"]),
        (3, None),
        (4, ["4", "5"]),
        (5, None),
        (6, ["7", "two\nlines"]),
        (8, ["8", "9"]),
    ]


def test_a_line_without_end_is_counted_and_forgotten() -> None:
    lines = list(table.lines_of(iter(["a,b\n", "x" * (table.LONGEST_LINE + 5), "y" * 100, "\n1,2\n"])))
    assert [(line.number, len(line.text), line.long) for line in lines] == [(1, 3, False), (2, 0, True), (3, 3, False)]


@pytest.mark.parametrize(
    "text", ["x", "x ", " ", "\n", "\r", "-", "x\n-", '"', '"a"', "{", "<bom ", "brew '", "==> a 1"]
)
def test_whatever_repeats_without_end_is_told_apart_at_once(text: str) -> None:
    assert read((text * (HEAD // len(text))).encode()).seen == []


@settings(max_examples=25, deadline=None)
@given(st.data())
@pytest.mark.parametrize("path", [path for path in samples() if path.suffix != ".xml"], ids=lambda path: path.name)
def test_damage_in_a_file_raises_nothing(path: Path, data: st.DataObject) -> None:
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=40))
    spoiled = whole[:at] + junk + whole[at + data.draw(st.integers(0, 40)) :]
    try:
        found = read(spoiled, path.parent.name)
    except UnusableError:
        return
    counts = found.export.counts
    assert counts["observed"] == len(found.seen)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_a_source(data: bytes) -> None:
    for source in sources().values():
        for shape in source.shapes:
            export = opened(data)
            export.shape = shape
            try:
                list(source.read(export))
            except UnusableError:
                continue
            export.told()


@settings(deadline=None)
@given(st.sampled_from(["", "{", "[", "Name,Version\n", "brew 'x'\n", "Name Id\n" + "-" * 20]), st.binary(max_size=200))
def test_any_bytes_look_like_a_source_or_like_none(start: str, data: bytes) -> None:
    with contextlib.suppress(UnusableError):
        found = read(start.encode() + data)
        assert found.source in {"", *sources()}


@given(st.lists(st.dictionaries(st.text(max_size=10), VALUES, max_size=5), max_size=3))
def test_no_objects_break_a_source(rows: list[dict[str, Any]]) -> None:
    data = json.dumps(rows).encode()
    for source in sources().values():
        export = opened(data)
        export.shape = next((shape for shape in source.shapes if shape.form == "json"), None)
        if export.shape:
            list(source.read(export))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told_by_their_marks(encoding: str) -> None:
    text = "ApplicationName;ApplicationVersion;ApplicationPublisher\r\nCafé;1;Exämple\r\n"
    found = read(text.encode(encoding))
    assert found.source == "intune"
    assert found.seen[0].fields["name"] == "Café"


def test_the_last_cell_of_a_line_without_an_end_is_not_believed() -> None:
    found = read(b"Computer Name,Application Title,Application Bundle ID\nm,Chat.app,com.openai.chat", "jamf")
    assert [one.fields for one in found.seen] == [{"name": "Chat"}]


def test_names_too_long_for_a_name_are_left_out() -> None:
    row = Row(1, {"name": "x" * 5_000, "Other Name": " y "})
    assert (row.text("name"), row.text("name", "othername")) == ("", "y")


def test_a_lone_surrogate_becomes_text_that_can_be_written() -> None:
    found = read(b'[{"bundle_identifier":"x","name":"a\\ud800b","path":"","bundle_name":""}]', "osquery")
    str(found.seen[0].fields["name"]).encode()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20", 1_795_132_800),
        ("2026-11-20T10:00:00Z", 1_795_168_800),
        ("2026-11-20 10:00", 1_795_168_800),
        ("11/20/2026 10:00 AM", 1_795_168_800),
        ("20.11.2026", 1_795_132_800),
        ("1795168800", 1_795_168_800),
        ("9999-01-01", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_times_of_exports(text: str, at: int) -> None:
    assert Moments(NOW).read(text) == at
    assert opened(b"").see("expense", 1, at=text).at == (at or AT)


def test_package_urls() -> None:
    url = names.purl("pkg:npm/%40anthropic-ai/sdk@0.60.0?arch=x#lib")
    assert url is not None
    assert (url.package, url.version, url.qualifiers) == ("npm:@anthropic-ai/sdk", "0.60.0", {"arch": "x"})
    maven = names.purl("pkg:maven/dev.langchain4j/langchain4j@1.0")
    assert maven is not None
    assert maven.package == "maven:dev.langchain4j:langchain4j"
    assert names.purl("pkg:pypi") is None
    assert names.purl("https://example.com/x") is None


@given(st.text(max_size=60))
def test_no_text_breaks_package_urls(text: str) -> None:
    names.purl(text)
    names.purl(f"pkg:{text}")


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("OPENAI *CHATGPT SUBSCR", "chatgpt"),
        ("ANTHROPIC* CLAUDE.AI", "claude.ai"),
        ("MIDJOURNEY INC.", "midjourney"),
        ("PAYPAL *MIDJOURNEY 4029357733", "midjourney"),
        ("OPENAI SAN FRANCISCO CA", "openai"),
        ("PERPLEXITY AI INC", "perplexity ai"),
        ("WWW.MIDJOURNEY.COM", "midjourney"),
        ("Cursor, AI powered IDE", "cursor ai powered ide"),
    ],
)
def test_names_within_statements(line: str, phrase: str) -> None:
    assert phrase in descriptors.phrases(line)


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("CLAUDE'S BAKERY", "claude"),
        ("OPEN AIR MARKET", "openai"),
        ("SQ *CURSOR CAFE", "cursor"),
        ("ANTHROPIC* CLAUDE.AI", "anthropic"),
    ],
)
def test_parts_of_other_names_are_no_names(line: str, phrase: str) -> None:
    assert phrase not in descriptors.phrases(line)


@given(st.text(max_size=100))
def test_numbers_of_cards_never_come_through(text: str) -> None:
    line = f"OPENAI 4111 1111 1111 1111 {text} 4111111111111111 x4242"
    for kept in (descriptors.vendor(line), *descriptors.phrases(line)):
        assert "1111" not in kept
        assert "4242" not in kept
