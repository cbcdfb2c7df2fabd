"""Reports on paper: a template of this folder as HTML that needs nothing else, and that HTML as PDF."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from aimscope_collector.reports import File, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_PDF: Final = "PDF cannot be made here: {why}. Ask for html, which a browser prints."


@functools.cache
def environment() -> Environment:
    """Templates of reports. Everything put in is escaped."""
    made = Environment(
        loader=PackageLoader("aimscope_collector", "reports/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = _number
    return made


def html(template: str, **values: Any) -> str:
    """A page: one file, with its style in it and no address to fetch."""
    return environment().get_template(template).render(**values)


def pdf(page: str) -> bytes:
    """A page as PDF/UA: text stays text, tagged for screen readers. Raises ``Refused`` where it cannot be drawn.

    Nothing is fetched: what the page shows is in it. The same page gives the same bytes.
    """
    try:
        from weasyprint import HTML  # noqa: PLC0415 - takes a second, and Pango
        from weasyprint.urls import URLFetcher  # noqa: PLC0415
    except (ImportError, OSError) as error:
        raise Refused(_NO_PDF.format(why=f"WeasyPrint or Pango is not installed ({type(error).__name__})")) from None
    document = HTML(string=page, url_fetcher=URLFetcher(allowed_protocols=())).render()
    written = document.write_pdf(pdf_tags=True, pdf_identifier=b"aimscope", uncompressed_pdf=False)
    return bytes(written or b"")


def files(name: str, form: str, page: str) -> Sequence[File]:
    """The one file of a report that is a page: ``html`` or ``pdf``."""
    return (File(f"{name}.pdf", pdf(page)) if form == "pdf" else File(f"{name}.html", page.encode()),)


def _number(value: float | str | None) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:,}"
