"""osquery: rows of its tables, from `osqueryi --json` or from the result log of a fleet.

Names of tables and columns: osquery's own table specifications.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from aimscope_agent.launch import resolve
from aimscope_agent.sources import _names as names
from aimscope_agent.sources import _software as software
from aimscope_agent.sources._export import Export
from aimscope_agent.sources._rows import Row
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation, Value
from aimscope_signatures.normalise import image as plain_image

_TABLES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("docker_containers", ("image", "imageid", "name")),
    ("docker_images", ("tags", "sizebytes")),
    ("listening_ports", ("pid", "port", "address")),
    ("processes", ("pid", "name", "cmdline")),
    ("vscode_extensions", ("name", "publisher", "version", "uuid")),
    ("chrome_extensions", ("identifier", "permissions")),
    ("chrome_extensions", ("identifier", "updateurl")),
    ("chrome_extensions", ("identifier", "browsertype")),
    ("firefox_addons", ("identifier", "creator")),
    ("firefox_addons", ("identifier", "sourceurl")),
    ("safari_extensions", ("identifier", "sdk")),
    ("apps", ("bundleidentifier", "name")),
    ("programs", ("name", "version", "installlocation")),
    ("programs", ("name", "version", "uninstallstring")),
    ("programs", ("name", "version", "identifyingnumber")),
    ("deb_packages", ("name", "version", "maintainer")),
    ("rpm_packages", ("name", "version", "release", "epoch")),
    ("rpm_packages", ("name", "version", "release", "vendor")),
    ("deb_packages", ("name", "version", "arch", "revision")),
)
"""Columns by which a row's table is known; results do not name it."""
_BY_PATH: Final = (
    ("homebrew_packages", "/Cellar/"),
    ("homebrew_packages", "/Caskroom/"),
    ("npm_packages", "node_modules"),
    ("python_packages", "-packages"),
    ("chocolatey_packages", "hocolatey"),
)
"""Tables of like columns, told apart by where their rows lie."""
_TCP: Final = ("", "6", "tcp")


def read(export: Export) -> Iterator[Observation]:
    """Rows of every table that is understood; what was removed since the last result is no longer there."""
    for outer in export.rows():
        for row in _inner(export, outer):
            table = _table(row)
            found = list(_seen(table, row))
            if not table:
                export.counts["rows of other tables"] += 1
            elif not found and table not in _MAY_BE_NOTHING:
                export.unreadable(row.number, "rows without a name")
            around = outer.row("decorations")
            user = row.text("username", "user") or around.text("username") or _owner(row)
            for kind, fields in found:
                yield export.see(
                    kind,
                    row.number,
                    subject=user,
                    asset=row.text("hostname", "computername")
                    or around.text("hostname", "computername")
                    or outer.text("hostidentifier"),
                    at=outer.text("unixtime", "calendartime"),
                    **fields,
                )


def _owner(row: Row) -> str:
    """Whose home it lies in."""
    return names.place(row.text("profilepath", "path", "directory", "installlocation"))[1]


def _inner(export: Export, outer: Row) -> Iterator[Row]:
    """A row as it is, or those of a line of the result log."""
    if not outer.has("action") and not outer.has("hostidentifier"):
        yield outer
    elif outer.text("action") == "removed":
        export.counts["removed"] += 1
    elif outer.has("columns"):
        yield outer.row("columns")
    else:
        yield from outer.rows("snapshot")
        yield from outer.row("diffresults").rows("added")


def _table(row: Row) -> str:
    for table, columns in _TABLES:
        if row.has(*columns):
            return table
    if row.has("name", "version"):
        place = row.text("path", "directory")
        return next((table for table, part in _BY_PATH if part in place), "")
    return ""


_MAY_BE_NOTHING: Final = frozenset({"docker_images", "listening_ports", "deb_packages", "firefox_addons"})


def _seen(table: str, row: Row) -> Iterator[software.Seen]:
    match table:
        case "":
            return
        case "docker_images":
            for tag in row.texts("tags"):
                if "<none>" not in tag:
                    yield "container", {"image": plain_image(tag), "runtime": "docker", "tag": _tag(tag)}
        case "docker_containers":
            image = row.text("image")
            if image:
                running = row.text("state") == "running"
                fields: software.Fields = {"image": plain_image(image), "runtime": "docker", "tag": _tag(image)}
                yield "container", {**fields, "name": row.text("name").lstrip("/"), "running": running}
        case "listening_ports":
            port = row.text("port")
            if row.text("protocol") in _TCP and port.isdecimal() and 0 < int(port) < 65_536:
                yield "listener", {"port": int(port), "address": row.text("address"), "process": row.text("name")}
        case "processes":
            yield from _process(row)
        case "deb_packages" if row.text("status") and "install ok installed" not in row.text("status"):
            return  # taken away, but for its configuration
        case _:
            found = software.seen(table, _software(table, row))
            if found is not None:
                disabled = row.flag("disabled") if table == "firefox_addons" else None
                enabled = {"0": False, "1": True}.get(row.text("state")) if table == "chrome_extensions" else None
                more: dict[str, Value | None] = {"enabled": not disabled if disabled is not None else enabled}
                yield found[0], {**found[1], **{name: value for name, value in more.items() if value is not None}}


def _software(table: str, row: Row) -> software.Software:
    return software.Software(
        name=row.text("name"),
        version=row.text("bundleshortversion", "version"),
        publisher=row.text("maintainer", "vendor", "publisher"),
        identifier=row.text("bundleidentifier") if table == "apps" else row.text("identifier"),
        holder=row.text("browsertype", "vscodeedition", "type") if table != "firefox_addons" else "",
        path=row.text("path", "directory", "installlocation"),
    )


def _process(row: Row) -> Iterator[software.Seen]:
    exe = row.text("path")
    try:
        argv = shlex.split(row.text("cmdline"), posix="\\" not in row.text("cmdline"))
    except ValueError:
        argv = row.text("cmdline").split()
    launch = resolve([word.strip('"') for word in argv], exe)
    name = launch.process or row.text("name").removesuffix(".exe")
    if name:
        yield "process", {"name": name, "exe": names.place(exe)[0], "package": launch.package}


def _tag(image: str) -> str:
    return image.rpartition("/")[2].partition("@")[0].partition(":")[2]


SOURCE = Source(
    name="osquery",
    title="osquery",
    doc="Rows of osquery's tables: `osqueryi --json 'select * from apps'`, or the result log of a fleet.",
    emits=(*software.EMITS, "container", "listener", "process"),
    proves="installed or running on the machines that were asked, when they were asked",
    cannot="use of what is installed; tables that were not asked for; machines without osquery",
    shapes=(
        *(Shape("json", columns) for _, columns in _TABLES),
        *(Shape("json", ("name", "version", "path|directory"), pattern) for pattern in (r"/Cellar/", r"/Caskroom/")),
        Shape("json", ("name", "version", "summary", "path|directory")),
        Shape("json", ("name", "version", "directory", "author")),
        Shape("json", ("hostidentifier", "columns|snapshot|diffresults", "unixtime"), '"hostIdentifier"'),
    ),
    read=read,
    verified="source",
)
