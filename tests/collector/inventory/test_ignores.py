"""Ignores kept in a file of their own."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from aimscope_collector.inventory.ignores import add_ignore, load_ignores
from aimscope_collector.inventory.model import Ignore
from tests.collector.example import TODAY, TOMORROW

WRONG = Ignore(service="cursor", kind="process", evidence={"name": "cursor"}, reason="Our own program", expiry=TODAY)


def test_no_file_is_no_ignore(tmp_path: Path) -> None:
    loaded = load_ignores(tmp_path / "ignores.yaml")
    assert loaded.content is not None
    assert loaded.content.ignores == ()


def test_add_and_load(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ignores.yaml"
    other = Ignore(service="ollama", reason="x: # y", expiry=TOMORROW, hosts=("a*",), by="ann")
    assert add_ignore(path, WRONG).errors == ()
    assert add_ignore(path, other).errors == ()
    loaded = load_ignores(path)
    assert loaded.content is not None
    assert loaded.content.ignores == (WRONG, other)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["ignores.yaml"]


def test_the_same_claim_again_replaces_the_first(tmp_path: Path) -> None:
    path = tmp_path / "ignores.yaml"
    later = Ignore(service="cursor", kind="process", evidence={"name": "cursor"}, reason="Still ours", expiry=TOMORROW)
    add_ignore(path, WRONG)
    loaded = add_ignore(path, later)
    assert loaded.content is not None
    assert loaded.content.ignores == (later,)


@pytest.mark.parametrize("text", ["ignores: [", "aimscope_ignores: 1\nignores: [{service: x}]", "- &a x"])
def test_a_broken_file_is_reported_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ignores.yaml"
    path.write_text(text)
    assert load_ignores(path).content is None
    assert add_ignore(path, WRONG).errors
    assert path.read_text() == text


@pytest.mark.parametrize("field", ["service", "reason"])
def test_an_ignore_needs_a_service_and_a_reason(tmp_path: Path, field: str) -> None:
    fields = {"service": "cursor", "reason": "Ours", field: "  "}
    loaded = add_ignore(
        tmp_path / "ignores.yaml", Ignore(service=fields["service"], reason=fields["reason"], expiry=TODAY)
    )
    assert [error.field for error in loaded.errors] == [field]
    assert not (tmp_path / "ignores.yaml").exists()


def test_a_place_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert add_ignore(tmp_path / "file" / "ignores.yaml", WRONG).errors
