"""What a kind of observation is made of."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

FieldType = Literal[
    "app_id",  # "<manager>:<identifier>", e.g. "bundle:com.openai.chat", "dpkg:ollama"
    "env_name",
    "extension_id",  # "<store>:<identifier>", e.g. "chrome:<32 letters>", "vscode:publisher.name"
    "flag",
    "hostname",  # lower case, no trailing dot, no port
    "image",  # container image without default registry, tag and digest: "ollama/ollama"
    "integer",
    "ip",
    "key",  # a credential's text: exists only inside `match key`, never in an observation
    "key_pattern",  # "<service>#<n>": which pattern of the catalogue a credential fitted
    "model_id",
    "package",  # "<ecosystem>:<name>", e.g. "pypi:openai", "npm:@openai/codex", "pymod:openai"
    "path",  # forward slashes; a user's home is written "~"
    "process_name",  # base name of the executable, without ".exe"
    "product_name",  # a product or vendor as people write it
    "text",
    "texts",  # several texts; a test holds when it holds for one of them
    "url_path",
    "user_agent",
]

Identity = Literal["low", "medium", "high", "certain"]
"""How sure it is that *this* is the service (not how much it is used)."""

Presence = Literal["mentioned", "configured", "installed", "attempted", "used", "uploaded"]
"""What the fact says about use here: named in code, set up, on disk, tried but blocked, seen at work, seen at work with
a large upload."""

IDENTITIES: Final[tuple[Identity, ...]] = ("low", "medium", "high", "certain")
PRESENCES: Final[tuple[Presence, ...]] = ("mentioned", "configured", "installed", "attempted", "used", "uploaded")


class Field(msgspec.Struct, frozen=True):
    """One typed field of a kind. ``personal`` fields are pseudonymised or dropped before they leave."""

    type: FieldType
    doc: str
    personal: bool = False
    local: bool = False
    """Read for matching only: never stored, never reported."""
    context: bool = False
    """Describes the surroundings: no section of a signature is matched against it (a clause may be)."""


class Kind(msgspec.Struct, frozen=True):
    """The contract of one observable.

    ``evidence`` names the fields that tell two pieces of evidence apart (no user, pid, version or time
    among them); ``ceiling`` is the best identity a match of this kind may claim; ``counts`` says whether
    the kind counts once per UTC day (``state``: an installed package) or per event.
    """

    name: str
    doc: str
    fields: dict[str, Field]
    evidence: tuple[str, ...]
    presence: Presence
    ceiling: Identity = "certain"
    counts: Literal["state", "event"] = "state"


def declare(
    name: str,
    doc: str,
    /,
    *,
    evidence: str,
    presence: Presence,
    ceiling: Identity = "certain",
    counts: Literal["state", "event"] = "state",
    **fields: Field,
) -> Kind:
    """A kind; ``evidence`` names its fields, separated by spaces."""
    return Kind(name, doc, fields, tuple(evidence.split()), presence, ceiling, counts)
