"""The mapping of evidence to standards: this project's own reading, kept in ``controls.yaml`` and never a verdict."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Final

import msgspec

from aimscope_collector.reports.cells import Value

if TYPE_CHECKING:
    from aimscope_collector.reports.tables import Table

AUTHORS: Final = (
    "This mapping is the reading of aimscope's authors. It says where evidence may support a requirement, not that the "
    "requirement is met. Texts of standards are not repeated: only numbers and short titles."
)
NOTHING: Final = "nothing: discovery shows nothing of this"


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A clause, control or article. ``also`` are ids in other standards, ``how`` is what evidence shows of it."""

    id: str
    title: str
    how: str = ""
    also: tuple[str, ...] = ()

    @property
    def standard(self) -> str:
        """The key of its standard."""
        return self.id.partition(":")[0]

    @property
    def number(self) -> str:
        """As the standard numbers it."""
        return self.id.partition(":")[2]


class Mapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    standards: dict[str, str]
    controls: tuple[Control, ...]


@functools.cache
def mapping() -> Mapped:
    """The mapping as delivered."""
    file = resources.files("aimscope_collector.reports").joinpath("controls.yaml")
    return msgspec.yaml.decode(file.read_bytes(), type=Mapped)


@functools.cache
def by_id() -> Mapping[str, Control]:
    """Controls by id."""
    return {control.id: control for control in mapping().controls}


def label(control: str) -> str:
    """How a tag is written: ``42001 9.1``, ``AI Act 26``."""
    standard, _, number = control.partition(":")
    return f"{ {'nist': 'AI RMF', 'aiact': 'AI Act'}.get(standard, standard) } {number.replace('-', ' ')}"


def supported(tables: Iterable[tuple[str, Table]]) -> dict[str, list[str]]:
    """Control → ids of the tables that are mapped to it, in order."""
    found: dict[str, list[str]] = {control: [] for control in by_id()}
    for id_, table in tables:
        for control in table.controls:
            found[control].append(id_)
    return found


def control_rows(tables: Sequence[tuple[str, Table]]) -> Iterator[Sequence[Value]]:
    """Every control, and the tables that belong to it."""
    said = supported(tables)
    for control in mapping().controls:
        if control.how or said[control.id]:
            standard = mapping().standards[control.standard]
            also = ", ".join(map(label, control.also)) or None
            where = ", ".join(said[control.id]) or None
            yield control.id, standard, control.number, control.title, control.how or None, also, where


def soa_rows(tables: Sequence[tuple[str, Table]]) -> Iterator[Sequence[Value]]:
    """ISO/IEC 42001, 6.1.3: each control of Annex A, with what of this pack supports a statement about it."""
    said = supported(tables)
    for control in mapping().controls:
        if control.id.startswith("42001:A."):
            where = said[control.id]
            yield (
                *(control.number, control.number, control.title, None, None),
                *(", ".join(where) or None, (control.how or None) if where else None),
                ", ".join(map(label, control.also)) or None,
            )
