"""MCP servers and tools' own files: every shape that clients write, what only looks like one, and broken files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors.mcp import SENSOR, documents, servers
from aimscope_signatures.interests import Interests, KeyPattern
from aimscope_signatures.model import Status

Look = Callable[..., ScanResult]
HOMES = {"linux": "/home/ann", "macos": "/Users/ann", "windows": "C:/Users/ann"}
INTERESTS = Interests(
    mcp_config={
        "~/.cursor/mcp.json": "cursor",
        "~/.claude.json": "claude-code",
        "~/.codex/config.toml": "openai-codex",
        "~/.continue/config.yaml": "continue",
        "~/.config/zed/settings.json": "zed-ai",
        "~/.config/Code/User/settings.json": "github-copilot",
        "./.vscode/mcp.json": "github-copilot",
        "./.continue/mcpServers/*": "continue",
        "/etc/claude-code/managed-mcp.json": "claude-code",
        "~/.config/Claude/Claude Extensions/*/manifest.json": "claude",
    },
    config={"~/.cursor/**": "cursor", "~/.claude.json": "claude-code", "~/.aider*": "aider", "./acme.yaml": "acme"},
    project_files={"./CLAUDE.md": "claude-code", "./.cursor/**": "cursor", "./.roorules-*": "roo-code"},
    keys=(KeyPattern("acme#0", "acme_", "acme_[A-Za-z0-9]{20}"),),
)
KEY = "acme_EXAMPLEEXAMPLEEXAMPL"


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Scan planted files; names are below the root, ``~`` is the home of ann."""

    def run(
        files: Mapping[str, object], platform: str = "linux", options: Options | None = None, **machine: object
    ) -> ScanResult:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name.replace("~", HOMES[platform].removeprefix("C:").lstrip("/"))
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                text = content if isinstance(content, str | bytes) else json.dumps(content)
                path.write_bytes(text if isinstance(text, bytes) else text.encode())
        about = tmp_path / "machine.json"
        about.write_text(
            json.dumps({"platform": platform, "users": [{"name": "ann", "home": HOMES[platform]}], **machine})
        )
        return scan(OfflineHost(root, about), [SENSOR], INTERESTS, options or Options(), now=1)

    return run


def of(result: ScanResult, kind: str = "mcp_server") -> list[dict[str, object]]:
    return [dict(found.fields) for found in result.observations["mcp"] if found.kind == kind]


def reasons(result: ScanResult) -> list[tuple[Status, str, str]]:
    return [(gap.status, gap.source, gap.reason) for part in result.coverage for gap in part.gaps]


def stated(entry: object) -> servers.Server:
    """The server that an entry states."""
    assert isinstance(entry, dict)
    server = servers.described("x", entry)
    assert server is not None
    return server


# where servers stand


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("~/.cursor/mcp.json", '{"mcpServers": {"x": {"command": "npx", "args": ["-y", "srv"]}}}'),
        ("~/.cursor/mcp.json", '// c\n{"servers": {"x": {"command": "npx", "args": ["-y", "srv"],},},}'),
        ("~/.cursor/mcp.json", '{"mcp.servers": {"x": {"command": "npx", "args": ["-y", "srv"]}}}'),
        ("~/.cursor/mcp.json", '{"amp.mcpServers": {"x": {"command": "npx", "args": ["-y", "srv"]}}}'),
        ("~/.cursor/mcp.json", '{"mcp": {"x": {"type": "local", "command": ["npx", "-y", "srv"]}}}'),
        ("~/.config/Code/User/settings.json", '{"mcp": {"servers": {"x": {"command": "npx", "args": ["srv"]}}}}'),
        ("~/.config/zed/settings.json", '{"context_servers": {"x": {"command": {"path": "npx", "args": ["srv"]}}}}'),
        ("~/.claude.json", '{"projects": {"/p": {"mcpServers": {"x": {"command": "npx", "args": ["srv"]}}}}}'),
        ("~/.codex/config.toml", '[mcp_servers.x]\ncommand = "npx"\nargs = ["-y", "srv@1"]\n'),
        ("~/.codex/config.toml", '[[mcp_servers]]\nname = "x"\ncommand = "npx"\nargs = ["srv"]\n'),
        ("~/.codex/config.toml", '[mcp]\nenabled = true\n[[mcp.servers]]\nname = "x"\ncommand = "npx srv"\n'),
        ("~/.continue/config.yaml", "mcpServers:\n  - name: x\n    command: npx\n    args: [srv]\n"),
        ("~/.continue/config.yaml", "extensions:\n  x:\n    type: stdio\n    cmd: npx\n    args: [srv]\n"),
        ("etc/claude-code/managed-mcp.json", '{"mcpServers": {"x": {"command": "npx", "args": ["srv"]}}}'),
    ],
)
def test_servers_are_found_where_clients_keep_them(look: Look, file: str, text: str) -> None:
    (found,) = of(look({file: text}))
    assert (found["name"], found["process"], found["package"]) == ("x", "npx", "npm:srv")
    assert (found["transport"], found["remote"]) == ("stdio", False)


