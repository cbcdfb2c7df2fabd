"""A report made from one moment of the database: for the API, and for what sends reports by itself."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa

from aimscope_collector.accounts import Principal
from aimscope_collector.reports import CONTENT_TYPES, Asked, File, Refused, Report, ReportInput, Signature
from aimscope_collector.services import Service
from aimscope_collector.store.database import is_sqlite


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What every report of a collector is made from. ``sign`` gives a signature and the public key that checks it."""

    engine: sa.Engine
    now: int
    services: Mapping[str, Service]
    catalogue: str
    version: str
    sign: Callable[[bytes], tuple[bytes, bytes]]


def check(report: Report, asked: Asked, who: Principal) -> None:
    """Raises ``Refused`` for what a report does not have, or who asks may not read."""
    lacking = [word for word in report.needs if not who.may(word)]
    if lacking:
        raise Refused(f"{report.title} needs the permission {lacking[0]}, too.")
    if asked.form not in report.forms:
        raise Refused(f"{report.title} has no form {asked.form[:16]}: choose from {', '.join(report.forms)}.")
    if asked.unit and "unit" not in report.takes:
        raise Refused(f"{report.title} is about the whole organisation: leave the unit out.")
    known = {option.name: option for option in report.options}
    for name, value in asked.options.items():
        if name not in known:
            have = f"it has {', '.join(known)}" if known else "it has none"
            raise Refused(f"{report.title} has no option {name[:64]}: {have}.")
        if known[name].choices and value not in known[name].choices:
            raise Refused(f"{name} is one of {', '.join(known[name].choices)}.")


@contextlib.contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one moment, however long it reads."""
    with engine.connect() as connection:
        if not is_sqlite(connection):  # whose readers always see one moment
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            connection.execute(sa.select(sa.literal(1)))  # the moment is that of the first statement
            yield connection


def make(report: Report, asked: Asked, *, who: Principal, source: Source, folder: Path) -> File:
    """Make a report in an empty folder: its one file, or a zip of several. Raises ``Refused``, ``FeedsError``."""
    check(report, asked, who)
    defaults = {option.name: option.default for option in report.options if option.default}
    with snapshot(source.engine) as connection:
        files = report.make(
            ReportInput(
                connection=connection,
                who=who,
                now=source.now,
                asked=msgspec.structs.replace(asked, options={**defaults, **asked.options}),
                services=source.services,
                catalogue=source.catalogue,
                version=source.version,
                sign=lambda body: Signature(*source.sign(body)),
                folder=folder,
            )
        )
    return files[0] if len(files) == 1 else _together(report.name, files, folder)


def _together(name: str, files: Sequence[File], folder: Path) -> File:
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for file in files:
            info = zipfile.ZipInfo(file.name)  # of 1980: the same files are the same bytes
            info.compress_type = zipfile.ZIP_DEFLATED
            with target.open(info, "w", force_zip64=True) as member:
                if isinstance(file.content, bytes):
                    member.write(file.content)
                else:
                    with file.content.open("rb") as content:
                        shutil.copyfileobj(content, member)
    return File(path.name, path)


@contextlib.contextmanager
def folder_of_its_own() -> Iterator[Path]:
    """An empty folder that nobody else can read, and that goes again."""
    with tempfile.TemporaryDirectory(prefix="aimscope-report-") as temporary:
        yield Path(temporary)


__all__ = ("CONTENT_TYPES", "Source", "check", "folder_of_its_own", "make", "snapshot")
