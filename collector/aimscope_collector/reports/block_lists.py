"""Block lists: names of prohibited services only, for resolvers, proxies, firewalls and endpoints.

Only what is prohibited for the whole of what is asked for is listed, and only domains that the catalogue calls the
service's own. What would hit anything else is left out, and the list says what and why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from aimscope_collector.reports import File, Option, Refused, Report, ReportInput, never_block
from aimscope_collector.reports.block_lists_formats import KINDS, MOST_INDICATORS, TEXTS, render
from aimscope_collector.reports.block_lists_prohibited import Ban, bans
from aimscope_collector.reports.never_block import Guards, above, domain_name
from aimscope_collector.services import Service, same_vendor

_SINGLE_HOST: Final = "a single host of a domain that others share: not the service's own"
_NOT_A_NAME: Final = "not a domain name that a list can hold"


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """A domain to block with all below it, for the service it is of. ``until`` in seconds where the ban ends.

    ``also`` are other services of the same vendor that it blocks, of which nobody decided anything.
    """

    domain: str
    service: str
    name: str
    why: str
    also: tuple[str, ...] = ()
    until: int | None = None


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """What is not blocked: a domain, or a whole service where it is empty, and why."""

    service: str
    name: str
    domain: str = ""
    why: str


class BlockList(msgspec.Struct, frozen=True, kw_only=True):
    """The list: for everybody, or for a unit with all below."""

    unit: str
    blocked: tuple[Blocked, ...]
    left_out: tuple[LeftOut, ...]


def block_list(
    services: Mapping[str, Service], several: Mapping[str, Ban], *, unit: str = "", guards: Guards
) -> BlockList:
    """The list of what is prohibited; see ``Ban``. Services without a ban are never hit."""
    prohibited = {id_: ban for id_, ban in several.items() if ban.prohibited and not ban.spared}
    others = _others(services, prohibited)
    found: dict[str, Blocked] = {}
    left: list[LeftOut] = []
    for id_, ban in sorted(several.items()):
        known = services.get(id_)
        if known is None or not ban.prohibited:
            continue
        if ban.spared:
            left.append(LeftOut(service=id_, name=known.name, why=ban.spared))
            continue
        parent = services.get(known.part_of) if known.part_of not in prohibited else None
        for text in sorted({*known.own_domains, *known.domains}):
            domain = domain_name(text)
            why = _why_not(text, domain, known, parent, others, several, services, guards)
            if why or domain is None:
                left.append(LeftOut(service=id_, name=known.name, domain=text, why=why))
            elif domain not in found:
                also = tuple(sorted({services[each].name for each in others.get(domain, ())}))
                found[domain] = Blocked(
                    domain=domain, service=id_, name=known.name, why=ban.why, also=also, until=ban.until
                )
    wide = {domain for domain in found if not any(each in found for each in list(above(domain))[1:])}
    return BlockList(
        unit=unit,
        blocked=tuple(found[domain] for domain in sorted(wide)),
        left_out=tuple(sorted(left, key=lambda one: (one.name.casefold(), one.domain))),
    )


def _others(services: Mapping[str, Service], prohibited: Mapping[str, Ban]) -> Mapping[str, Sequence[str]]:
    """Every name that blocking would hit somebody else with → ids of services that are not prohibited."""
    found: dict[str, list[str]] = defaultdict(list)
    for service in services.values():
        if service.id not in prohibited:
            for domain in {name.rstrip(".").casefold() for name in (*service.domains, *service.own_domains)}:
                for wide in above(domain):
                    found[wide].append(service.id)
    return found


def _why_not(
    text: str,
    domain: str | None,
    service: Service,
    parent: Service | None,
    others: Mapping[str, Sequence[str]],
    several: Mapping[str, Ban],
    services: Mapping[str, Service],
    guards: Guards,
) -> str:
    if text not in service.own_domains:
        return _SINGLE_HOST
    if domain is None:
        return _NOT_A_NAME
    if why := guards.why_not(domain):
        return why
    hit = [id_ for id_ in others.get(domain, ()) if id_ != service.id]
    allowed = [id_ for id_ in hit if id_ in several and several[id_].needed]
    if allowed:
        return f"{_names(allowed, services)} needs it, and may be used"
    strangers = [id_ for id_ in hit if not _same_maker(services[id_], service)]
    if strangers:
        return f"it belongs to {_names(strangers, services)} as well, which nobody prohibited"
    if parent is not None and any(wide in parent.domains for wide in above(domain)):
        return f"it is part of {parent.name}, which nobody prohibited"
    return ""


def _same_maker(one: Service, other: Service) -> bool:
    return bool(one.vendor) and same_vendor(one.vendor) == same_vendor(other.vendor)


def _names(ids: Iterable[str], services: Mapping[str, Service]) -> str:
    names = sorted({services[id_].name for id_ in ids})
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def make(given: ReportInput) -> Sequence[File]:
    """The list as text of a kind, for Defender, as JSON with what was left out, or as all of these."""
    several = bans(given)
    found = block_list(given.services, several, unit=given.asked.unit.strip("/"), guards=never_block.built_in())
    form = given.asked.form
    if form == "json":
        return (File("block-list.json", msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"),)
    kinds = {"csv": ("defender",), "txt": (given.asked.options.get("kind", "hosts"),)}.get(form, KINDS)
    files = [file for each in kinds for file in render(each, found, now=given.now, catalogue=given.catalogue)]
    if form == "csv" and len(files) > 1:
        raise Refused(f"Defender takes {MOST_INDICATORS} indicators of a file, and there are more: ask for zip.")
    if form == "zip":
        files.append(File("left-out.json", msgspec.json.format(msgspec.json.encode(found.left_out), indent=2) + b"\n"))
    return files


REPORT: Final = Report(
    name="block-lists",
    title="Block lists",
    description="Names of prohibited services for resolvers, proxies, firewalls and Defender, and what was left out.",
    forms=("txt", "csv", "json", "zip"),
    takes=frozenset(("unit",)),
    options=(
        Option(name="kind", description="Who reads the txt; csv is for Defender.", choices=TEXTS, default="hosts"),
    ),
    make=make,
)
