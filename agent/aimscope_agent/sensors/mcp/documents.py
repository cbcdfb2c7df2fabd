"""Where in its configuration a client keeps its servers. Nothing is assumed of what a file holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

Entry = Mapping[str, object]

_PLACES: Final = (
    ("mcpServers",),
    ("mcp_servers",),  # Codex, Vibe
    ("servers",),  # VS Code's mcp.json
    ("mcp", "servers"),  # VS Code's settings, gptme
    ("mcp.servers",),
    ("mcp", "mcpServers"),
    ("mcp",),  # OpenCode, Crush
    ("context_servers",),  # Zed
    ("extensions",),  # Goose
    ("amp.mcpServers",),
    ("amp", "mcpServers"),
    ("projects", "*", "mcpServers"),  # Claude Code
    ("experimental", "modelContextProtocolServers"),  # Continue, before YAML
)


def entries(document: object) -> Iterator[tuple[str, str, Entry]]:
    """Last key of the place, name and entry of everything that stands where a client keeps servers."""
    for place in _PLACES:
        for servers in _at(document, place):
            if isinstance(servers, Mapping):
                named = ((str(name), entry) for name, entry in servers.items())
            elif isinstance(servers, list):
                named = ((_name(entry), entry) for entry in servers)
            else:
                continue
            for name, entry in named:
                if isinstance(entry, Mapping):
                    yield place[-1], name, entry
    for entry in _at(document, ("server", "mcp_config")):  # the manifest of a bundle (MCPB) that is one server
        if isinstance(entry, Mapping):
            yield "mcp_config", _name(document), entry


def _at(value: object, place: tuple[str, ...]) -> Iterator[object]:
    if not place:
        yield value
    elif isinstance(value, Mapping):
        steps = value.values() if place[0] == "*" else (value.get(place[0]),)
        for step in steps:
            yield from _at(step, place[1:])


def _name(entry: object) -> str:
    """Lists name their members in themselves."""
    if isinstance(entry, Mapping):
        for key in ("name", "id"):
            if isinstance(name := entry.get(key), str) and name:
                return name
    return ""
