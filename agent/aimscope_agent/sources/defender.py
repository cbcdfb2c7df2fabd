"""Microsoft Defender for Endpoint: inventories of software and of browser extensions.

Names of fields: Microsoft's documentation of the export assessments and of the tables of advanced hunting. verified:
memory for the CSV of the portal's software page (Name, Vendor, OS platform).
"""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._names import browser_extension, named
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation


def read(export: Export) -> Iterator[Observation]:
    """Software, or extensions, of each device or of all."""
    for row in export.rows("value", "results"):
        if row.has("extensionid"):
            yield from _extension(export, row)
        else:
            yield from _software(export, row)


def _software(export: Export, row: Row) -> Iterator[Observation]:
    # Defender writes names in lower case, and words parted by underscores: `chatgpt`, `lm_studio`.
    name = row.text("softwarename", "name").replace("_", " ")
    vendor = row.text("softwarevendor", "vendor").replace("_", " ")
    if not name:
        export.unreadable(row.number, "rows without a name")
        return
    # its names are its own on every platform: together with the vendor they say what Windows' list says
    yield export.see(
        "application",
        row.number,
        asset=row.text("devicename", "deviceid"),
        at=row.text("lastseentime", "timestamp"),
        id=named(name, vendor, "other"),
        name=name,
        version=row.text("softwareversion"),
        publisher=vendor,
    )


def _extension(export: Export, row: Row) -> Iterator[Observation]:
    browser = row.text("browsername")
    identifier = browser_extension(browser, row.text("extensionid"))
    if not identifier:
        export.unreadable(row.number, "rows without an identifier")
        return
    yield export.see(
        "browser_extension",
        row.number,
        asset=row.text("devicename", "deviceid"),
        at=row.text("timestamp"),
        id=identifier,
        browser=browser,
        name=row.text("extensionname"),
        version=row.text("extensionversion"),
        enabled=row.flag("isactivated"),
    )


SOURCE = Source(
    name="defender",
    title="Microsoft Defender for Endpoint",
    doc="`/api/machines/SoftwareInventoryByMachine`, `/api/machines/BrowserExtensionsInventoryByMachine`, "
    "`/api/Software`, or rows of the tables DeviceTvmSoftwareInventory, DeviceTvmSoftwareEvidenceBeta and "
    "DeviceTvmBrowserExtensions (JSON or CSV).",
    emits=("application", "browser_extension"),
    proves="installed on onboarded devices",
    cannot="use of what is installed; devices that are not onboarded; software that Microsoft does not catalogue",
    shapes=(
        Shape("json", ("softwarevendor", "softwarename", "softwareversion")),
        Shape("table", ("softwarevendor", "softwarename", "softwareversion")),
        Shape("json", ("browsername", "extensionid", "extensionname")),
        Shape("table", ("browsername", "extensionid", "extensionname")),
        Shape("json", ("name", "vendor", "exposedmachines", "weaknesses")),
        Shape("table", ("name", "vendor", "weaknesses", "exposeddevices|exposedmachines|osplatform")),
    ),
    read=read,
)
