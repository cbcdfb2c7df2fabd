"""What goes on around deliveries: destinations put together, the journal kept up, what changed in the file audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa
from nacl.public import PrivateKey

from aimscope_collector import keys
from aimscope_collector.deliver.configured import Configured, DestinationsError, read
from aimscope_collector.deliver.destination import Destination, Stamp
from aimscope_collector.deliver.exporter import Exporter, Names
from aimscope_collector.services import Service
from aimscope_collector.store import audit, events_of_agents, events_of_devices, events_of_findings, settings
from aimscope_collector.store.database import writing

DESTINATIONS: Final = "destinations.yaml"
_KNOWN: Final = "exports.destinations"
_OF_DEVICES: Final = frozenset(("ai.inventory", "ai.observation"))


def configured(path: Path) -> Configured:
    """What the file of destinations says: nothing goes anywhere without one. Raises ``DestinationsError``."""
    return read(path) if path.exists() else Configured()


def exporter(
    engine: sa.Engine,
    found: Configured,
    *,
    catalogue: str,
    version: str,
    holder: str,
    private_key: Callable[[keys.Whose], PrivateKey],
    now: Callable[[], int],
) -> Exporter:
    """What delivers events. Raises ``DestinationsError`` where devices are to be named and their key is elsewhere."""

    def opener() -> Names:
        key = private_key("devices")

        def opened(sealed: bytes) -> str:
            try:
                return keys.opened(key, sealed)
            except keys.KeysError:
                return ""

        return opened

    for one in found.events:
        if one.names:
            try:
                opener()
            except keys.KeysError as error:
                raise DestinationsError(f"{one.name}: devices cannot be named: {error}") from None
    stamp = Stamp(
        product_version=version, catalogue=catalogue, organisation=found.organisation, collector=found.collector
    )
    return Exporter(engine, found.events, stamp=stamp, holder=holder, now=now, opener=opener)


def begin(engine: sa.Engine, delivers: Exporter, *, now: int) -> None:
    """Know every destination, and audit what is another one than before."""
    delivers.begin()
    facts = {name: _described(one) for name, one in delivers.destinations.items()}
    text = msgspec.json.encode(facts, order="sorted").decode()
    with writing(engine) as connection:
        if settings.read(connection, _KNOWN, "{}") != text:
            settings.write(connection, _KNOWN, text)
            audit.record(
                connection, at=now, actor="configuration", action="exports.changed", about="destinations", facts=facts
            )


def look(engine: sa.Engine, delivers: Exporter, *, services: Mapping[str, Service], now: int) -> None:
    """Write down what is told by looking: agents, coverage, the audit log, AI that is new on devices."""
    with writing(engine) as connection:
        events_of_agents.look(connection, now=now, types=delivers.types)
    if _OF_DEVICES & delivers.types:
        with writing(engine) as connection:
            if events_of_devices.begin(connection):
                return
        with engine.connect() as connection:
            rows = events_of_devices.unsaid(connection)
        if rows:
            with writing(engine) as connection:
                events_of_devices.tell(connection, rows, services=services, now=now)


def keep_up(engine: sa.Engine, delivers: Exporter, *, now: int) -> None:
    """Write down new numbers, within the budget, and keep the journal within its bounds."""
    if delivers.budget:
        with writing(engine) as connection:
            events_of_findings.tell_counters(connection, now=now, budget=delivers.budget)
    delivers.trim()


def _described(one: Destination) -> str:
    devices = "name" if one.names else "pseudonym"
    types = ", ".join(one.wanted.types)
    return f"{one.format.name} by {one.carried} to {one.where}, devices by {devices}, {types}"