@pytest.mark.parametrize(
    "document",
    [
        {"editor.fontSize": 12, "extensions": {"autoUpdate": True}},
        {"extensions": {"disabled": [], "x": {"enabled": True}}},
        {"servers": {"production": {"port": 22, "user": "ann"}}},
        {"mcp": {"enabled": True, "inputs": []}},
        {"mcpServers": {}},
        {"mcpServers": []},
        {"mcpServers": {"x": {}}},
        {"mcpServers": {"x": {"command": "", "url": ""}}},
        {"mcpServers": {"x": "npx"}},
        {"mcpServers": None, "servers": 3, "projects": ["x"], "mcp": "on"},
        {"extensions": {"developer": {"type": "builtin", "cmd": "goose"}, "p": {"type": "platform", "uri": "x"}}},
        {"other": {"mcpServers": {"x": {"command": "npx"}}}},
        [{"mcpServers": {"x": {"command": "npx"}}}],
        '"mcpServers"',
        "",
    ],
)
def test_what_is_no_server_is_none(look: Look, document: object) -> None:
    result = look({"~/.config/Code/User/settings.json": document})
    assert of(result) == []
    assert reasons(result) == []


def test_a_bundle_that_a_client_installed_is_a_server(look: Look) -> None:
    run = {"command": "node", "args": ["${__dirname}/server/index.js"], "env": {"API_KEY": "${user_config.api_key}"}}
    folder = "~/.config/Claude/Claude Extensions"
    found = look(
        {
            f"{folder}/acme.notes/manifest.json": {"name": "notes", "server": {"type": "node", "mcp_config": run}},
            f"{folder}/acme.none/manifest.json": {"name": "none", "server": {"type": "node"}},
            f"{folder}/acme.odd/manifest.json": {"name": "odd", "server": {"mcp_config": ["node"]}},
            f"{folder}/acme.notes/server/manifest.json": {"name": "within", "server": {"mcp_config": run}},
        }
    )
    (server,) = of(found)
    assert (server["client"], server["name"], server["process"]) == ("claude", "notes", "node")
    assert server["secrets"] == ("API_KEY",)


def test_a_server_of_several_projects_is_one_and_two_of_one_name_are_two(look: Look) -> None:
    shared = {"command": "npx", "args": ["srv"]}
    projects = {
        "/a": {"mcpServers": {"x": shared}},
        "/b": {"mcpServers": {"x": shared}},
        "/c": {"mcpServers": {"x": {"url": "https://mcp.example.com/mcp"}}},
    }
    assert len(of(look({"~/.claude.json": {"projects": projects}}))) == 2


def test_an_entry_that_is_broken_costs_only_itself(look: Look) -> None:
    entries = {"a": 1, "b": {"command": {"path": 5}}, "c": {"command": [], "args": "x"}, "d": {"command": "uvx"}}
    assert [found["name"] for found in of(look({"~/.cursor/mcp.json": {"mcpServers": entries}}))] == ["d"]


