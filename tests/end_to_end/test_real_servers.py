"""Real servers, started on loopback of a private machine and told by a scan of it; and two that only look like some."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.end_to_end.environments import Environment, Node, Recipe, Venv, installed
from tests.end_to_end.machine import Machine
from tests.end_to_end.program import evidence, services, told

RECIPE = Recipe(
    "servers",
    venvs=(
        Venv("gateway/.venv", ("litellm[proxy]==1.106.2",)),
        Venv("apps/.venv", ("gradio==6.31.0", "chromadb==1.5.9", "mcp==2.3.0")),
        Venv("tracking/.venv", ("mlflow==3.17.2",)),
        Venv("lab/.venv", ("jupyter-server==2.21.1", "jupyter-ai==3.2.0")),
    ),
    node=(Node("inspector", ("@modelcontextprotocol/inspector@0.15.0",)),),
)

GRADIO = 'import gradio\ngradio.Interface(lambda text: text.upper(), "text", "text").launch(server_port=7860)\n'
MCP = """try:
    from mcp.server.mcpserver import MCPServer as Server
except ImportError:
    from mcp.server.fastmcp import FastMCP as Server
server = Server("clock")
@server.tool()
def now() -> str:
    return "noon"
import uvicorn
uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=8931)
"""
YES_SAYER = """import http.server
class Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'yes, {"status": true, "models": [], "data": [], "version": "1"}')
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Yes).serve_forever()
"""


class Server(msgspec.Struct, frozen=True):
    """How one is started in the home, the port it then listens on, and the service it is."""

    service: str
    port: int
    command: tuple[str, ...]
    environ: dict[str, str] = {}


LOCAL = ("--host", "127.0.0.1", "--port")
SERVERS = (
    Server(
        "litellm",
        4000,
        ("gateway/.venv/bin/litellm", "--model", "ollama/llama3", *LOCAL, "4000"),
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": "sk-" + "0123456789abcdef" * 4},
    ),
    Server("gradio", 7860, ("apps/.venv/bin/python", "{work}/demo.py")),
    Server("chroma", 8000, ("apps/.venv/bin/chroma", "run", *LOCAL, "8000", "--path", "{work}/chroma")),
    Server(
        "mlflow",
        5000,
        (
            *("tracking/.venv/bin/mlflow", "server", *LOCAL, "5000", "--workers", "1"),
            *("--backend-store-uri", "sqlite:///{work}/mlflow.db", "--artifacts-destination", "{work}/artifacts"),
        ),
    ),
    Server(
        "jupyter-ai",
        8888,
        ("lab/.venv/bin/jupyter-server", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=8888"),
        {"JUPYTER_RUNTIME_DIR": "{work}/jupyter", "JUPYTER_DATA_DIR": "{work}/jupyter"},
    ),
    Server("mcp-http-server", 8931, ("apps/.venv/bin/python", "{work}/clock.py")),
    Server("mcp-inspector", 6274, ("inspector/node_modules/.bin/mcp-inspector",), {"MCP_AUTO_OPEN_ENABLED": "false"}),
)


@pytest.fixture(scope="module")
def servers() -> Environment:
    return installed(RECIPE)


@pytest.fixture(scope="module")
def report(servers: Environment, private_machine: Callable[[Path], Machine]) -> dict[str, Any]:
    """What a scan says while all of them run."""
    machine = private_machine(servers.home)
    work = machine.folder / "work"
    work.mkdir()
    (work / "demo.py").write_text(GRADIO)
    (work / "clock.py").write_text(MCP)
    running = []
    for server in SERVERS:
        program, *arguments = (part.replace("{work}", str(work)) for part in server.command)
        environ = {name: value.replace("{work}", str(work)) for name, value in server.environ.items()}
        log = work / f"{server.service}.log"
        process = machine.start([servers.home / program, *arguments], log, folder=work, environ=environ)
        running.append((server, process, log))
    for server, process, log in running:
        machine.answers(f"http://127.0.0.1:{server.port}/", process, log)
    return told(machine.aimscope("scan", "--json"))


@pytest.mark.parametrize("server", SERVERS, ids=[server.service for server in SERVERS])
def test_a_running_server_is_told_by_its_answer(report: dict[str, Any], server: Server) -> None:
    answers = evidence(report, server.service, "http.response")
    assert str(server.port) in {one["fields"]["port"] for one in answers}
    assert {one["presence"] for one in answers} == {"used"}
    assert {one["identity"] for one in answers} <= {"certain", "high"}


def test_servers_that_go_by_their_own_name_are_told_as_listeners_too(report: dict[str, Any]) -> None:
    listening = {
        row["service"] for row in report["findings"] for one in row.get("evidence", ()) if one["kind"] == "listener"
    }
    assert {"litellm", "mcp-inspector"} <= listening


def test_nothing_is_found_by_an_answer_that_was_not_started(report: dict[str, Any]) -> None:
    answering = {row["service"] for row in report["findings"] if evidence(report, row["service"], "http.response")}
    assert answering == {server.service for server in SERVERS}


def test_the_key_of_the_gateway_is_not_in_the_report(report: dict[str, Any]) -> None:
    assert "0123456789abcdef" not in msgspec.json.encode(report).decode()


def test_servers_that_only_look_like_some_are_no_finding(
    tmp_path: Path, private_machine: Callable[[Path], Machine]
) -> None:
    """A folder shared on Ollama's port, and one on Chroma's and vLLM's that answers everything with 200."""
    machine = private_machine(tmp_path)
    (machine.folder / "yes.py").write_text(YES_SAYER)
    interpreter = "python3"
    for port, command in (
        (11434, (interpreter, "-m", "http.server", "11434", "--bind", "127.0.0.1")),
        (8000, (interpreter, str(machine.folder / "yes.py"))),
    ):
        log = machine.folder / f"{port}.log"
        machine.answers(f"http://127.0.0.1:{port}/", machine.start(command, log), log)
    report = told(machine.aimscope("scan", "--json", "--explain"))
    (listeners,) = (part for part in report["coverage"] if part["sensor"] == "listeners")
    assert listeners["counts"]["ports asked"] == 2
    assert listeners["status"] == "complete"
    assert services(report) == set()
