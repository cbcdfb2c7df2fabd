"""A signature: one AI service, what gives it away, and what is known of it."""

from __future__ import annotations

import datetime
from typing import Literal

import msgspec

from aimscope_signatures.kinds import Identity
from aimscope_signatures.model import Value
from aimscope_signatures.sections import APP_MANAGERS

Category = Literal[
    "agent-builder",
    "api-provider",
    "assistant",
    "audio",
    "automation",
    "browser-ai",
    "cloud-platform",
    "coding-agent",
    "coding-assistant",
    "data-bi",
    "embedded-ai",
    "framework",
    "gateway",
    "image",
    "local-runtime",
    "mcp-client",
    "mcp-server",
    "meeting-assistant",
    "mlops",
    "model-hub",
    "search",
    "translation",
    "vector-database",
    "video",
    "writing",
]
Surface = Literal[
    "web", "desktop", "mobile", "cli", "ide", "browser-extension", "api", "self-hosted", "embedded", "mcp", "sdk"
]
Maturity = Literal["sandbox", "stable", "deprecated"]
Texts = tuple[str, ...]


class Test(msgspec.Struct, frozen=True):
    """``field`` (empty: every target of the section) fits one of ``values`` by ``operator``."""

    field: str
    operator: str
    values: tuple[str, ...]


class Clause(msgspec.Struct, frozen=True):
    """All tests must hold. A clause of a section has one test and its section's targets; else ``kind`` says where."""

    name: str
    identity: Identity
    tests: tuple[Test, ...]
    section: str = ""
    kind: str = ""


class Apps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Identifiers per platform or package manager."""

    macos: Texts = ()
    windows: Texts = ()
    windows_name: Texts = ()
    msix: Texts = ()
    linux: Texts = ()
    snap: Texts = ()
    flatpak: Texts = ()
    cask: Texts = ()
    brew: Texts = ()
    choco: Texts = ()
    scoop: Texts = ()


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the product answers to GET ``path``. All stated patterns must fit."""

    path: str
    status: int = 200
    body: Texts = ()
    title: Texts = ()
    server: Texts = ()
    headers: Texts = ()
    content_type: Texts = ()
    accept: str = "*/*"


class ClauseSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A clause written out: for what no section says."""

    kind: str
    all: dict[str, dict[str, tuple[str | int | bool, ...]]]
    identity: Identity = "high"


class Attribute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of the service, with source and date."""

    value: str | bool
    source: str
    checked: datetime.date


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the named sections are documented, and when that was checked.

    ``opened`` is false where the page could not be read when the file was written: it then only says where the
    vendor documents the fact, and confirms nothing.
    """

    url: str
    checked: datetime.date
    facts: Texts = ()
    opened: bool = True


class ExampleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Values by section; ``observations`` are whole: ``{kind: …, field: value}``."""

    domains: Texts = ()
    hosts: Texts = ()
    urls: Texts = ()
    ips: Texts = ()
    user_agents: Texts = ()
    apps: Texts = ()
    processes: Texts = ()
    packages: Texts = ()
    extensions: Texts = ()
    config: Texts = ()
    mcp_config: Texts = ()
    project_files: Texts = ()
    env: Texts = ()
    keys: Texts = ()
    images: Texts = ()
    model_ids: Texts = ()
    product_names: Texts = ()
    observations: tuple[dict[str, Value], ...] = ()


class Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What must match, and what must not."""

    match: ExampleSet = ExampleSet()
    no_match: ExampleSet = ExampleSet()


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A signature as its file states it. ``summary`` is one sentence in our own words."""

    id: str
    name: str
    vendor: str
    category: Category
    surface: tuple[Surface, ...]
    homepage: str
    summary: str
    maturity: Maturity
    note: str = ""
    aliases: Texts = ()
    domains: Texts = ()
    hosts: Texts = ()
    urls: Texts = ()
    ips: Texts = ()
    user_agents: Texts = ()
    apps: Apps = Apps()
    processes: Texts = ()
    packages: Texts = ()
    extensions: Texts = ()
    config: Texts = ()
    mcp_config: Texts = ()
    project_files: Texts = ()
    env: Texts = ()
    keys: Texts = ()
    images: Texts = ()
    model_ids: Texts = ()
    product_names: Texts = ()
    """Names so distinctive that a consent or a bill with them is about this service; its own name is a hint anyway."""
    ports: tuple[int, ...] = ()
    probes: dict[str, Probe] = {}
    clauses: dict[str, ClauseSpec] = {}
    identity: dict[str, Identity] = {}
    part_of: str = ""
    also: Texts = ()
    governance: dict[str, Attribute] = {}
    references: tuple[Reference, ...] = ()
    examples: Examples = Examples()


def values_of(signature: Signature, section: str) -> Texts:
    """The values a file states in a section (``apps`` as typed ids)."""
    if section == "apps":
        return tuple(
            f"{manager}:{value}"
            for entry, managers in APP_MANAGERS.items()
            for value in getattr(signature.apps, entry)
            for manager in managers
        )
    if section == "windows_name":
        return tuple(f"uninstall:{value}" for value in signature.apps.windows_name)
    found: Texts = getattr(signature, section)
    return found


FACTS: tuple[str, ...] = (
    *(name for name in ("domains", "hosts", "urls", "ips", "user_agents", "processes", "packages", "extensions")),
    *("config", "mcp_config", "project_files", "env", "keys", "images", "model_ids", "ports"),
)
"""Sections whose values are facts in need of a reference (``apps.*``, ``clauses.*`` and ``probes.*`` besides)."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something wrong in a file, in words that say what to do."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class Refused(Exception):
    """A file that is no valid signature; ``problems`` says why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