def test_a_server_that_an_extension_of_the_client_starts_has_no_command(look: Look) -> None:
    document = {"context_servers": {"x": {"settings": {"api_key": KEY}}}, "servers": {"y": {"settings": {}}}}
    result = look({"~/.config/zed/settings.json": document})
    (found,) = of(result)
    assert (found["name"], found["transport"]) == ("x", "stdio")


# what a server is


@pytest.mark.parametrize(
    ("entry", "transport"),
    [
        ({"command": "x"}, "stdio"),
        ({"command": "x", "type": "sse"}, "sse"),
        ({"url": "https://h.example/mcp"}, "http"),
        ({"url": "https://h.example/sse"}, "sse"),
        ({"url": "https://h.example/sse/?a=b"}, "sse"),
        ({"url": "https://h.example/assess"}, "http"),
        ({"httpUrl": "https://h.example/sse"}, "http"),
        ({"serverUrl": "https://h.example/mcp"}, "http"),
        ({"uri": "https://h.example/sse", "type": "streamable_http"}, "http"),
        ({"url": "https://h.example/sse", "type": "streamableHttp"}, "http"),
        ({"url": "https://h.example/x", "type": "remote"}, "http"),
        ({"url": "https://h.example/x", "transport": "sse"}, "sse"),
        ({"url": "https://h.example/x", "type": ["http"], "transport": 1}, "http"),
        ({"transport": {"type": "stdio", "command": "npx"}}, "stdio"),
        ({"url": "wss://h.example/x"}, "unknown"),
    ],
)
def test_the_transport_is_stated_or_told_by_the_address(entry: object, transport: str) -> None:
    assert stated(entry).transport == transport


@pytest.mark.parametrize(
    ("entry", "host", "remote"),
    [
        ({"url": "https://MCP.Example.com.:8443/x"}, "mcp.example.com", True),
        ({"url": "https://ann:secret@mcp.example.com/x"}, "mcp.example.com", True),
        ({"url": "http://192.168.1.5:3000"}, "192.168.1.5", True),
        ({"url": "http://localhost:3000/mcp"}, "localhost", False),
        ({"url": "http://127.0.0.2:3000"}, "127.0.0.2", False),
        ({"url": "http://[::1]:3000"}, "::1", False),
        ({"url": "http://0.0.0.0:3000"}, "0.0.0.0", False),
        ({"url": "http://host.docker.internal:3000"}, "host.docker.internal", False),
        ({"url": "http://localhost.example.com"}, "localhost.example.com", True),
        ({"url": "${input:address}"}, "", False),
        ({"url": "https://${HOST}/mcp"}, "", False),
        ({"command": "npx", "args": ["mcp-remote", "https://mcp.example.com/sse"]}, "mcp.example.com", True),
        ({"command": "npx", "args": ["srv", "https://api.example.com"]}, "", False),
    ],
)
def test_the_host_says_whether_a_server_is_remote(entry: object, host: str, remote: bool) -> None:
    assert (stated(entry).host, stated(entry).remote) == (host, remote)


@pytest.mark.parametrize(
    ("command", "process", "package"),
    [
        ("npx -y srv", "npx", "npm:srv"),
        ("/Applications/My App.app/Contents/MacOS/My Server", "My Server", ""),
        ("C:\\Program Files\\nodejs\\npx.cmd", "npx", ""),
        ("TOKEN=hidden npx srv", "npx", "npm:srv"),
        ("/usr/bin/env TOKEN=hidden npx srv", "npx", "npm:srv"),
        ("TOKEN=hidden", "", ""),
    ],
)
def test_a_command_in_one_text_is_taken_apart(command: str, process: str, package: str) -> None:
    assert (stated({"command": command}).process, stated({"command": command}).package) == (process, package)


