"""What a sighting says about hosts, programs, accounts and servers, whatever its kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from aimscope_collector.inventory.problems import printable
from aimscope_signatures.kinds import IDENTITIES, KINDS, PRESENCES, Identity, Presence
from aimscope_signatures.model import Sighting

_YES: Final = frozenset({"true", "yes", "1"})
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104  # nothing binds to it
_ABOUT: Final = attrgetter("service", "kind", "evidence")
_WHOSE: Final = attrgetter("subject", "asset", "month")


def ordered(sightings: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """Each once, in an order that depends on nothing but what they say."""
    about: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        about[_ABOUT(sighting)].append(sighting)
    found: list[Sighting] = []
    for key in sorted(about):
        several = sorted(about[key], key=_WHOSE)
        last = None
        tied = False
        for sighting in several:
            whose = _WHOSE(sighting)
            tied = tied or whose == last
            last = whose
        # a full comparison is dear, and seldom needed
        found += _ordered_in_full(several) if tied else several
    return tuple(found)


def _ordered_in_full(sightings: Iterable[Sighting]) -> list[Sighting]:
    return sorted({_order(sighting): sighting for sighting in sightings}.values(), key=_order)


def _order(sighting: Sighting) -> tuple[object, ...]:
    return (
        *(sighting.subject, sighting.asset, sighting.month),
        *(sighting.identity, sighting.presence, sighting.first, sighting.last, sighting.count, sighting.days),
        *(sighting.sources, sighting.details, tuple((held.field, held.operator, held.value) for held in sighting.held)),
        *(-1 if volume is None else volume for volume in (sighting.bytes_out, sighting.bytes_in)),
    )


def best_identity(sightings: Iterable[Sighting]) -> Identity:
    """The surest identity among sightings, of which there is at least one."""
    return max({sighting.identity for sighting in sightings}, key=IDENTITIES.index)


def best_presence(sightings: Iterable[Sighting]) -> Presence:
    """The strongest presence among sightings, of which there is at least one."""
    return max({sighting.presence for sighting in sightings}, key=PRESENCES.index)


def only_attempted(sightings: Iterable[Sighting]) -> bool:
    """Whether nothing but attempts that were blocked was seen."""
    return all(sighting.presence == "attempted" for sighting in sightings)


def value(sighting: Sighting, field: str) -> str:
    """A field of the evidence or the details; empty if absent."""
    return dict(sighting.details).get(field, "") or dict(sighting.evidence).get(field, "")


def flag(sighting: Sighting, field: str) -> bool | None:
    """A yes-or-no field; ``None`` if absent."""
    text = value(sighting, field).casefold()
    return text in _YES if text else None


def _of_type(sighting: Sighting, wanted: str) -> Iterator[str]:
    kind = KINDS.get(sighting.kind)
    for field, text in sighting.evidence:
        if kind is not None and field in kind.fields and kind.fields[field].type == wanted and text:
            yield text


def hosts(sighting: Sighting) -> tuple[str, ...]:
    """Host names the evidence is about, without this machine itself."""
    return tuple(host for host in _of_type(sighting, "hostname") if host not in _LOOPBACK)


def programs(sighting: Sighting) -> tuple[str, ...]:
    """Names under which a program ran: its executable, and the package an interpreter ran."""
    names = list(_of_type(sighting, "process_name"))
    for package in _of_type(sighting, "package"):
        bare = package.partition(":")[2] or package
        names += [package, bare, bare.rpartition("/")[2]]
    return tuple(dict.fromkeys(names))


def account_domain(sighting: Sighting) -> str:
    """The domain of an account; empty if the sighting is about none."""
    return value(sighting, "domain").casefold().rstrip(".") if sighting.kind == "account" else ""


def is_remote_mcp(sighting: Sighting) -> bool:
    """Whether the sighting is an MCP server on another machine."""
    return sighting.kind == "mcp_server" and (flag(sighting, "remote") is True or bool(hosts(sighting)))


def leaves_the_machine(sighting: Sighting) -> bool:
    """Whether the sighting shows, or prepares, something being sent to another machine."""
    return bool(hosts(sighting)) or sighting.kind in ("account", "credential") or is_remote_mcp(sighting)


def describe(sighting: Sighting) -> str:
    """One piece of evidence in a few words: ``package pypi:openai``."""
    said = ", ".join(text for field, text in sighting.evidence if text and field != "blocked")
    return printable(f"{sighting.kind.replace('_', ' ').replace('.', ' ')} {said}".strip())


def label(sighting: Sighting) -> str:
    """What a model or an MCP server calls itself; empty for anything else."""
    return value(sighting, {"model": "id", "mcp_server": "name"}.get(sighting.kind, ""))


def title(sighting: Sighting) -> str:
    """What people may call AI that no catalogue knows, by its evidence: ``MCP server crm (mcp.example)``."""
    match sighting.kind:
        case "mcp_server":
            what = [text for field in ("name", "package", "host") if (text := value(sighting, field))]
            name = what[0] + (f" ({what[-1]})" if len(what) > 1 else "") if what else ""
            return printable(f"MCP server {name}".strip())
        case "model":
            return printable(f"Model {value(sighting, 'id')}".strip())
        case "http.response":
            return printable(f"Server that speaks OpenAI's API, port {value(sighting, 'port')}")
        case "http.request":
            return printable(f"AI API at {value(sighting, 'host')}")
        case "cloud.call":
            where = value(sighting, "host")
            return printable(f"Model {value(sighting, 'model')}" + (f" at {where}" if where else ""))
    return describe(sighting)
