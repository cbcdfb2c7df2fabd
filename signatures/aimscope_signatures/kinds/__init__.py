"""The vocabulary of facts: every kind of observation, its fields, and what it may prove.

Everything else is checked against this table: sensors and log formats may emit only these kinds and
fields, signatures may test only these, the documentation and the privacy notes are generated from it.

A field has a *type*: two fields of one type hold the same sort of value (``hostname`` in a DNS query
and in a TLS hello), so a signature states a value once and it is found in every kind that carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aimscope_signatures.kinds.code import CODE
from aimscope_signatures.kinds.endpoint import ENDPOINT
from aimscope_signatures.kinds.model import IDENTITIES, PRESENCES, Field, FieldType, Identity, Kind, Presence
from aimscope_signatures.kinds.organisation import ORGANISATION
from aimscope_signatures.kinds.traffic import TRAFFIC

__all__ = [
    "IDENTITIES",
    "KINDS",
    "PRESENCES",
    "Field",
    "FieldType",
    "Identity",
    "Kind",
    "Presence",
    "capped",
    "fields_of_type",
]

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in (*ENDPOINT, *CODE, *TRAFFIC, *ORGANISATION)}


def capped(identity: Identity, ceiling: Identity) -> Identity:
    """The weaker of two identities."""
    return IDENTITIES[min(IDENTITIES.index(identity), IDENTITIES.index(ceiling))]


def fields_of_type(wanted: FieldType) -> Iterable[tuple[Kind, str]]:
    """Every ``(kind, field name)`` whose field is of the wanted type."""
    for kind in KINDS.values():
        for name, field in kind.fields.items():
            if field.type == wanted:
                yield kind, name
