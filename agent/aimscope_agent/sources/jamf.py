"""Jamf Pro: applications of Macs, from its API or an advanced search that was exported as CSV.

Names of API fields: Jamf's inventory types as published clients have them. verified: memory for the columns of CSV,
which moreover depend on what the search displays.
"""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._names import place
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation


def read(export: Export) -> Iterator[Observation]:
    """Each application of each Mac."""
    for row in export.rows("results", "computer", "computers"):
        if row.key or row.has("general"):
            general, person = row.row("general"), row.row("userandlocation", "location")
            device = general.text("name") or row.text("name")
            at = general.text("reportdate", "lastcontacttime", "reportdateutc")
            applications = (
                row.rows("applications") if row.has("applications") else row.row("software").rows("applications")
            )
            for one in applications:
                yield from _seen(export, one, device, person.text("username", "email", "emailaddress"), at)
        else:
            user = row.text("username", "emailaddress")
            yield from _seen(export, row, row.text("computername", "devicename"), user, row.text("lastinventoryupdate"))


def _seen(export: Export, row: Row, device: str, user: str, at: str) -> Iterator[Observation]:
    name = row.text("name", "applicationtitle", "applicationname", "title")
    bundle = row.text("bundleid", "applicationbundleid", "bundleidentifier", "applicationbundleidentifier")
    if not name and not bundle:
        export.unreadable(row.number, "rows without a name")
        return
    if not bundle:
        export.counts["names that alone tell nothing"] += 1
    path, owner = place(row.text("path", "applicationpath"))
    yield export.see(
        "application",
        row.number,
        subject=owner or user,
        asset=device,
        at=at,
        id=f"bundle:{bundle}" if bundle else "",
        name=name.removesuffix(".app"),
        version=row.text("version", "applicationversion"),
        path=path,
    )


SOURCE = Source(
    name="jamf",
    title="Jamf Pro",
    doc="`/api/v1/computers-inventory?section=GENERAL&section=USER_AND_LOCATION&section=APPLICATIONS`, or an advanced "
    "search of computers exported as CSV with application name, version and bundle identifier.",
    emits=("application",),
    proves="installed on enrolled Macs, as of their last inventory",
    cannot="use of what is installed; Macs that are not enrolled; apps outside the folders it searches; apps of a CSV "
    "without bundle identifiers",
    shapes=(
        Shape("json", ("bundleid", "applications", "name")),
        Shape("json", ("general", "applications", "name")),
        Shape("table", ("computername", "applicationtitle|applicationname|applicationbundleid")),
    ),
    read=read,
    verified="source",
)
