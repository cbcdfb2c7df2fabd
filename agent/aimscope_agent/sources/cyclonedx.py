"""CycloneDX: bills of materials as JSON, with the models and services that they name.

Names of fields: the CycloneDX specification 1.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources import _sbom as sbom
from aimscope_agent.sources._export import Export
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source, UnusableError
from aimscope_signatures.model import Observation
from aimscope_signatures.normalise import hostname

_DEEPEST: Final = 16


def read(export: Export) -> Iterator[Observation]:
    """Components with those within them, and the services that are called."""
    if export.form == "text":
        raise UnusableError("CycloneDX in XML is not read: `cyclonedx convert --output-format json` makes JSON of it")
    at = ""
    for row in export.rows("metadata", "components", "services"):
        if row.key == "metadata":
            at = row.text("timestamp")
        elif row.key == "services":
            yield from _service(export, row, at)
        else:
            yield from _component(export, row, at, 0)


def _component(export: Export, row: Row, at: str, depth: int) -> Iterator[Observation]:
    if not row.text("name") and not row.text("purl"):
        export.unreadable(row.number, "components without a name")
    else:
        group, name = row.text("group"), row.text("name")
        publisher = row.row("supplier").text("name") or row.row("manufacturer").text("name")
        it = sbom.Component(
            name=f"{group}/{name}" if group and row.text("type") != "application" else name,
            type=row.text("type"),
            version=row.text("version"),
            publisher=publisher or row.text("publisher", "author"),
            purl=row.text("purl"),
        )
        yield from sbom.seen(export, row.number, it, at)
    for inner in row.rows("components") if depth < _DEEPEST else ():
        yield from _component(export, inner, at, depth + 1)


def _service(export: Export, row: Row, at: str) -> Iterator[Observation]:
    for endpoint in row.texts("endpoints"):
        if host := hostname(endpoint):
            yield export.see("code.endpoint", row.number, at=at, host=host, path=export.name)


SOURCE = Source(
    name="cyclonedx",
    title="CycloneDX",
    doc="A bill of materials in JSON, with machine-learning models where it names them.",
    emits=sbom.EMITS,
    proves="part of the software, image or machine that it describes",
    cannot="use of what it lists; services that are called without a library; where the software runs",
    shapes=(
        Shape("json", ("bomformat",), r'"bomFormat"\s*:\s*"CycloneDX"'),
        Shape("text", pattern=r"<bom\b[^<>]*cyclonedx\.org/schema/bom"),
    ),
    read=read,
)
