"""How risky a use is: likelihood × impact, every factor with its weight and a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from aimscope_collector import evidence
from aimscope_collector.findings import Factor, Level, RiskRating
from aimscope_collector.inventory.model import Weights
from aimscope_collector.services import Service
from aimscope_signatures.model import Sighting

MANY: Final = 5
LARGE_UPLOAD: Final = 10_000_000
_AGENTIC: Final = frozenset({"coding-agent", "agent-builder", "automation"})
_LOCAL: Final = frozenset({"local-runtime"})
_TRAINS: Final = frozenset({"yes", "opt-out"})


def rate(
    sightings: Sequence[Sighting], service: Service | None, *, personal_account: bool, weights: Weights
) -> RiskRating:
    """The risk of a use that at least one sighting shows. ``service`` is ``None`` if no catalogue knows it."""
    factors = (
        *_likelihood(sightings, weights),
        *_impact(sightings, service, personal_account, weights),
    )
    likelihood = _side(factors, "likelihood", weights.likelihood_base)
    impact = _side(factors, "impact", weights.impact_base)
    return RiskRating(likelihood, impact, level(likelihood, impact), factors)


def level(likelihood: int, impact: int) -> Level:
    """The field of the matrix."""
    product = likelihood * impact
    return "critical" if product >= 16 else "high" if product >= 10 else "medium" if product >= 5 else "low"


def _side(factors: Sequence[Factor], side: Literal["likelihood", "impact"], base: float) -> int:
    total = base + sum(factor.weight for factor in factors if factor.side == side)
    return min(5, max(1, math.floor(total + 0.5)))


def _likelihood(sightings: Sequence[Sighting], weights: Weights) -> list[Factor]:
    presence = evidence.best_presence(sightings)
    says = {
        "uploaded": "It was seen at work, with large uploads.",
        "used": "It was seen at work.",
        "attempted": "Somebody tried to use it, and was blocked.",
        "installed": "It is installed.",
        "configured": "It is set up.",
        "mentioned": "It is only mentioned.",
    }
    found = [_factor(weights, f"presence_{presence}", "likelihood", says[presence])]
    identity = evidence.best_identity(sightings)
    if identity != "low":
        sentence = {
            "certain": "There is no doubt that it is this service.",
            "high": "It is very probably this service.",
            "medium": "It is probably this service.",
        }[identity]
        found.append(_factor(weights, f"identity_{identity}", "likelihood", sentence))
    pieces = len({(sighting.kind, sighting.evidence) for sighting in sightings})
    if pieces >= MANY:
        found.append(_factor(weights, "many_evidences", "likelihood", f"{pieces} pieces of evidence agree."))
    return found


def _impact(
    sightings: Sequence[Sighting], service: Service | None, personal_account: bool, weights: Weights
) -> list[Factor]:
    uploaded = sum(sighting.bytes_out or 0 for sighting in sightings)
    credentials = sum(sighting.kind == "credential" for sighting in sightings)
    category = service.category if service else ""
    agentic = category in _AGENTIC or any(sighting.kind == "mcp_server" for sighting in sightings)
    local = category in _LOCAL and not any(map(evidence.leaves_the_machine, sightings))
    trains = service is not None and service.trains_on_input in _TRAINS
    tests = (
        ("upload_volume", uploaded >= LARGE_UPLOAD, f"{uploaded // 1_000_000:,} MB were sent to it."),
        ("credential", credentials > 0, "A credential for it is kept on the machine."),
        ("personal_account", personal_account, "It is used with an account outside the organisation."),
        ("remote_mcp", any(map(evidence.is_remote_mcp, sightings)), "An MCP server on another machine is connected."),
        ("agentic", agentic, "It can act by itself, with the user's rights."),
        ("trains_on_input", trains, "The vendor trains on what it is given, unless told otherwise."),
        ("unknown_vendor", service is None or not service.vendor, "Who runs it is not known."),
        ("local_only", local, "It works on this machine, and nothing shows that data leaves it."),
    )
    return [_factor(weights, name, "impact", sentence) for name, holds, sentence in tests if holds]


def _factor(weights: Weights, name: str, side: Literal["likelihood", "impact"], sentence: str) -> Factor:
    weight: float = getattr(weights, name)
    return Factor(name, side, weight, sentence)
