"""A row of the authorised inventory, drafted from a finding: what is known is filled in, the rest is for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aimscope_collector.inventory.model import AuthorisedUse, SystemKind
from aimscope_collector.review import day_of
from aimscope_collector.services import Service

_KINDS: Final[dict[str, SystemKind]] = {
    "local-runtime": "local",
    "coding-agent": "agent",
    "agent-builder": "agent",
    "automation": "agent",
    "api-provider": "api",
    "cloud-platform": "api",
    "gateway": "api",
    "embedded-ai": "embedded",
    "assistant": "app",
    "coding-assistant": "app",
    "meeting-assistant": "app",
}
_CONDITIONS: Final = {"personal_account": "organisation_account"}
"""A condition that was found broken → the one to authorise it under; the others have the same name."""
_SAME: Final = ("no_stored_credentials", "no_remote_mcp")
_MOST_HOSTS: Final = 20


def draft_use(
    *,
    finding: str,
    name: str,
    unit: str,
    condition: str = "",
    service: Service | None = None,
    vendor: str = "",
    hosts: Iterable[str] = (),
    assets: int = 0,
    first: int | None = None,
    last: int | None = None,
) -> AuthorisedUse:
    """A proposed row. Its id, owner, approver and purpose are empty: nobody has decided them yet.

    ``service`` is ``None`` if no catalogue knows it: then ``hosts``, those of its evidence, are what it is known by.
    ``first`` and ``last`` are seconds since 1970 UTC.
    """
    seen = f"Drafted from finding {finding}"
    if first is not None and last is not None:
        seen += f": seen from {day_of(first)} to {day_of(last)}"
        seen += f" on {assets:,} machine{'s' if assets != 1 else ''}" if assets else ""
    broken = condition.rpartition(": ")[2]
    wanted = _CONDITIONS.get(broken, broken if broken in _SAME else "")
    return AuthorisedUse(
        name=service.name if service else name,
        status="proposed",
        services=(service.id,) if service else (),
        vendor=(service.vendor if service else "") or vendor,
        kind=_KINDS.get(service.category) if service else None,
        training_on_data=service.trains_on_input if service else "",
        domains=() if service else tuple(dict.fromkeys(hosts))[:_MOST_HOSTS],
        units=(unit,) if unit else (),
        conditions=(wanted,) if wanted else (),
        notes=f"{seen}.",
    )
