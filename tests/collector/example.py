"""A small catalogue, and sightings of it."""

from __future__ import annotations

import datetime
from typing import Any

from aimscope_collector.findings import Finding, Reconciliation, Verdict
from aimscope_collector.inventory.model import AuthorisedUse, Inventory, Organisation
from aimscope_collector.reconcile import reconcile
from aimscope_collector.services import Service
from aimscope_signatures.kinds import Identity, Presence
from aimscope_signatures.model import Coverage, Sighting, Status

TODAY = datetime.date(2026, 11, 23)
YESTERDAY = datetime.date(2026, 11, 22)
TOMORROW = datetime.date(2026, 11, 24)

SERVICES = (
    Service(
        id="cursor",
        name="Cursor",
        vendor="Anysphere",
        category="coding-assistant",
        domains=("cursor.com", "cursor.sh"),
        aliases=("Cursor IDE",),
        kinds=frozenset({"application", "config_file"}),
    ),
    Service(
        id="chatgpt",
        name="ChatGPT",
        vendor="OpenAI",
        category="assistant",
        domains=("chatgpt.com",),
        trains_on_input="opt-out",
        kinds=frozenset(),
    ),
    Service(
        id="openai-api",
        name="OpenAI API",
        vendor="OpenAI",
        category="api-provider",
        domains=("api.openai.com",),
        kinds=frozenset({"package", "credential"}),
    ),
    Service(
        id="ollama",
        name="Ollama",
        vendor="Ollama",
        category="local-runtime",
        kinds=frozenset({"model", "application"}),
    ),
    Service(id="otter", name="Otter", vendor="Otter.ai", category="meeting-assistant", domains=("otter.ai",)),
    Service(id="github-copilot", name="GitHub Copilot", vendor="GitHub", category="coding-assistant"),
    Service(
        id="bedrock",
        name="Amazon Bedrock",
        vendor="AWS",
        category="cloud-platform",
        domains=("bedrock-runtime.*.amazonaws.com",),
    ),
    Service(id="mystery", name="Mystery"),
)


def see(
    service: str,
    kind: str = "package",
    /,
    *,
    identity: Identity = "high",
    presence: Presence = "installed",
    subject: str = "",
    asset: str = "",
    last: int = 1_790_000_000,
    details: dict[str, str] | None = None,
    **evidence: str,
) -> Sighting:
    """A sighting of a service."""
    return Sighting(
        month="2026-11",
        asset=asset,
        service=service,
        kind=kind,
        subject=subject,
        evidence=tuple(evidence.items()),
        identity=identity,
        presence=presence,
        count=1,
        first=last,
        last=last,
        days=1,
        details=tuple((details or {}).items()),
    )


def use(**fields: Any) -> AuthorisedUse:
    """A row about Cursor, approved unless said otherwise."""
    return AuthorisedUse(**{"name": "Cursor", "status": "approved", **fields})


def inventory(*systems: AuthorisedUse, domains: tuple[str, ...] = ("corp.example",), **fields: Any) -> Inventory:
    """An inventory of rows."""
    return Inventory(
        aimscope_inventory=1, organisation=Organisation(name="Corp", domains=domains), systems=systems, **fields
    )


CURSOR = see("cursor", "application", id="dpkg:cursor")
COMPLETE = (Coverage("applications", Status.COMPLETE), Coverage("mcp", Status.COMPLETE))
EMITS = {"applications": ("application",), "mcp": ("config_file", "mcp_server"), "shell": ("shell.command",)}


def judge(
    *sightings: Sighting,
    rows: tuple[AuthorisedUse, ...] = (),
    inventory_: Inventory | None = None,
    coverage: tuple[Coverage, ...] = COMPLETE,
    unit: str = "engineering",
    **options: Any,
) -> Reconciliation:
    """What reconciling on laptop-7 says."""
    return reconcile(
        sightings,
        coverage,
        inventory_ or inventory(*rows),
        SERVICES,
        unit=unit,
        host="laptop-7",
        today=TODAY,
        emits=EMITS,
        **options,
    )


def only(result: Reconciliation) -> Finding:
    """The one finding."""
    assert len(result.findings) == 1, result.findings
    return result.findings[0]


def verdicts(result: Reconciliation) -> dict[str, Verdict]:
    """Condition → verdict."""
    return {finding.condition: finding.verdict for finding in result.findings}