@pytest.mark.parametrize(
    ("entry", "enabled"),
    [
        ({"disabled": True}, False),
        ({"disabled": False}, True),
        ({"enabled": False}, False),
        ({"isActive": True}, True),
        ({"disabled": "true"}, None),
        ({}, None),
    ],
)
def test_enabled_is_told_only_where_it_is_stated(entry: dict[str, object], enabled: bool | None) -> None:
    assert stated({"command": "x", **entry}).enabled is enabled


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"env": {"B": "1", "A": "2"}, "headers": {"X-Key": "3"}}, ("A", "B", "X-Key")),
        ({"environment": {"A": "1"}}, ("A",)),
        ({"envs": {"A": "1"}, "env_keys": ["B"]}, ("A", "B")),
        ({"env": ["A=hidden", "B"], "headers": ["Authorization: hidden"]}, ("A", "Authorization", "B")),
        ({"env_vars": ["A", {"name": "B", "source": "remote"}]}, ("A", "B")),
        (
            {"http_headers": {"X": "1"}, "env_http_headers": {"Y": "Z"}, "bearer_token_env_var": "T"},
            ("T", "X", "Y", "Z"),
        ),
        ({"requestOptions": {"headers": {"X": "1"}}}, ("X",)),
        ({"command": {"path": "npx", "env": {"A": "1"}}}, ("A",)),
        ({"env": "A=hidden", "headers": 1, "env_keys": [None, 3, {}], "bearer_token_env_var": ["T"]}, ()),
        ({"env": {"not a name": "1", "": "2", "A" * 200: "3"}}, ()),
    ],
)
def test_secrets_are_the_names_that_are_handed_over(entry: dict[str, object], names: tuple[str, ...]) -> None:
    assert stated({"url": "https://h.example", "command": "npx", **entry}).secrets == names


def test_no_value_is_observed_wherever_people_put_it(look: Look) -> None:
    hidden = {
        "env": {"A": KEY, KEY: "x"},
        "headers": {"Authorization": f"Bearer {KEY}"},
        "args": ["--header", f"Authorization: {KEY}", f"--api-key={KEY}", KEY],
        "url": f"https://mcp.example.com/{KEY}?key={KEY}",
        "apiKey": KEY,
    }
    entries = {
        "a": {"command": "npx", **hidden},
        KEY: hidden,
        "b": {"command": KEY},
        "c": {"command": f"K={KEY} npx -y x {KEY}"},
        "d": {"command": "sh", "args": ["-c", f"K={KEY} npx {KEY}"]},
        "e": {"command": ["npx", KEY]},
        "f": {"command": "docker", "args": ["run", "-e", f"K={KEY}", KEY.lower()]},
    }
    result = look({"~/.cursor/mcp.json": {"mcpServers": entries}})
    assert len(of(result)) == 7
    assert KEY.encode() not in msgspec.json.encode(result)


# files that are broken


@pytest.mark.parametrize(
    "content", [b'{"mcpServers": {"x": {"comm', b"\xff\xfe\x00", b"[" * 100_000, b"\0" * 64, b"nul\xff"]
)
def test_a_broken_file_is_a_gap_and_the_others_are_read(look: Look, content: bytes) -> None:
    result = look({"~/.cursor/mcp.json": content, "~/.claude.json": {"mcpServers": {"x": {"command": "npx"}}}})
    assert [found["client"] for found in of(result)] == ["claude-code"]
    assert {source for _, source, _ in reasons(result)} <= {"~/.cursor/mcp.json"}


def test_a_file_that_is_too_large_is_a_gap(look: Look) -> None:
    result = look({"~/.cursor/mcp.json": b'{"a": "' + b"x" * 5_000_000 + b'"}'})
    assert reasons(result) == [(Status.PARTIAL, "~/.cursor/mcp.json", "larger than 4 MiB")]


def test_more_servers_than_anybody_has_are_a_gap(look: Look) -> None:
    result = look({"~/.cursor/mcp.json": {"mcpServers": {f"s{n}": {"command": "x"} for n in range(2_100)}}})
    assert len(of(result)) == 2_000
    assert reasons(result) == [(Status.PARTIAL, "~/.cursor/mcp.json", "more than 2,000 servers")]


