"""Reports for those who decide and those who audit: one module each with a ``REPORT``, found by walking this folder.

A report reads one snapshot of the database and makes files of it; it changes nothing. The same snapshot and the same
``now`` give the same bytes. What a report shows of people and devices are pseudonyms, within the units of who asks.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    import sqlalchemy as sa

    from aimscope_collector.accounts import Principal
    from aimscope_collector.services import Service

CONTENT_TYPES: Final[Mapping[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "pdf": "application/pdf",
    "sqlite": "application/vnd.sqlite3",
    "txt": "text/plain; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "yaml": "application/yaml",
    "zip": "application/zip",
}
"""Forms a report may have, which are also the endings of its files."""
Takes = Literal["period", "as_of", "unit"]


class Refused(ValueError):
    """What was asked for cannot be made; the text says why and what to do."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """Something of its own that a report can be told. Without ``choices`` any text is taken."""

    name: str
    description: str
    choices: tuple[str, ...] = ()
    default: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked for. Moments are seconds since 1970 UTC; ``until`` is not in the period.

    ``as_of`` is the moment of which the inventory is told; ``unit`` and those below it, or everything for an empty one.
    """

    since: int
    until: int
    as_of: int
    unit: str = ""
    form: str
    options: Mapping[str, str] = {}


class Signature(msgspec.Struct, frozen=True):
    """An Ed25519 signature (RFC 8032), and the 32 bytes of the public key that checks it."""

    value: bytes
    public: bytes


class ReportInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a report is made from. ``connection`` is one snapshot, to be read only.

    ``folder`` is empty at first and goes when the report is sent: for files too large for memory.
    """

    connection: sa.Connection
    who: Principal
    now: int
    asked: Asked
    services: Mapping[str, Service]
    """Of the catalogue, by id."""
    catalogue: str
    """Its version."""
    version: str
    """Of aimscope."""
    sign: Callable[[bytes], Signature]
    folder: Path


class File(msgspec.Struct, frozen=True):
    """A file of a report: its bytes, or where they are within ``ReportInput.folder``. The ending says what it is."""

    name: str
    content: bytes | Path

    @property
    def content_type(self) -> str:
        """As HTTP says it."""
        return CONTENT_TYPES.get(self.name.rpartition(".")[2], "application/octet-stream")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report. ``forms`` are endings of ``CONTENT_TYPES``, the usual one first; ``takes`` says what it heeds.

    ``needs`` are permissions beside ``reports:read``. ``make`` raises ``Refused``; several files go out as one zip.
    """

    name: str
    title: str
    description: str
    forms: tuple[str, ...]
    takes: frozenset[Takes] = frozenset()
    options: tuple[Option, ...] = ()
    needs: tuple[str, ...] = ()
    make: Callable[[ReportInput], Sequence[File]]


@functools.cache
def reports() -> Mapping[str, Report]:
    """Every report by its name, in order."""
    found: dict[str, Report] = {}
    for module in pkgutil.iter_modules(__path__):
        report = getattr(importlib.import_module(f"{__name__}.{module.name}"), "REPORT", None)
        if isinstance(report, Report):
            found[report.name] = report
    return dict(sorted(found.items()))


def report_named(name: str) -> Report:
    """The report of that name. Raises ``Refused``."""
    known = reports()
    if name not in known:
        raise Refused(f"{name} is no report: choose from {', '.join(known)}")
    return known[name]
