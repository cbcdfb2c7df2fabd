"""Plug-ins of JetBrains' products and Android Studio, by the descriptor in them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from xml.parsers import expat

from aimscope_agent.host.facts import Found, Platform
from aimscope_agent.sensor import MEGABYTE, Look
from aimscope_signatures.model import Observation, Status

_IN: dict[Platform, tuple[str, ...]] = {
    "linux": ("~/.local/share/{JetBrains,Google}/*/*",),
    "macos": ("~/Library/Application Support/{JetBrains,Google}/*/plugins/*",),
    "windows": ("~/AppData/Roaming/{JetBrains,Google}/*/plugins/*",),
}
WANTS = tuple(glob + end for globs in _IN.values() for glob in globs for end in ("/", ".jar"))

_PRODUCT = re.compile(r"([A-Za-z]{2,64}?)(?:Preview)?\d{4}\.\d{1,2}(?:\.\d+)?")
_DESCRIPTOR = "META-INF/plugin.xml"
_MOST_JARS = 200
_LARGEST = 4 * MEGABYTE


def observe(look: Look) -> Iterator[Observation]:
    """Each folder and each archive of a product that holds a descriptor."""
    for glob in _IN[look.platform]:
        for plugin in (*look.found(glob + "/"), *look.found(glob + ".jar")):
            product = _PRODUCT.fullmatch(_product(plugin, look.platform))
            if product is None:
                continue
            identity = _of_folder(look, plugin) if plugin.folder else _of_jar(look, plugin)
            if identity is not None:
                yield look.see(
                    "editor_extension",
                    plugin,
                    id=f"jetbrains:{identity[0]}",
                    editor=product[1].lower(),
                    version=identity[1],
                    path=plugin.path,
                )


def _product(plugin: Found, platform: Platform) -> str:
    return plugin.host_path.split("/")[-2 if platform == "linux" else -3]


def _of_folder(look: Look, plugin: Found) -> tuple[str, str] | None:
    for folder in ("", "/classes"):
        text = look.text(f"{plugin.host_path}{folder}/{_DESCRIPTOR}")
        if text is not None and (identity := read_descriptor(text.encode("utf-8", "replace"))) is not None:
            return identity
    jars = [found for found in look.entries(f"{plugin.host_path}/lib") if found.host_path.endswith(".jar")]
    own = plugin.host_path.rpartition("/")[2].lower()
    if len(jars) > _MOST_JARS:
        look.gap(plugin.path, Status.PARTIAL, f"more than {_MOST_JARS} archives")
    for jar in sorted(jars, key=lambda found: _likely(found, own))[:_MOST_JARS]:
        if (identity := _of_jar(look, jar)) is not None:
            return identity
    return None


def _likely(jar: Found, own: str) -> tuple[bool, bool, str]:
    """Sorts archives: first those named like the plug-in, last those with the version of a library."""
    name = jar.host_path.rpartition("/")[2].lower()
    return not name.startswith(own), re.search(r"-\d", name) is not None, name


def _of_jar(look: Look, jar: Found) -> tuple[str, str] | None:
    data = look.member(jar, _DESCRIPTOR, _LARGEST) if look.size(jar) else None
    return read_descriptor(data) if data else None


def read_descriptor(data: bytes) -> tuple[str, str] | None:
    """Id and version of a ``plugin.xml``; the name stands for an id that is left out."""
    told: dict[str, str] = {}
    path: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        path.append(name)

    def end(_: str) -> None:
        path.pop()

    def text(data: str) -> None:
        if len(path) == 2 and path[0] == "idea-plugin" and path[1] in ("id", "name", "version"):
            told[path[1]] = (told.get(path[1], "") + data)[:512]

    def refuse(*_: object) -> None:
        raise ValueError("declares entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.EntityDeclHandler = refuse
    # What stands before an error still counts.
    with contextlib.suppress(expat.ExpatError, ValueError, LookupError):
        parser.Parse(data, True)
    plugin = told.get("id", "").strip() or told.get("name", "").strip()
    return (plugin, told.get("version", "").strip()) if plugin else None
