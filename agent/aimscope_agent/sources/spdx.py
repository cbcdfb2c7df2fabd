"""SPDX: bills of materials, version 2 as JSON and as tags, version 3 as JSON.

Names of fields: the SPDX specifications 2.3 and 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources import _sbom as sbom
from aimscope_agent.sources._export import Export
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation

_PURPOSES: Final = {"APPLICATION": "application", "CONTAINER": "container"}
_NOBODY: Final = frozenset({"NOASSERTION", "NONE"})


def read(export: Export) -> Iterator[Observation]:
    """Packages."""
    if export.shape is not None and export.shape.form == "text":
        yield from _tags(export)
        return
    at = ""
    for row in export.rows("creationinfo", "packages", "graph"):
        if row.key == "creationinfo" or row.text("type") == "CreationInfo":
            at = row.text("created")
        elif row.key == "packages":
            purl = next(_purls(row), "")
            it = _component(row.text("name"), row.text("versioninfo"), row.text("supplier", "originator"), purl)
            yield from _seen(export, row.number, it, row.text("primarypackagepurpose"), at)
        elif row.text("type").endswith(("software_Package", "ai_AIPackage")):
            purl = row.text("softwarepackageurl") or next(_purls(row), "")
            it = _component(row.text("name"), row.text("softwarepackageversion"), "", purl)
            model = row.text("type").endswith("ai_AIPackage")
            yield from _seen(export, row.number, it, "MODEL" if model else row.text("softwareprimarypurpose"), at)


def _purls(row: Row) -> Iterator[str]:
    for each in row.rows("externalrefs"):
        if each.text("referencetype") == "purl":
            yield each.text("referencelocator")
    for each in row.rows("externalidentifier"):
        if each.text("externalidentifiertype") == "packageUrl":
            yield each.text("identifier")


def _component(name: str, version: str, supplier: str, purl: str) -> sbom.Component:
    publisher = supplier.removeprefix("Organization:").removeprefix("Person:").partition("(")[0].strip()
    return sbom.Component(
        name=name,
        version="" if version in _NOBODY else version,
        publisher="" if publisher in _NOBODY else publisher,
        purl=purl,
    )


def _seen(export: Export, number: int, it: sbom.Component, purpose: str, at: str) -> Iterator[Observation]:
    kind = "machine-learning-model" if purpose.upper() == "MODEL" else _PURPOSES.get(purpose.upper(), "")
    if not it.name and not it.purl:
        export.unreadable(number, "packages without a name")
        return
    whole = sbom.Component(name=it.name, type=kind, version=it.version, publisher=it.publisher, purl=it.purl)
    yield from sbom.seen(export, number, whole, at)


def _tags(export: Export) -> Iterator[Observation]:
    """Tags of one package stand between its name and the next one's; longer texts are in `<text>`."""
    package: dict[str, str] = {}
    started = 0
    at = ""
    inside = False
    for number, line in export.lines():
        if inside:
            inside = "</text>" not in line
            continue
        tag, colon, value = line.strip().partition(":")
        value = value.strip()
        inside = "<text>" in value and "</text>" not in value
        if not colon and not line.strip().startswith("#"):
            export.unreadable(number, "lines that are no tag")
        elif tag == "Created":
            at = value
        elif tag in {"PackageName", "FileName", "SnippetSPDXID", "Relationship"}:
            yield from _of_tags(export, started, package, at)
            package, started = ({"name": value}, number) if tag == "PackageName" else ({}, 0)
        elif tag == "ExternalRef" and len(words := value.split(None, 2)) == 3 and words[1] == "purl":
            package.setdefault("purl", words[2])
        else:
            package.setdefault(tag, value)
    yield from _of_tags(export, started, package, at)


def _of_tags(export: Export, number: int, tags: dict[str, str], at: str) -> Iterator[Observation]:
    if number:
        it = _component(
            tags["name"], tags.get("PackageVersion", ""), tags.get("PackageSupplier", ""), tags.get("purl", "")
        )
        yield from _seen(export, number, it, tags.get("PrimaryPackagePurpose", ""), at)


SOURCE = Source(
    name="spdx",
    title="SPDX",
    doc="A bill of materials in SPDX 2 (JSON, tags) or 3 (JSON).",
    emits=sbom.EMITS,
    proves="part of the software, image or machine that it describes",
    cannot="use of what it lists; services that are called without a library; where the software runs",
    shapes=(
        Shape("json", ("spdxversion", "spdxid|packages")),
        Shape("json", ("context", "graph"), r"spdx\.org/rdf/3"),
        Shape("text", pattern=r"^SPDXVersion:\s*SPDX-2"),
    ),
    read=read,
)
