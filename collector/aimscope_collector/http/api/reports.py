"""Reports: which there are, and one of them made and sent as a file. What is made is noted in the audit log."""

from __future__ import annotations

import datetime
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Annotated, Final

import msgspec
from litestar import get
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from aimscope_collector import reports
from aimscope_collector.feeds import FeedsError
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import From, To
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.reports import Asked, File, Refused, Report
from aimscope_collector.reports.making import Source, folder_of_its_own, make
from aimscope_collector.reports.period import as_of, period_of
from aimscope_collector.store import audit
from aimscope_collector.store.database import writing

_AT_ONCE: Final = threading.BoundedSemaphore(2)
_PATIENCE: Final = 30.0
_BLOCK: Final = 1 << 18
ReportName = Annotated[str, PathParameter(max_length=64, pattern=r"^[a-z0-9-]+$")]
Form = Annotated[str | None, QueryParameter(max_length=16, description="One of the report's forms; else the first.")]
Unit = Annotated[str, QueryParameter(max_length=256, description="Only this unit and those below it.")]
AsOf = Annotated[
    datetime.date | None,
    QueryParameter(name="as_of", description="Day of which the inventory is told; else the period's last."),
]
Options = Annotated[
    list[str] | None, QueryParameter(name="option", max_items=32, description="NAME=VALUE of the report's own options.")
]


class Choice(msgspec.Struct, frozen=True):
    """An option of a report. Without ``choices`` any text is taken."""

    name: str
    description: str
    choices: tuple[str, ...]
    default: str


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A report, and what it can be told. ``needs`` are permissions beside ``reports:read``."""

    name: str
    title: str
    description: str
    forms: tuple[str, ...]
    takes: tuple[str, ...]
    options: tuple[Choice, ...]
    needs: tuple[str, ...]


class Listed(msgspec.Struct, frozen=True):
    """Every report."""

    items: list[Described]


@get("/reports", opt={"needs": "reports:read"}, sync_to_thread=True, tags=["reports"])
def list_reports() -> Listed:
    """Which reports there are."""
    return Listed([_described(report) for report in reports.reports().values()])


def _described(report: Report) -> Described:
    return Described(
        name=report.name,
        title=report.title,
        description=report.description,
        forms=report.forms,
        takes=tuple(sorted(report.takes)),
        options=tuple(Choice(one.name, one.description, one.choices, one.default) for one in report.options),
        needs=report.needs,
    )


@get(
    "/reports/{name:str}",
    opt={"needs": "reports:read"},
    sync_to_thread=True,
    tags=["reports"],
)
def make_report(
    given: Here,
    who: Who,
    name: ReportName,
    form: Form = None,
    first: From = None,
    last: To = None,
    at: AsOf = None,
    unit: Unit = "",
    options: Options = None,
) -> Stream:
    """Make a report from what is known at this moment, and send its file. Big ones take up to a minute."""
    report = reports.reports().get(name)
    if report is None:
        raise not_found("report")
    now = given.now()
    source = Source(
        engine=given.engine,
        now=now,
        services=given.services,
        catalogue=given.catalogue,
        version=given.version,
        sign=given.sign_report,
    )
    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise Failed(429, "too-fast", "Other reports are being made at this moment: try again in a minute.")
    try:
        since, until = period_of(first, last, now=now)
        asked = Asked(
            since=since,
            until=until,
            as_of=as_of(at, until=until, now=now),
            unit=unit.strip(),
            form=form or report.forms[0],
            options=_options(options or []),
        )
        with folder_of_its_own() as folder:
            file = make(report, asked, who=who, source=source, folder=folder)
            content, size, digest = _kept(file)
        _note(given, who, report, asked, digest)
    except Refused as error:
        raise Failed(422, "refused", str(error)) from None
    except FeedsError as error:
        raise Failed(409, "no-key", f"The report cannot be signed: {error}.") from None
    finally:
        _AT_ONCE.release()
    headers = {
        "content-length": str(size),
        "content-disposition": f'attachment; filename="{file.name}"',
        "x-content-sha256": digest,
    }
    kind = file.content_type.removesuffix("; charset=utf-8")  # it is added to all text
    return Stream(_pieces(content), media_type=kind, headers=headers)


def _options(several: list[str]) -> dict[str, str]:
    found = {}
    for one in several:
        name, equals, value = one.partition("=")
        if not equals or len(one) > 8_192:
            raise Refused("An option is written NAME=VALUE, in at most 8192 characters.")
        found[name.strip()] = value.strip()
    return found


def _kept(file: File) -> tuple[IO[bytes], int, str]:
    """The file's content, its size and its SHA-256. It has no name on disk: it goes when nobody reads it any more."""
    kept = tempfile.TemporaryFile()  # noqa: SIM115 - read after this has returned
    if isinstance(file.content, bytes):
        kept.write(file.content)
    else:
        with file.content.open("rb") as content:
            shutil.copyfileobj(content, kept, _BLOCK)
    size = kept.tell()
    kept.seek(0)
    digest = hashlib.file_digest(kept, "sha256").hexdigest()
    kept.seek(0)
    return kept, size, digest


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    with content:
        while piece := content.read(_BLOCK):
            yield piece


def _note(given: Here, who: Who, report: Report, asked: Asked, digest: str) -> None:
    facts: dict[str, str | int | bool | None] = {
        "form": asked.form,
        "from": asked.since,
        "until": asked.until,
        "as_of": asked.as_of,
        "unit": asked.unit,
        "sha256": digest,
    }
    with writing(given.engine) as connection:
        audit.record(connection, at=given.now(), actor=who.name, action="report.made", about=report.name, facts=facts)


ROUTES: Final = (list_reports, make_report)
