"""What tells machines apart: copies of an image have the machine-id in common, and not the hardware."""

from __future__ import annotations

from pathlib import Path

import pytest

from aimscope_agent.service import folder


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folder, "_IDENTIFIERS", (str(tmp_path / "machine-id"),))
    monkeypatch.setattr(folder, "_HARDWARE", str(tmp_path / "product_uuid"))
    return tmp_path


def test_copies_of_an_image_on_other_hardware_are_other_machines(files: Path) -> None:
    (files / "machine-id").write_text("5f1c\n")
    seen = set()
    for hardware in ("AAAA-1", "AAAA-2"):
        (files / "product_uuid").write_text(f"{hardware}\n")
        seen.add(folder.machine_identifier())
    assert len(seen) == 2


def test_the_same_machine_is_the_same(files: Path) -> None:
    (files / "machine-id").write_text("5f1c\n")
    (files / "product_uuid").write_text("AAAA-1\n")
    before = folder.machine_identifier()
    (files / "product_uuid").write_text("aaaa-1\n")
    assert folder.machine_identifier() == before


def test_without_the_right_to_read_the_hardware_the_machine_id_counts(files: Path) -> None:
    (files / "machine-id").write_text("5f1c\n")
    assert folder.machine_identifier() == "5f1c"
    (files / "machine-id").write_text("uninitialized\n")
    assert folder.machine_identifier() not in {"", "uninitialized"}