# tools' own files and those of projects


def test_a_folder_of_a_tool_is_told_once_and_only_with_something_in_it(look: Look) -> None:
    assert of(look({"~/.cursor/": ""}), "config_file") == []
    files = {"~/.cursor/a/b/c.json": "{}", "~/.cursor/d.json": "{}", "~/.claude.json": "{}"}
    assert [found["path"] for found in of(look(files), "config_file")] == ["~/.cursor", "~/.claude.json"]


def test_of_a_pattern_with_many_hits_the_shortest_is_told(look: Look) -> None:
    files = {"~/.aider.input.history": "", "~/.aider.conf.yml": "", "~/.aiderrc/x": "", "~/aider": ""}
    assert of(look(files), "config_file") == [{"path": "~/.aider.conf.yml"}]


def test_a_file_in_the_place_of_a_folder_is_no_configuration(look: Look) -> None:
    assert of(look({"~/.cursor": "x", "~/.cursorx/y": "", "~/.claude.json/x": ""}), "config_file") == []


def test_files_of_projects_are_told_for_given_projects_only(look: Look) -> None:
    files = {
        "~/app/CLAUDE.md": "",
        "~/app/.cursor/rules/x.mdc": "",
        "~/app/.roorules-code": "",
        "~/app/.roorules-ask": "",
        "~/other/CLAUDE.md": "",
        "~/app/.vscode/mcp.json": {"servers": {"x": {"command": "uvx", "args": ["srv"]}}},
        "~/app/.continue/mcpServers/one.yaml": "mcpServers:\n- name: y\n  url: http://localhost\n",
        "~/app/.continue/mcpServers/notes.md": "mcpServers",
    }
    assert of(look(files)) == of(look(files), "project_file") == []
    result = look(files, options=Options(projects=("/home/ann/app/",)))
    assert [(found["path"], found["project"]) for found in of(result, "project_file")] == [
        ("./CLAUDE.md", "~/app"),
        ("./.cursor", "~/app"),
        ("./.roorules-ask", "~/app"),
    ]
    assert [(found["name"], found["path"]) for found in of(result)] == [
        ("x", "./.vscode/mcp.json"),
        ("y", "./.continue/mcpServers/one.yaml"),
    ]
    assert {found.subject for found in result.observations["mcp"]} == {"ann"}


def test_a_tools_own_file_in_a_project_is_configuration(look: Look) -> None:
    result = look({"~/app/acme.yaml": "a: 1"}, options=Options(projects=("/home/ann/app",)))
    assert of(result, "config_file") == [{"path": "./acme.yaml"}]
    assert reasons(result) == []


def test_projects_outside_homes_and_on_windows(look: Look) -> None:
    result = look({"srv/app/CLAUDE.md": ""}, options=Options(projects=("/srv/app",)))
    assert of(result, "project_file") == [{"path": "./CLAUDE.md", "project": "/srv/app"}]
    result = look({"~/src/CLAUDE.md": ""}, "windows", Options(projects=("C:\\Users\\ann\\src",)))
    assert of(result, "project_file") == [{"path": "./CLAUDE.md", "project": "~/src"}]


def test_a_denied_home_is_one_gap(look: Look) -> None:
    result = look({"~/x": ""}, denied=["/home/ann"])
    assert reasons(result) == [(Status.DENIED, "/home/ann", "may not be read")]


# anything at all

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["command", "args", "url", "env", "type", "transport", "headers", "disabled", "name", "cmd"]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["mcpServers", "servers", "mcp", "projects", "extensions"]), _VALUES) | _VALUES)
def test_any_document_is_understood_or_passed_over(document: object) -> None:
    for key, name, entry in documents.entries(document):
        server = servers.described(name, entry, from_extension=key == "context_servers")
        assert server is None or (isinstance(server.name, str) and isinstance(server.remote, bool))
