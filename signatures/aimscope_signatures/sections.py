"""The sections of a signature file and the clauses they stand for.

A section is a shorthand: ``domains: [x.ai]`` says that in every kind that carries a host name, a name
at or below ``x.ai`` is this service. Each row below is the whole definition of one section.
"""

from __future__ import annotations

from typing import Final

import msgspec

from aimscope_signatures.kinds import KINDS, FieldType, Identity

Target = tuple[str, str]
"""``(kind, field)``"""


class Section(msgspec.Struct, frozen=True):
    """A shorthand: its values are tested by ``operator`` against every field in ``targets``."""

    name: str
    type: FieldType
    operator: str
    identity: Identity
    targets: tuple[Target, ...]
    doc: str
    pattern: bool = False
    """Values are patterns, not literal text."""


def _all(field_type: FieldType) -> tuple[Target, ...]:
    return tuple(
        (kind.name, name)
        for kind in KINDS.values()
        for name, field in kind.fields.items()
        if field.type == field_type and not field.context
    )


_CONFIG: Final[tuple[Target, ...]] = (("config_file", "path"), ("account", "path"))

SECTIONS: Final[dict[str, Section]] = {
    section.name: section
    for section in (
        Section("domains", "hostname", "domain", "high", _all("hostname"), "domain and all below it"),
        Section("hosts", "hostname", "host", "high", _all("hostname"), "exact host", pattern=True),
        Section("ips", "ip", "cidr", "medium", _all("ip"), "network of this service alone", pattern=True),
        Section("user_agents", "user_agent", "glob", "low", _all("user_agent"), "client software", pattern=True),
        Section("apps", "app_id", "equals", "high", _all("app_id"), "installed application"),
        Section("windows_name", "app_id", "glob", "medium", _all("app_id"), "name in the uninstall keys", pattern=True),
        Section("processes", "process_name", "equals", "medium", _all("process_name"), "name of the executable"),
        Section("packages", "package", "equals", "high", _all("package"), "package of a language ecosystem"),
        Section("extensions", "extension_id", "equals", "high", _all("extension_id"), "editor or browser extension"),
        Section("config", "path", "glob", "high", _CONFIG, "the tool's own files", pattern=True),
        Section(
            "mcp_config",
            "path",
            "glob",
            "high",
            (*_CONFIG, ("mcp_server", "path")),
            "file that lists MCP servers",
            pattern=True,
        ),
        Section(
            "project_files", "path", "glob", "high", (("project_file", "path"),), "files in a project", pattern=True
        ),
        Section("env", "env_name", "glob", "high", _all("env_name"), "environment variable", pattern=True),
        Section("keys", "key", "regex", "high", (), "shape of a credential", pattern=True),
        Section("images", "image", "glob", "high", _all("image"), "container image", pattern=True),
        Section("model_ids", "model_id", "glob", "medium", _all("model_id"), "name of a model", pattern=True),
        Section("product_names", "product_name", "equals", "medium", _all("product_name"), "name on consents, bills"),
    )
}

APP_MANAGERS: Final[dict[str, tuple[str, ...]]] = {
    "macos": ("bundle",),
    "windows": ("winget",),
    "msix": ("msix",),
    "linux": ("dpkg", "rpm", "desktop", "appimage"),
    "snap": ("snap",),
    "flatpak": ("flatpak",),
    "cask": ("cask",),
    "brew": ("brew",),
    "choco": ("choco",),
    "scoop": ("scoop",),
}
"""Entries of ``apps:`` and the prefixes of the application ids they stand for."""
