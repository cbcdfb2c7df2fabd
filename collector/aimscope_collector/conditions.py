"""Conditions of an authorisation that a scan can check, and the limits on hosts and programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from aimscope_collector import evidence
from aimscope_collector.findings import Verdict
from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.inventory.problems import printable
from aimscope_collector.services import below_any
from aimscope_signatures.model import Sighting

BREACHES: Final = {
    "personal_account": "accounts that are not the organisation's",
    "no_stored_credentials": "credentials kept on the machine",
    "no_remote_mcp": "MCP servers on other machines",
    "allowed_domains": "hosts that are not allowed",
    "allowed_processes": "programs that are not allowed",
}
"""What may be broken, and what there then is, for a sentence."""
_NAMED: Final = 5


class Breach(msgspec.Struct, frozen=True):
    """A condition that does not hold, what shows it, and a sentence."""

    condition: str
    verdict: Verdict
    sightings: tuple[Sighting, ...]
    reason: str


def personal_accounts(
    sightings: Iterable[Sighting], organisation: Sequence[str], allowed: Sequence[str] = ()
) -> tuple[Sighting, ...]:
    """Sightings of accounts that are not the organisation's and not allowed by a row.

    Where nothing says which domains are the organisation's, the sensor's own judgement counts, and without one an
    account is not called personal.
    """
    domains = [*organisation, *(account.rpartition("@")[2].casefold().removeprefix("*.") for account in allowed)]
    found = []
    for sighting in sightings:
        domain = evidence.account_domain(sighting)
        if not domain:
            continue
        ours = evidence.flag(sighting, "organisational")
        personal = not below_any(domain, domains) if domains else ours is False
        if personal and ours is not True:
            found.append(sighting)
    return tuple(found)


def breaches(use: AuthorisedUse, sightings: Sequence[Sighting], organisation: Sequence[str]) -> tuple[Breach, ...]:
    """Every condition and limit of a row that the sightings of its service break."""
    name = f'Row "{use.label}"'
    found: list[Breach] = []
    personal = personal_accounts(sightings, organisation, use.allowed_accounts)
    if personal:
        domains = _listed(evidence.account_domain(sighting) for sighting in personal)
        reason = f"It is used with an account at {domains}, which is not one of the organisation's."
        found.append(Breach("personal_account", "condition_unmet", personal, reason))
    credentials = tuple(sighting for sighting in sightings if sighting.kind == "credential")
    if credentials and "no_stored_credentials" in use.conditions:
        reason = f"{name} allows no credential to be kept on the machine, and there is one."
        found.append(Breach("no_stored_credentials", "condition_unmet", credentials, reason))
    remote = tuple(sighting for sighting in sightings if evidence.is_remote_mcp(sighting))
    if remote and "no_remote_mcp" in use.conditions:
        reason = f"{name} allows no MCP server on another machine, and there is one."
        found.append(Breach("no_remote_mcp", "condition_unmet", remote, reason))
    elsewhere = tuple(sighting for sighting in sightings if _other_hosts(sighting, use))
    if elsewhere:
        others = _listed(host for sighting in elsewhere for host in _other_hosts(sighting, use))
        reason = f"{name} allows only {', '.join(use.allowed_domains[:_NAMED])}, and it uses {others}."
        found.append(Breach("allowed_domains", "out_of_scope", elsewhere, reason))
    strangers = tuple(sighting for sighting in sightings if _other_program(sighting, use))
    if strangers:
        others = _listed(evidence.programs(sighting)[0] for sighting in strangers)
        reason = f"{name} allows only the programs {', '.join(use.allowed_processes[:_NAMED])}, and {others} runs."
        found.append(Breach("allowed_processes", "out_of_scope", strangers, reason))
    return tuple(found)


def _listed(names: Iterable[str]) -> str:
    """The first few, fit for a sentence: they come from files that anybody may have written."""
    return printable(", ".join(sorted(set(names))[:_NAMED]))


def _other_hosts(sighting: Sighting, use: AuthorisedUse) -> tuple[str, ...]:
    if not use.allowed_domains:
        return ()
    return tuple(host for host in evidence.hosts(sighting) if not below_any(host, use.allowed_domains))


def _other_program(sighting: Sighting, use: AuthorisedUse) -> bool:
    """Whether a program at work, seen under any of its names, is none of those allowed."""
    if not use.allowed_processes or sighting.kind not in ("process", "connection", "listener"):
        return False
    names = [name.casefold() for name in evidence.programs(sighting)]
    allowed = [name.casefold().removesuffix(".exe") for name in use.allowed_processes]
    return bool(names) and not any(fnmatchcase(name, pattern) for name in names for pattern in allowed)
