"""Whatever the bytes: an inventory or a list of problems, never an exception."""

from __future__ import annotations

import io
import json
import random
import zipfile

import openpyxl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_collector.inventory.load import all_readers, parse
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.text import decode

SUFFIXES = sorted(all_readers())

_WORDS = [
    "aimscope_inventory",
    "systems",
    "name",
    "status",
    "approved",
    "ignores",
    "risk",
    "weights",
    "organisation",
    "1",
]
_SNIPPETS = [
    *_WORDS,
    ":",
    "-",
    "\n",
    "\n  ",
    ",",
    ";",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "&a",
    "*a",
    "!!x",
    "|",
    ">",
    "#",
    "\\",
]
_SNIPPETS += ["\t", "\r", "\x00", "\ufeff", "Tool", "Vendor", "2026-01-01", "=1+1", "---", "?", "%", "\u2028", "é"]
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(_WORDS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_WORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)
_systems = st.lists(
    st.dictionaries(st.sampled_from([*Inventory.__struct_fields__, "name", "status", "expiry", "scope"]), _values)
)


def check(data: bytes, suffix: str) -> None:
    loaded = parse(data, f"inventory{suffix}")
    assert (loaded.content is None) == bool(loaded.errors)
    for problem in loaded.problems:
        assert str(problem).isprintable()
        assert problem.message.endswith(".") or "workbook" in problem.message
        assert problem.advice.endswith((".", ")."))
        assert suffix.startswith(".xls") or 0 <= problem.line <= max(1, len(decode(data).splitlines()))


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(data=st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes(suffix: str, data: bytes) -> None:
    check(data, suffix)


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if not suffix.startswith(".xls")])
@given(
    pieces=st.lists(st.sampled_from(_SNIPPETS), max_size=30), encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"])
)
@settings(deadline=None)
def test_pieces_of_the_formats(suffix: str, pieces: list[str], encoding: str) -> None:
    check("".join(pieces).encode(encoding, "replace"), suffix)


@given(systems=_systems, rest=st.dictionaries(st.sampled_from(_WORDS), _values))
@settings(max_examples=200, deadline=None)
def test_well_formed_documents_of_any_content(systems: object, rest: dict[str, object]) -> None:
    document = {"aimscope_inventory": 1, "systems": systems, **rest}
    check(json.dumps(document).encode(), ".json")
    check(yaml.safe_dump(document).encode("utf-8", "surrogatepass"), ".yaml")


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Tool", "Vendor", "Status"])
    sheet.append(["Cursor", "Anysphere", "approved"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


WORKBOOK = _workbook()


@given(seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_damaged_workbooks(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(WORKBOOK)
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    check(bytes(data[: chance.choice([len(data), chance.randrange(len(data))])]), ".xlsx")


@given(seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_workbooks_with_a_damaged_part(seed: int) -> None:
    chance = random.Random(seed)
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(WORKBOOK)) as old, zipfile.ZipFile(target, "w") as new:
        wanted = chance.choice(old.namelist())
        for name in old.namelist():
            content = bytearray(old.read(name))
            if name == wanted:
                for _ in range(chance.randint(1, 30)):
                    content[chance.randrange(len(content))] = chance.choice(b"<>/\"'=0123456789AZ&; \x00\xff")
            new.writestr(name, bytes(content))
    check(target.getvalue(), ".xlsx")


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_decoding_never_fails(data: bytes) -> None:
    decode(data)


@given(
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x24F), min_size=8),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
@settings(deadline=None)
def test_decoding_gives_back_what_was_written(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text
