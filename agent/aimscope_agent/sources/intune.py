"""Microsoft Intune: discovered apps, as its reports (AppInvRawData and its kin) and Microsoft Graph export them.

Names of columns: Microsoft's list of exportable reports; of `detectedApp`: Microsoft Graph.
"""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._names import named, platform_of
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation


def read(export: Export) -> Iterator[Observation]:
    """Each app of each device, or each app with the number of devices."""
    for row in export.rows("value", "values"):
        name = row.text("applicationname", "displayname")
        if not name:
            export.unreadable(row.number, "rows without a name")
            continue
        publisher = row.text("applicationpublisher", "publisher")
        platform = platform_of(row.text("platform", "osdescription", "platformloc"))
        identifier = named(name, publisher, platform)
        if not identifier:
            export.counts["names that alone tell nothing"] += 1
        devices = [each.text("devicename") for each in row.rows("manageddevices")]
        for device in devices or [row.text("devicename")]:
            yield export.see(
                "application",
                row.number,
                subject=row.text("emailaddress", "username"),
                asset=device,
                id=identifier,
                name=name,
                version=row.text("applicationshortversion", "applicationversion", "version"),
                publisher=publisher,
            )


SOURCE = Source(
    name="intune",
    title="Microsoft Intune",
    doc="Apps > Monitor > Discovered apps > Export (CSV or its zip), or `detectedApps` of Microsoft Graph.",
    emits=("application",),
    proves="installed on enrolled devices, as of their last inventory (Windows programs once a day, others weekly)",
    cannot="use of what is installed; devices that are not enrolled; apps of Macs, which it knows by name alone; "
    "extensions, packages, tools without an installer",
    shapes=(
        Shape("table", ("applicationname", "applicationversion", "applicationkey|devicename|applicationpublisher")),
        Shape("json", ("applicationname", "applicationversion", "applicationkey|devicename|applicationpublisher")),
        Shape("json", ("displayname", "version", "devicecount", "sizeinbyte|platform")),
    ),
    read=read,
)
