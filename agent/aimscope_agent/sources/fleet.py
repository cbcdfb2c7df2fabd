"""Fleet: the software of its hosts, from its API (`fleetctl get … --json`) or as CSV.

Names of fields: Fleet's own types. The columns of CSV are the same names.
"""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.sources import _software as software
from aimscope_agent.sources._export import Export
from aimscope_agent.sources._names import place
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation

_LISTS = ("software", "softwaretitles", "hosts", "host", "inventory")


def read(export: Export) -> Iterator[Observation]:
    """Software of hosts, or of all hosts together."""
    for row in export.rows(*_LISTS):
        if row.key in {"hosts", "host"} or row.has("software"):
            device = row.text("computername", "hostname", "displayname")
            at = row.text("softwareupdatedat", "detailupdatedat", "seentime")
            for one in row.rows("software"):
                yield from _seen(export, one, device, at)
        else:
            yield from _seen(export, row, row.text("hostname", "computername", "hostdisplayname"), "")


def _seen(export: Export, row: Row, device: str, at: str) -> Iterator[Observation]:
    table, name = row.text("source"), row.text("name")
    if not table or not name:
        export.unreadable(row.number, "rows without a name or source")
        return
    versions = [each.text("version") for each in row.rows("installedversions", "versions")]
    bundles = [each.text("bundleidentifier") for each in row.rows("installedversions")]
    paths = row.texts("installedpaths") if row.has("installedpaths") else ()
    it = software.Software(
        name=name,
        version=row.text("version") or next(filter(None, versions), ""),
        publisher=row.text("vendor"),
        identifier=row.text("bundleidentifier", "extensionid") or next(filter(None, bundles), ""),
        holder=row.text("extensionfor", "browser"),
        path=paths[0] if len(paths) == 1 else "",
    )
    found = software.seen(table, it)
    if found is None:
        export.counts["software of other kinds"] += 1
        return
    user = place(it.path)[1]
    yield export.see(found[0], row.number, subject=user, asset=device, at=at or row.text("countsupdatedat"), **found[1])


SOURCE = Source(
    name="fleet",
    title="Fleet",
    doc="Software of hosts: `GET /api/v1/fleet/hosts?populate_software=true`, `/software/titles`, `/hosts/ID`, or CSV.",
    emits=software.EMITS,
    proves="installed on enrolled hosts when Fleet last asked them",
    cannot="use of what is installed; hosts that are not enrolled; of software titles, on which hosts",
    shapes=(
        Shape("json", ("name", "version", "source", "generatedcpe|bundleidentifier|extensionid|extensionfor|browser")),
        Shape("json", ("name", "source", "versions|installedversions", "hostscount|status|browser|extensionfor")),
        Shape("json", ("softwaretitles", "source")),
        Shape("table", ("name", "version", "source")),
    ),
    read=read,
    verified="source",
)
