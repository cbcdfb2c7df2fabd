from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures import bundle, catalogue
from aimscope_signatures.catalogue import Catalogue
from tests.signatures.conftest import HOLLY, write


def test_the_compiled_form_holds_everything(holly: Catalogue) -> None:
    again = bundle.unpack(bundle.pack(holly))
    assert list(again) == list(holly)
    assert again.version == holly.version
    assert again.entries["holly"].signature == holly.entries["holly"].signature
    assert again.interests == holly.interests


def test_the_version_is_the_content(tmp_path: Path, holly: Catalogue) -> None:
    assert catalogue.content_hash(tmp_path) == holly.version
    write(tmp_path, HOLLY.replace("Holly Labs", "Holly Inc"))
    assert catalogue.content_hash(tmp_path) != holly.version


@given(st.binary(max_size=200))
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="compiled catalogue"):
        bundle.unpack(data)


def test_a_checkout_is_compiled_once_and_an_edit_is_never_served_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = tmp_path / "services", tmp_path / "cache"
    write(folder, HOLLY)
    monkeypatch.setattr(bundle, "SERVICES", folder)
    monkeypatch.setattr(bundle, "PACKAGED", tmp_path / "none")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _name: cache)
    assert len(bundle.shipped()) == 1
    (compiled,) = cache.iterdir()
    assert compiled.stat().st_mode & 0o077 == 0
    write(folder, HOLLY.replace("id: holly", "id: molly").replace("holly#0", "molly#0"), name="molly")
    assert len(bundle.shipped()) == 2
    for path in cache.iterdir():
        path.write_bytes(b"torn")
    assert len(bundle.shipped()) == 2


def test_interests_are_what_the_signatures_say(holly: Catalogue) -> None:
    found = holly.interests
    assert found.config == {"~/.holly/**": "holly"}
    assert found.mcp_config == {"~/.holly/mcp.json": "holly", "./.holly/mcp.json": "holly"}
    assert found.env == {"HOLLY_API_KEY"}
    assert "saas.example" not in found.hosts  # only some of its paths are AI
    assert found.urls == ("saas.example/holly/",)
    assert found.env_patterns == ("HOLLY_*_TOKEN",)
    assert [(probe.path, probe.ports) for probe in found.probes] == [("/api/status", (4242,))]
    (key,) = found.keys
    text = "export X='hly-EXAMPLEEXAMPLEEXAMPL' # not xhly-EXAMPLEEXAMPLEEXAMPL, not hly-EXAMPLEEXAMPLEEXAMPLE1"
    assert [text[slice(*span)] for span in key.find(text)] == ["hly-EXAMPLEEXAMPLEEXAMPL"]


CLAUSES = """clauses:
  claimed: {kind: shell.command, all: {process: {equals: [hol]}}}
  unit: {kind: service, all: {process: {basename: [hollyd]}, name: {equals: [holly.service]}}}
  npm: {kind: process, all: {package: {equals: ["npm:@holly/agent"]}, parent: {equals: [bash]}}}
  old: {kind: process, all: {name: {glob: ["holly-*"]}, exe: {glob: ["*/holly/*"]}}}
  asks: {kind: listener, all: {process: {equals: [python]}, port: {equals: [4242]}}}
"""


def test_interests_hold_the_programs_of_clauses_but_no_patterns_and_no_parents(tmp_path: Path) -> None:
    write(tmp_path, HOLLY.replace("clauses:\n", CLAUSES, 1))
    found = catalogue.load(tmp_path).interests
    assert found.processes == {"holly", "hol", "hollyd"}
    names = {"pypi:holly-sdk", "conda:holly-sdk", "pymod:holly_sdk", "npm:@holly/cli", "npm:@holly/agent"}
    assert found.packages == names
    assert {"holly", "hol", "hollyd", "npm:@holly/agent"} <= set(found.probes[0].hints)


def test_the_organisations_own_entry_replaces_ours(tmp_path: Path, holly: Catalogue) -> None:
    write(tmp_path / "own", HOLLY.replace("name: Holly", "name: Our Holly"))
    both = holly.overlaid(catalogue.load(tmp_path / "own"))
    assert [entry.name for entry in both] == ["Our Holly"]
    assert both.version not in {holly.version, catalogue.content_hash(tmp_path / "own")}
