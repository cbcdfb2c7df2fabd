"""MCP servers that clients are configured to use, and the files that AI tools keep for themselves or in projects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors.mcp import documents, places, servers
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Observation, Status

_MOST_SERVERS = 2_000
"""In one file."""


def _wants(interests: Interests) -> Iterable[str]:
    yield from filter(places.usable, interests.mcp_config)
    for pattern in (*interests.config, *interests.project_files):
        if places.usable(pattern):
            yield places.reduced(pattern)


def _observe(look: Look) -> Iterator[Observation]:
    for pattern, client in look.interests.mcp_config.items():
        if places.usable(pattern):
            for file in look.found(pattern):
                yield from _servers(look, file, client, in_project=pattern.startswith("./"))
    yield from _kept(look)


def _servers(look: Look, file: Found, client: str, *, in_project: bool) -> Iterator[Observation]:
    document = _document(look, file)
    if document is None:
        return
    look.count("files")
    path = places.in_project(look, file)[0] if in_project else file.path
    seen: set[servers.Server] = set()
    for number, (key, name, entry) in enumerate(documents.entries(document)):
        if number >= _MOST_SERVERS:
            look.gap(file.path, Status.PARTIAL, f"more than {_MOST_SERVERS:,} servers")
            return
        server = servers.described(name, entry, from_extension=key == "context_servers")
        server = server and server.without(look.interests.keys)
        if server and server not in seen:
            seen.add(server)
            yield look.see("mcp_server", file, client=client, path=path, **msgspec.structs.asdict(server))


def _document(look: Look, file: Found) -> object:
    if look.size(file) == 0:
        return None  # some clients make the file before there is anything to write
    name = file.host_path.rpartition("/")[2].lower()
    if name.endswith(".toml"):
        return look.toml(file)
    if name.endswith((".yaml", ".yml")):
        return look.yaml(file)
    return look.json(file) if name.endswith((".json", ".jsonc", ".json5")) or "." not in name.lstrip(".") else None


def _kept(look: Look) -> Iterator[Observation]:
    """The tools' own files, and those in projects that instruct agents: once for each pattern."""
    seen: set[tuple[str, str, str]] = set()
    for pattern in (*look.interests.config, *look.interests.project_files):
        if not places.usable(pattern):
            continue
        for file in places.shortest(look, places.reduced(pattern)):
            path, project = places.in_project(look, file) if pattern.startswith("./") else (file.path, "")
            key = (file.user, path, project)
            if key not in seen:
                seen.add(key)
                if pattern in look.interests.project_files:
                    yield look.see("project_file", file, path=path, project=project or None)
                else:
                    yield look.see("config_file", file, path=path)


SENSOR = Sensor(
    name="mcp",
    doc="MCP servers of AI clients, these tools' own files and the files that instruct agents in projects.",
    emits=("mcp_server", "config_file", "project_file"),
    observe=_observe,
    wants_of=_wants,
)
