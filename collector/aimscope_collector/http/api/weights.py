"""What each factor adds to a risk: part of the inventory, and changed as a new version of it."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import get, put
from litestar.params import JSONBody

from aimscope_collector.http.given import Given, Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.inventory.model import Inventory, Risk, Weights
from aimscope_collector.inventory.write import describe_fields
from aimscope_collector.store import inventories
from aimscope_collector.store.database import writing


class Weight(msgspec.Struct, frozen=True):
    """One factor: what it means, its weight in force, and the built-in one."""

    name: str
    says: str
    weight: float
    built_in: float


class InForce(msgspec.Struct, frozen=True):
    """Every factor; ``version`` is the inventory's, which there has to be before weights can be changed."""

    items: list[Weight]
    version: int | None


class Changed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights that differ from the built-in ones, and why."""

    weights: Weights
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


@get("/weights", opt={"needs": "inventory:read"}, sync_to_thread=True, tags=["inventory"])
def show_weights(given: Here) -> InForce:
    """What each factor adds to likelihood or impact."""
    return _in_force(given)


def _in_force(given: Given) -> InForce:
    with given.engine.connect() as connection:
        version = inventories.current(connection, at=given.now())
        inventory = inventories.content_of(connection, version.number) if version is not None else None
    weights, built_in = inventory.risk.weights if inventory is not None else Weights(), Weights()
    items = [
        Weight(name, says, getattr(weights, name), getattr(built_in, name)) for name, says in describe_fields(Weights)
    ]
    return InForce(items, version.number if version is not None else None)


@put("/weights", opt={"needs": "inventory:write"}, sync_to_thread=True, tags=["inventory"])
def set_weights(given: Here, who: Who, data: JSONBody[Changed]) -> InForce:
    """Put a version of the inventory in force that differs in its weights alone. Every risk is rated anew."""
    if who.units:
        raise Failed(403, "forbidden", "The inventory is the whole organisation's: your account has limits.")
    now = given.now()
    with writing(given.engine) as connection:
        inventory: Inventory | None = inventories.in_force(connection, at=now)
        if inventory is None:
            raise Failed(409, "no-inventory", "Weights are part of the inventory: put one in force first.")
        changed = msgspec.structs.replace(inventory, risk=Risk(weights=data.weights))
        inventories.keep(connection, inventory=changed, author=who.name, note=data.note, effective_from=now, now=now)
    given.touch(None)
    return _in_force(given)


ROUTES: Final = (show_weights, set_weights)
