"""Components of a bill of materials, in whichever form: by their package URL, else by what they say they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._names import Purl, browser_extension, named, purl
from aimscope_signatures.model import Observation

EMITS: Final = (
    "application",
    "browser_extension",
    "code.endpoint",
    "code.image",
    "code.package",
    "editor_extension",
    "model",
)
_DISTRIBUTIONS: Final = {"deb": "dpkg", "rpm": "rpm", "brew": "brew"}
_IMAGES: Final = frozenset({"docker", "oci"})
_MODELS: Final = frozenset({"huggingface", "mlflow"})
NO_FORMAT: Final = "unstated"
"""Format of a model's weights where a bill of materials names the model alone."""


class Component(msgspec.Struct, frozen=True):
    """One component. ``type`` is in the words of CycloneDX."""

    name: str
    type: str = ""
    version: str = ""
    publisher: str = ""
    purl: str = ""


def seen(export: Export, number: int, it: Component, at: str) -> Iterator[Observation]:
    """What the component is."""
    url = purl(it.purl) if it.purl else None
    if it.purl and url is None:
        export.unreadable(number, "package URLs that are none")
    version = it.version or (url.version if url else "")
    if it.type == "machine-learning-model" or (url and url.type in _MODELS):
        name = url.full if url else it.name
        publisher = it.publisher or (url.namespace if url else "")
        if name:
            yield export.see("model", number, at=at, id=name, format=NO_FORMAT, publisher=publisher)
    elif url is not None:
        yield from _located(export, number, it, url, version, at)
    elif it.type == "container" and it.name:
        yield export.see("code.image", number, at=at, image=it.name, path=export.name)
    elif it.type == "application" and it.name:
        identifier = named(it.name, it.publisher, "other")
        yield export.see(
            "application", number, at=at, id=identifier, name=it.name, version=version, publisher=it.publisher
        )
    else:
        export.counts["components without an identifier"] += 1


def _located(export: Export, number: int, it: Component, url: Purl, version: str, at: str) -> Iterator[Observation]:
    if url.package:
        yield export.see("code.package", number, at=at, package=url.package, how="sbom", path=export.name)
    elif url.type in _DISTRIBUTIONS:
        identifier = f"{_DISTRIBUTIONS[url.type]}:{url.name}"
        yield export.see("application", number, at=at, id=identifier, version=version, publisher=it.publisher)
    elif url.type in _IMAGES:
        image = url.qualifiers.get("repository_url") or url.full
        yield export.see("code.image", number, at=at, image=image, path=export.name)
    elif url.type == "vscode-extension":
        identifier = f"vscode:{url.namespace}.{url.name}".lower()
        yield export.see("editor_extension", number, at=at, id=identifier, editor="vscode", version=version)
    elif url.type == "chrome-extension":
        identifier = browser_extension("chrome", url.name)
        yield export.see("browser_extension", number, at=at, id=identifier, browser="chrome", name=it.name)
    else:
        export.counts["components of other sorts"] += 1
