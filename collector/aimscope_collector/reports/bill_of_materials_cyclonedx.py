"""A bill of materials as CycloneDX has it: pure. The same unit at the same moment gives the same bytes."""

from __future__ import annotations

import datetime
import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component
    from cyclonedx.model.service import Service as Made
    from packageurl import PackageURL

    from aimscope_collector.services import Service

Version = Literal["1.6", "1.7"]
_NETWORK: Final = frozenset(
    ("dns.query", "tls.client_hello", "http.request", "connection", "cloud.call", "browser.visit", "oauth.grant")
)
_HOSTS: Final = ("host", "server_name", "name")
_SPACE: Final = uuid.UUID("8d0f2f4e-6a57-5c1a-9d0b-6c1f6a1d2c11")
_ECOSYSTEMS: Final = frozenset(("pypi", "npm", "cargo", "gem", "nuget", "composer", "hex", "pub"))
_LONGEST: Final = 500


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence in the unit, on how many computers, and when; days as fine as policy has them."""

    service: str
    kind: str
    fields: Mapping[str, str]
    computers: str
    first: str
    last: str


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit, what was seen there, and how it stands. ``names``, ``states`` and ``rows`` are by service."""

    path: str
    organisation: str
    pieces: tuple[Piece, ...]
    services: Mapping[str, Service]
    names: Mapping[str, str]
    verdicts: Mapping[tuple[str, str], str]
    states: Mapping[str, str]
    rows: Mapping[str, str]
    catalogue: str


def written(unit: Unit, version: Version, *, now: int, made_by: str) -> str:
    """The bill as JSON."""
    from cyclonedx.model.bom import Bom  # noqa: PLC0415 - half a second, and only here
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.output import make_outputter  # noqa: PLC0415
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415

    digest = hashlib.sha256(msgspec.json.encode((unit.path, unit.pieces, now, version))).hexdigest()
    bom = Bom(serial_number=uuid.uuid5(_SPACE, digest))
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(now, datetime.UTC)
    name = clean(unit.path) or clean(unit.organisation) or "organisation"
    bom.metadata.component = Component(name=name, type=ComponentType.PLATFORM, bom_ref="unit")
    bom.metadata.tools.components.add(
        Component(name="aimscope", version=made_by, type=ComponentType.APPLICATION, bom_ref="aimscope")
    )
    bom.metadata.properties.update(_properties({"unit": unit.path, "catalogue": unit.catalogue}))
    by_service: dict[str, list[Piece]] = defaultdict(list)
    for piece in unit.pieces:
        by_service[piece.service].append(piece)
    for id_, pieces in by_service.items():
        if id_:
            bom.services.add(_service(unit, id_, pieces))
        bom.components.update(_components(unit, id_, pieces))
    bom.register_dependency(bom.metadata.component, [*bom.components, *bom.services])
    schema = SchemaVersion.V1_7 if version == "1.7" else SchemaVersion.V1_6
    return make_outputter(bom, OutputFormat.JSON, schema).output_as_string(indent=2) + "\n"


def _service(unit: Unit, id_: str, pieces: list[Piece]) -> Made:
    from cyclonedx.model import XsUri  # noqa: PLC0415
    from cyclonedx.model.contact import OrganizationalEntity  # noqa: PLC0415
    from cyclonedx.model.service import Service as Made  # noqa: PLC0415

    known = unit.services.get(id_)
    hosts = sorted({host for piece in pieces if piece.kind in _NETWORK for host in _host(piece)})
    surface = set(known.surface) if known else set()
    return Made(
        name=clean(unit.names.get(id_, "")) or (known.name if known else id_),
        bom_ref=f"service:{id_}",
        provider=OrganizationalEntity(name=known.vendor) if known and known.vendor else None,
        description=(known.summary or None) if known else None,
        endpoints=[XsUri(f"https://{host}/") for host in hosts],
        x_trust_boundary=bool(hosts) or bool(surface & {"web", "api", "mobile"}),
        properties=_properties(
            {
                "service": id_,
                "category": known.category if known else "",
                "verdict": unit.verdicts.get((id_, ""), "not judged"),
                "state": unit.states.get(id_, ""),
                "conditions": ", ".join(sorted(c for s, c in unit.verdicts if s == id_ and c)),
                "inventory-row": unit.rows.get(id_, ""),
                "first-seen": min((piece.first for piece in pieces if piece.first), default=""),
                "last-seen": max((piece.last for piece in pieces if piece.last), default=""),
            }
        ),
    )


def _host(piece: Piece) -> Iterable[str]:
    for name in _HOSTS:
        host = piece.fields.get(name, "").rstrip(".").casefold()
        if host and len(host) <= 253 and all(one.isalnum() or one in ".-_" for one in host) and host.isascii():
            yield host


def _components(unit: Unit, id_: str, pieces: list[Piece]) -> Iterable[Component]:
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    types = {
        "model": ComponentType.MACHINE_LEARNING_MODEL,
        "code.model": ComponentType.MACHINE_LEARNING_MODEL,
        "application": ComponentType.APPLICATION,
        "editor_extension": ComponentType.APPLICATION,
        "browser_extension": ComponentType.APPLICATION,
        "mcp_server": ComponentType.APPLICATION,
        "service": ComponentType.APPLICATION,
        "package": ComponentType.LIBRARY,
        "code.package": ComponentType.LIBRARY,
        "container": ComponentType.CONTAINER,
        "code.image": ComponentType.CONTAINER,
    }
    for piece in pieces:
        kind = types.get(piece.kind)
        name = next(
            (piece.fields[each] for each in ("id", "package", "image", "model", "name") if piece.fields.get(each)), ""
        )
        if kind is None or not name:
            continue
        yield Component(
            name=clean(name),
            type=kind,
            bom_ref=_ref(id_, piece),
            purl=_purl(piece.fields.get("package", "")),
            properties=_properties(
                {
                    "kind": piece.kind,
                    "service": id_,
                    "unknown": "" if id_ else "yes",
                    "verdict": unit.verdicts.get((id_, ""), ""),
                    **{f"evidence:{key}": value for key, value in piece.fields.items() if value},
                    "computers": piece.computers,
                    "first-seen": piece.first,
                    "last-seen": piece.last,
                }
            ),
        )


def _ref(service: str, piece: Piece) -> str:
    said = msgspec.json.encode((service, piece.kind, sorted(piece.fields.items())))
    return f"{piece.kind}:{hashlib.sha256(said).hexdigest()[:20]}"


def _purl(package: str) -> PackageURL | None:
    """``pypi:openai`` as a package URL; none for what has no type there."""
    from packageurl import PackageURL  # noqa: PLC0415

    manager, colon, name = clean(package).partition(":")
    namespace, slash, last = name.rpartition("/")
    if not colon or manager not in _ECOSYSTEMS or not last:
        return None
    try:
        return PackageURL(type=manager, namespace=namespace if slash else None, name=last)
    except ValueError:
        return None


def _properties(said: Mapping[str, str]) -> list[Property]:
    from cyclonedx.model import Property  # noqa: PLC0415

    return [Property(name=f"aimscope:{name}", value=clean(value)) for name, value in said.items() if value]


def clean(text: str) -> str:
    """A text without what cannot be printed, and not too long."""
    return " ".join("".join(one if one.isprintable() else " " for one in text[: _LONGEST * 2]).split())[:_LONGEST]
