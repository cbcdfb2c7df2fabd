"""Reports from the command line: listed and made in a collector's folder, verified anywhere."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path

import pytest

from aimscope_collector import feeds
from aimscope_collector.reports.manifest import fingerprint_of
from tests.cli.conftest import Run

MAKE = ("report", "make", "evidence-pack", "--option", "pdf=no")


@pytest.fixture
def folder(aimscope: Run, tmp_path: Path) -> Path:
    place = tmp_path / "c"
    answer = aimscope("collector", "init", "--folder", place)
    assert answer.exit_code == 0, answer.stderr
    return place


def test_a_pack_is_made_signed_by_the_collectors_key_and_verified(aimscope: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    made = aimscope(*MAKE, "--folder", folder, "-o", path, "--from", "2026-01-01")
    assert (made.exit_code, "pack.zip" in made.stderr) == (0, True), made.stderr
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = fingerprint_of(feeds.report_key(folder / "signing"))
    whole = aimscope("report", "verify", path, "--fingerprint", key)
    assert (whole.exit_code, key in whole.stdout, whole.stderr) == (0, True, "")
    assert key in aimscope("collector", "status", "--folder", folder).stdout
    unsure = aimscope("report", "verify", path)
    assert (unsure.exit_code, "compare the fingerprint" in unsure.stderr) == (0, True)
    assert json.loads(aimscope("report", "verify", path, "--json").stdout)["whole"] is True
    shown = aimscope("collector", "audit", "show", "--folder", folder, "--action", "report.made", "--json")
    assert [entry["about"] for entry in json.loads(shown.stdout)] == ["evidence-pack"]


def test_what_was_altered_is_named_and_the_exit_status_says_so(aimscope: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    assert aimscope(*MAKE, "--folder", folder, "-o", path).exit_code == 0
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, content.replace(b"root", b"r00t") if name.endswith("catalogue-versions.csv") else content
            )
    altered = aimscope("report", "verify", other)
    assert altered.exit_code == 1
    assert "tables/T01-catalogue-versions.csv: it was altered" in altered.stderr
    assert "index.html" not in altered.stderr
    wrong = aimscope("report", "verify", path, "--fingerprint", "0" * 64)
    assert (wrong.exit_code, "not the one you were told" in wrong.stderr) == (1, True)
    assert aimscope("report", "verify", tmp_path / "none.zip").exit_code == 2


def test_what_cannot_be_made_says_what_to_do_and_leaves_no_file(aimscope: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    for words, said in (
        (("report", "make", "nothing"), "choose from"),
        ((*MAKE, "--unit", "nowhere"), "no unit nowhere"),
        ((*MAKE, "--from", "2099-01-01"), "in the future"),
        ((*MAKE, "--form", "docx"), "choose from zip"),
    ):
        answer = aimscope(*words, "--folder", folder, "-o", path)
        assert (answer.exit_code, said in answer.stderr) == (2, True), answer.stderr
    assert not path.exists()
    (folder / "signing" / "reports.key").unlink()
    unsigned = aimscope(*MAKE, "--folder", folder, "-o", path)
    assert (unsigned.exit_code, "reports.key is not here" in unsigned.stderr) == (2, True)
    assert not path.exists()


def test_reports_are_listed_with_what_they_take(aimscope: Run, folder: Path) -> None:
    listed = aimscope("report", "list", "--folder", folder)
    assert "evidence-pack" in listed.stdout
    assert "--option trace=" in listed.stdout
    named = json.loads(aimscope("report", "list", "--folder", folder, "--json").stdout)
    assert {"evidence-pack"} <= {one["name"] for one in named}
