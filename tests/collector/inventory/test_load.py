"""Files on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aimscope_collector.inventory.load import all_readers, load

GOOD = "aimscope_inventory: 1\nsystems: [{name: Cursor, status: approved}]\n"


def test_readers_are_found_by_walking() -> None:
    assert set(all_readers()) >= {".yaml", ".yml", ".json", ".csv", ".xlsx"}


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "Inventory.YAML"
    path.write_text(GOOD, encoding="utf-16")
    loaded = load(path)
    assert loaded.content is not None
    assert loaded.content.systems[0].name == "Cursor"


@pytest.mark.parametrize("name", ["absent.yaml", "folder.yaml", "a\0b.yaml", "pipe.yaml", "a.pdf", "a", "large.csv"])
def test_what_is_no_file_of_ours_is_a_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "a").write_bytes(b"")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(10**12)  # sparse: it takes no room, and must not be read whole
    loaded = load(tmp_path / name)
    assert loaded.content is None
    assert len(loaded.errors) == 1
    assert loaded.errors[0].advice.endswith(".")
