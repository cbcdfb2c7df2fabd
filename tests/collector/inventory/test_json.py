"""JSON inventories."""

from __future__ import annotations

import json

import pytest

from aimscope_collector.inventory.load import parse


def test_the_same_document_as_in_yaml() -> None:
    document = {
        "aimscope_inventory": 1,
        "systems": [{"name": "Cursor", "status": "approved", "version": 4, "scope": {"in_aims": True}, "owner": None}],
        "risk": {"weights": {"agentic": 2}},
    }
    loaded = parse(json.dumps(document).encode(), "a.json")
    assert loaded.content is not None
    assert loaded.content.systems[0].version == "4"
    assert loaded.content.systems[0].scope.in_aims is True
    assert loaded.content.risk.weights.agentic == 2.0


def test_lines() -> None:
    text = """{
  "aimscope_inventory": 1,
  "systems": [
    {"name": "A", "status": "approved"},
    {"name": "B [\\"{",
     "status": "maybe",
     "expiry": true,
     "name": "twice"}
  ]
}"""
    loaded = parse(text.encode(), "a.json")
    assert [(error.line, error.field) for error in loaded.errors] == [
        (6, "systems[1].status"),
        (7, "systems[1].expiry"),
        (8, "systems[1].name"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{\n"a": 1,\n}', 2, "This is not JSON: Illegal trailing comma before end of object."),
        ('{"a": NaN}', 0, "It holds a number that is too long, or none."),
        ("9" * 5_000, 0, "It holds a number that is too long, or none."),
        ("[" * 100_000, 0, "Nested deeper than 32 levels."),
        ("[" * 40 + "]" * 40, 1, "Nested deeper than 32 levels."),
        ("  \n", 0, "The file is empty."),
        ("3", 1, "Expected fields with values here."),
        ('{"organisation": {"name": "\\ud800"}}', 1, "The text has control characters."),
        ('{"aimscope_inventory": true}', 1, '"True" is a version of this format that is not known here.'),
    ],
)  # fmt: skip
def test_refused(text: str, line: int, message: str) -> None:
    loaded = parse(text.encode(), "a.json")
    assert loaded.content is None
    found = [(error.line, error.message) for error in loaded.errors]
    if "trailing comma" in message:  # the words are those of the Python in use
        assert all(said.startswith("This is not JSON: ") for _, said in found)
        assert found[0][0] in (2, 3)
    else:
        assert (line, message) in found


def test_an_unterminated_string_of_escapes_takes_no_time() -> None:
    assert parse(b'"' + b'\\"' * 2_000_000, "a.json").content is None


def test_a_list_of_objects_is_a_table() -> None:
    rows = [
        {"Tool": "ChatGPT", "Vendor": "OpenAI", "Approved": True, "Teams": ["Sales", "Legal"], "Seats": 3},
        {"Tool": "Otter", "Approved": "Blocked"},
    ]
    loaded = parse(json.dumps(rows, indent=1).encode(), "export.json")
    assert loaded.content is not None
    first, second = loaded.content.systems
    assert (first.name, first.vendor, first.status, first.departments) == (
        "ChatGPT",
        "OpenAI",
        "approved",
        ("Sales", "Legal"),
    )
    assert (second.name, second.status) == ("Otter", "prohibited")
    assert [note.field for note in loaded.notes] == ["Seats", "Approved", "Approved"]
