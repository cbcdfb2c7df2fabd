"""A report as whoever asks gets it, from the database of a test."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa

from aimscope_collector.accounts import Principal, Role
from aimscope_collector.reports import Asked, File, ReportInput, Signature, report_named
from aimscope_collector.services import Service
from tests.collector.example import SERVICES
from tests.collector.fleet.planted import DAY, NOW

REVIEWER = Principal(account=1, name="ann", roles=("reviewer",))
VIEWER = Principal(account=2, name="vic", roles=("viewer",))


def whom(*roles: Role, units: Sequence[str] = ()) -> Principal:
    """Somebody with these roles, and perhaps only some units."""
    return Principal(account=3, name="eve", roles=roles, units=tuple(units))


def made(
    engine: sa.Engine,
    name: str,
    form: str,
    *,
    who: Principal = REVIEWER,
    unit: str = "",
    days: int = 90,
    now: int = NOW,
    options: Mapping[str, str] | None = None,
    services: Sequence[Service] = SERVICES,
) -> dict[str, bytes]:
    """The files of a report, by name."""
    report = report_named(name)
    assert form in report.forms
    chosen = {option.name: option.default for option in report.options} | dict(options or {})
    with tempfile.TemporaryDirectory() as folder, engine.connect() as connection:
        asked = Asked(
            since=now // DAY * DAY - (days - 1) * DAY,
            until=now // DAY * DAY + DAY,
            as_of=now,
            unit=unit,
            form=form,
            options=chosen,
        )
        given = ReportInput(
            connection=connection,
            who=who,
            now=now,
            asked=asked,
            services={one.id: one for one in services},
            catalogue="c0ffee",
            version="0",
            sign=lambda _: Signature(b"", b""),
            folder=Path(folder),
        )
        return {file.name: _bytes(file, Path(folder)) for file in report.make(given)}


def _bytes(file: File, folder: Path) -> bytes:
    return file.content if isinstance(file.content, bytes) else (folder / file.content).read_bytes()
