"""The services of a catalogue, as the collector sees them."""

from __future__ import annotations

from aimscope_collector.services import Known, Service
from aimscope_signatures.catalogue import Catalogue, Entry
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.sections import SECTIONS
from aimscope_signatures.signature import Clause


def services_of(catalogue: Catalogue) -> tuple[Service, ...]:
    """Every service of a catalogue."""
    return tuple(_service(entry) for entry in catalogue)


def _service(entry: Entry) -> Service:
    signature = entry.signature
    trains = signature.governance.get("trains_on_input")
    return Service(
        id=entry.id,
        name=entry.name,
        vendor=entry.vendor,
        category=entry.category,
        domains=entry.domains,
        own_domains=signature.domains,
        part_of=entry.part_of,
        aliases=entry.aliases,
        surface=entry.surface,
        trains_on_input=str(trains.value) if trains else "",
        summary=signature.summary,
        homepage=signature.homepage,
        known=tuple(
            Known(name, _said(attribute.value), attribute.source, attribute.checked)
            for name, attribute in signature.governance.items()
        ),
        kinds=frozenset(kind for clause in entry.clauses for kind in _kinds(clause) if _lasts(kind)),
    )


def _said(value: str | bool) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


_FLEETING = ("hostname", "ip", "product_name")


def _kinds(clause: Clause) -> tuple[str, ...]:
    """Kinds of evidence in which a clause may hold; none for names of hosts and on bills: they last on no machine."""
    if clause.kind:
        return (clause.kind,)
    section = SECTIONS.get(clause.section)
    return () if section is None or section.type in _FLEETING else tuple(kind for kind, _ in section.targets)


def _lasts(kind: str) -> bool:
    return KINDS[kind].presence in ("installed", "configured")
