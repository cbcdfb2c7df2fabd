from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures import catalogue, schema
from aimscope_signatures.schema import Refused
from tests.signatures.conftest import HOLLY, write


def problem(text: str) -> str:
    with pytest.raises(Refused) as refused:
        schema.parse(text.encode(), "holly.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("vendor: Holly Labs", "vendro: Holly Labs", "holly.yaml:3: unknown key 'vendro'"),
        ("maturity: stable", "maturity: finished", "holly.yaml:8: maturity: Invalid enum value 'finished'"),
        ("{macos: [com", "{mac: [com", "holly.yaml:12: unknown key 'mac'"),
        ("status: {path: /api/status, body", "status: {path: /api/status, bdy", "unknown key 'bdy'"),
        ("kind: process, all", "kind: proces, all", "unknown kind 'proces'"),
        ("signer: {equals: [H", "singer: {equals: [H", "process has no field 'singer'"),
        ("{equals: [Holly Labs", "{is: [Holly Labs", "unknown operator 'is'"),
        ("hly-[A-Za-z0-9]{20}", "[A-Z]{20}", "literal of at least 3 characters"),
        ("saas.example/holly/", "saas.example", "no host with a path"),
        ("domains: [holly.example]", "domains: [holly.example]\ndomains: [b.example]", "key 'domains' is there twice"),
        ("env: [HOLLY", "env: &a [HOLLY", ""),
        ("domains: [holly.example]", "domains: ['a b']", "domains: 'a b' is no hostname"),
        ("id: holly", "id: &x holly\nname: *x\nzzz: 1", "aliases are not allowed"),
        ("id: holly", "id: [", "no YAML"),
        ("checked: 2026-11-01", "checked: soon", "holly.yaml:"),
    ],
)
def test_every_mistake_is_named_with_file_and_line(old: str, new: str, said: str) -> None:
    assert old in HOLLY
    if not said:  # an anchor that nobody refers to is harmless
        schema.parse(HOLLY.replace(old, new, 1).encode(), "holly.yaml")
        return
    assert said in problem(HOLLY.replace(old, new, 1))


def test_no_yaml_constructs_objects() -> None:
    assert "id: Expected `str`, got `array`" in problem("id: !!python/object/apply:os.system [ls]\n")
    assert "is not allowed" in problem("id: !!python/name:os.system ''\n")


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_a_signature_or_a_problem(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        schema.parse(data, "x.yaml")
    assert refused.value.problems


@given(st.integers(0, len(HOLLY) - 1), st.characters(codec="utf-8"))
def test_a_signature_with_one_character_changed_never_crashes(position: int, char: str) -> None:
    text = HOLLY[:position] + char + HOLLY[position + 1 :]
    with contextlib.suppress(Refused):
        assert schema.parse(text.encode(), "x.yaml").id


def test_depth_and_size_are_bounded() -> None:
    assert "nested deeper" in problem("id: " + "[" * 40 + "]" * 40)
    assert "larger than" in problem("#" * 300_000)


def test_a_folder_reports_the_problems_of_all_its_files(tmp_path: Path) -> None:
    write(tmp_path, HOLLY)
    write(tmp_path, HOLLY, name="other")
    write(tmp_path, HOLLY, category="assistant")
    write(tmp_path, "nonsense", name="third")
    found, problems = catalogue.read(tmp_path)
    assert [entry.id for entry in found] == ["holly"]
    said = "\n".join(map(str, problems))
    assert "id 'holly' is not the file's name 'other'" in said
    assert "category 'coding-assistant' is not the folder's" in said
    assert "third.yaml:1: a signature is a mapping" in said
    with pytest.raises(Refused):
        catalogue.load(tmp_path)
