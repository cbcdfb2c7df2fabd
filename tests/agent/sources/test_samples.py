"""Each source against what its sample files hold, and against the files of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.agent.sources.reading import AT, SAMPLES, Read, opened, read, samples

from aimscope_agent.sources._recognition import fit_of, recognised
from aimscope_agent.sources._registry import sources
from aimscope_agent.sources._source import UnusableError
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.model import Observation

EXPECTED = sorted(SAMPLES.glob("*/expected.json"))
FILES = [path for path in samples() if path.suffix != ".xml"]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def written(one: Observation) -> dict[str, Any]:
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in one.fields.items()}
    told: dict[str, Any] = {"kind": one.kind, **fields, "row": int(one.source.rpartition(":")[2])}
    rest = {"subject": one.subject, "asset": one.asset, "at": one.at if one.at != AT else 0}
    return {**told, **{name: value for name, value in rest.items() if value}}


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.parent.name)
def test_a_source_sees_what_its_samples_hold(path: Path) -> None:
    shared: dict[str, object] = {}
    for name, wanted in json.loads(path.read_text()).items():
        found = read((path.parent / name).read_bytes(), shared=shared)
        assert found.source == path.parent.name, name
        assert [written(one) for one in found.seen] == wanted["seen"], name
        assert [f"{gap.source}: {gap.reason}" for gap in found.export.told()] == wanted["gaps"], name
        counts = {what: number for what, number in found.export.counts.items() if what not in {"rows", "observed"}}
        assert counts == wanted["counts"], name


def test_every_source_has_a_sample_and_says_what_it_is() -> None:
    assert set(sources()) == {path.parent.name for path in EXPECTED}
    for source in sources().values():
        assert source.doc.endswith("."), source.name
        assert source.proves, source.name
        assert source.cannot, source.name
        assert set(source.emits) <= set(KINDS), source.name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_declared_kinds_and_fields_are_emitted(path: Path) -> None:
    found = read(path.read_bytes())
    for one in found.seen:
        assert one.kind in sources()[found.source].emits
        assert set(one.fields) <= set(KINDS[one.kind].fields)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_pieces_make_no_difference(path: Path) -> None:
    data = path.read_bytes()
    whole, pieces = read(data), read(data, step=13)
    assert (pieces.source, pieces.seen) == (whole.source, whole.seen)
    assert pieces.export.told() == whole.export.told()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_other_source_claims_it_better(path: Path) -> None:
    export = opened(path.read_bytes())
    assert [fit.source.name for fit in recognised(export, sources().values())] == [path.parent.name]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_that_was_cut_gives_no_name_that_the_whole_one_does_not(path: Path) -> None:
    data = path.read_bytes()
    known = read(data).names
    for end in range(0, len(data), max(1, len(data) // 150)):
        cut = read(data[:end], path.parent.name)
        assert cut.names <= known, end


def test_xml_is_refused_with_what_helps() -> None:
    with pytest.raises(UnusableError, match="output-format json"):
        read((SAMPLES / "cyclonedx" / "bom.xml").read_bytes())


def test_a_list_of_words_is_a_list_of_homebrew_only_where_somebody_says_so() -> None:
    data = b"cursor\nollama\n"
    assert read(data).source == ""
    ids = [one.fields["id"] for one in read(data, "homebrew").seen]
    assert ids == [("brew:cursor", "cask:cursor"), ("brew:ollama", "cask:ollama")]


def test_a_wrong_file_fits_nothing_of_the_source() -> None:
    export = opened((SAMPLES / "intune" / "AppInvRawData.csv").read_bytes())
    assert fit_of(export, sources()["jamf"], asked=True) is None


def test_removed_rows_and_packages_are_not_there() -> None:
    rows = [
        {"name": "ollama", "version": "1", "maintainer": "x", "status": "deinstall ok config-files", "section": ""},
        {"name": "curl", "version": "1", "maintainer": "x", "status": "install ok installed", "section": ""},
    ]
    assert [one.fields["id"] for one in read(json.dumps(rows).encode(), "osquery").seen] == ["dpkg:curl"]


@pytest.mark.parametrize(
    ("row", "kind", "known_by"),
    [
        ({"name": "openai", "version": "1", "summary": "", "path": "/x/site-packages"}, "package", "pypi:openai"),
        ({"name": "@openai/codex", "version": "1", "path": "/x/node_modules/y"}, "package", "npm:@openai/codex"),
        ({"name": "cursor", "version": "1", "path": "/opt/homebrew/Caskroom/cursor"}, "application", "cask:cursor"),
        ({"name": "ollama", "version": "1", "path": "/opt/homebrew/Cellar/ollama"}, "application", "brew:ollama"),
        ({"name": "ollama", "version": "1", "release": "1", "epoch": "0"}, "application", "rpm:ollama"),
        ({"identifier": "a@example.com", "name": "x", "creator": "y"}, "browser_extension", "firefox:a@example.com"),
        ({"pid": "1", "port": "11434", "address": "127.0.0.1", "protocol": "6"}, "listener", "11434"),
        (
            {"id": "1", "name": "/chat", "image": "vllm/vllm-openai:v1", "image_id": "2"},
            "container",
            "vllm/vllm-openai",
        ),
    ],
)
def test_tables_of_osquery_are_told_by_their_columns(row: dict[str, str], kind: str, known_by: str) -> None:
    found = read(json.dumps([row]).encode(), "osquery")
    if not found.source:  # too few columns to be recognised by: as in a result log with other rows
        line = json.dumps({"name": "q", "hostIdentifier": "h", "unixTime": 1, "columns": row, "action": "added"})
        found = read(line.encode() + b"\n", "osquery")
    assert [one.kind for one in found.seen] == [kind]
    assert known_by in found.names


def test_a_model_that_a_bill_of_materials_names() -> None:
    graph = {
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [
            {"type": "CreationInfo", "created": "2026-11-21T06:07:08Z"},
            {"type": "ai_AIPackage", "name": "Mistral-7B", "software_packageUrl": "pkg:huggingface/mistralai/M@1"},
            {"type": "software_Package", "name": "torch", "software_packageUrl": "pkg:pypi/torch@2"},
        ],
    }
    found: Read = read(json.dumps(graph, indent=1).encode())
    assert found.source == "spdx"
    assert [(one.kind, one.fields.get("id", one.fields.get("package"))) for one in found.seen] == [
        ("model", "mistralai/M"),
        ("code.package", "pypi:torch"),
    ]
