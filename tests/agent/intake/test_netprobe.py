"""Probes: what is asked of an open port and how often, what is recognised, and what a hostile server may not do."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from pathlib import Path

import pytest
from tests.agent.intake.net_servers import (
    JSON,
    UVICORN_NOT_FOUND,
    Asked,
    Page,
    own_certificate,
    raw,
    result,
    site,
    sse_mcp,
    streamable_mcp,
)

from aimscope_agent.intake import netprobe
from aimscope_agent.intake.netprobe import Probed, Prober
from aimscope_agent.recognise import Recogniser
from aimscope_signatures.catalogue import Catalogue, load
from aimscope_signatures.matcher import Matcher

NOW = 1_790_000_000


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


@pytest.fixture(scope="module")
def matcher(catalogue: Catalogue) -> Matcher:
    return Matcher(catalogue)


@pytest.fixture
def recogniser(matcher: Matcher) -> Recogniser:
    return Recogniser(matcher)


def probe(recogniser: Recogniser, port: int, name: str = "") -> Probed:
    async def no_wait() -> None:
        pass

    async def main() -> Probed:
        return await Prober(recogniser, no_wait, now=NOW).probe("127.0.0.1", port, name)

    probed = asyncio.run(main())
    recogniser.take_all(probed.observations)
    return probed


def services(recogniser: Recogniser) -> list[str]:
    return [sighting.service for sighting in recogniser.sightings()]


def details(recogniser: Recogniser) -> dict[str, str]:
    (sighting,) = recogniser.sightings()
    return dict(sighting.details)


VLLM = {
    "/": UVICORN_NOT_FOUND,
    "/v1/models": Page(200, '{"object": "list", "data": [{"id": "qwen3-8b", "owned_by": "vllm"}]}', JSON),
    "/version": Page(200, '{"version": "0.11.2"}', JSON),
}


class TestRecognition:
    def test_a_product_is_told_by_its_answer_on_any_port_with_version_and_models(self, recogniser: Recogniser) -> None:
        with site(VLLM, server="uvicorn") as running:
            probed = probe(recogniser, running.port)
        assert services(recogniser) == ["vllm"]
        assert probed.recognised
        assert details(recogniser)["version"] == "0.11.2"
        assert details(recogniser)["models"] == "qwen3-8b"
        assert running.lines == ["GET /", "GET /v1/models", "GET /version"]

    def test_the_device_is_the_address(self, recogniser: Recogniser) -> None:
        with site(VLLM, server="uvicorn") as running:
            probe(recogniser, running.port)
        (sighting,) = recogniser.sightings()
        assert sighting.asset == "127.0.0.1"
        assert sighting.sources == (f"127.0.0.1:{running.port}",)
        assert "address" not in dict(sighting.details)

    def test_the_front_page_is_enough_where_it_names_the_product(self, recogniser: Recogniser) -> None:
        pages = {
            "/": Page(200, "Ollama is running", {"Content-Type": "text/plain; charset=utf-8"}),
            "/api/version": Page(200, '{"version":"0.12.3"}', JSON),
            "/api/tags": Page(200, '{"models":[{"name":"llama3.2:3b"},{"name":"gemma3:1b"}]}', JSON),
        }
        with site(pages) as running:
            probe(recogniser, running.port)
        assert services(recogniser) == ["ollama"]
        assert details(recogniser)["models"] == "llama3.2:3b, gemma3:1b"
        assert running.lines == ["GET /", "GET /api/version", "GET /api/tags"]

    def test_ai_in_no_catalogue_that_speaks_openais_api_is_told(self, recogniser: Recogniser) -> None:
        pages = {
            "/": Page(404, '{"detail":"Not Found"}', JSON),
            "/v1/models": Page(200, '{"object":"list","data":[{"id":"house-model","owned_by":"us"}]}', JSON),
        }
        with site(pages) as running:
            probe(recogniser, running.port)
        (sighting,) = recogniser.sightings()
        assert sighting.service == ""
        assert dict(sighting.details)["models"] == "house-model"

    def test_where_a_page_sends_its_reader_on_the_same_server_is_asked_next(self, recogniser: Recogniser) -> None:
        pages = {
            "/": Page(307, "", {"Location": "/dev-ui/"}),
            "/dev-ui/": Page(200, "<title>Agent Development Kit Dev UI</title>", {"Content-Type": "text/html"}),
        }
        with site(pages) as running:
            probe(recogniser, running.port)
        assert services(recogniser) == ["google-adk"]

    def test_an_agents_card_is_read(self, recogniser: Recogniser) -> None:
        card = (
            '{"protocolVersion":"0.3.0","name":"clock","version":"1.0.0","capabilities":{},'
            '"defaultInputModes":["text"],"skills":[]}'
        )
        pages = {"/": Page(405, "Method Not Allowed"), "/.well-known/agent-card.json": Page(200, card, JSON)}
        with site(pages, server="uvicorn") as running:
            probe(recogniser, running.port)
        assert services(recogniser) == ["a2a-agent"]

    def test_over_tls_with_a_certificate_of_its_own_making(self, recogniser: Recogniser, tmp_path: Path) -> None:
        with site(VLLM, server="uvicorn", tls=own_certificate(tmp_path)) as running:
            probe(recogniser, running.port)
        assert services(recogniser) == ["vllm"]

    def test_a_server_that_says_it_wants_tls_is_believed(self, recogniser: Recogniser, tmp_path: Path) -> None:
        refusal = (
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
        )
        tls = own_certificate(tmp_path)
        body = b"Ollama is running"
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body

        def speak(connection: socket.socket) -> None:
            if connection.recv(1, socket.MSG_PEEK) == b"\x16":
                with tls.wrap_socket(connection, server_side=True) as inside:
                    inside.recv(4_096)
                    inside.sendall(answer)
            else:
                connection.recv(4_096)
                connection.sendall(refusal)

        with raw(speak) as running:
            probe(recogniser, running.port)
        assert services(recogniser) == ["ollama"]


class TestMcp:
    def test_streamable_http_is_greeted_and_its_session_closed(self, recogniser: Recogniser) -> None:
        with site(streamable_mcp, server="uvicorn") as running:
            probed = probe(recogniser, running.port)
        assert probed.recognised
        assert services(recogniser) == ["mcp-http-server"]
        (sighting,) = recogniser.sightings()
        assert dict(sighting.evidence)["name"] == "clock"
        assert running.lines == ["GET /", "POST /mcp", "DELETE /mcp"]
        closing = running.asked[-1].headers
        assert closing["Mcp-Session-Id"] == "c0ffee"

    def test_the_older_transport(self, recogniser: Recogniser) -> None:
        with sse_mcp() as running:
            probe(recogniser, running.port)
        (sighting,) = recogniser.sightings()
        assert dict(sighting.evidence)["name"] == "diary"
        assert dict(sighting.details)["transport"] == "sse"
        assert running.lines[:3] == ["GET /", "POST /mcp", "GET /sse"]

    def test_a_stream_that_names_another_host_is_not_followed(self, recogniser: Recogniser) -> None:
        event = "event: endpoint\ndata: http://192.0.2.7/messages\n\n"
        pages = {
            "/": Page(404, "Not Found"),
            "/sse": Page(200, event, {"Content-Type": "text/event-stream"}),
        }
        with site(pages, server="uvicorn") as running:
            probe(recogniser, running.port)
        assert running.lines == ["GET /", "POST /mcp", "GET /sse"]

    def test_a_session_that_would_break_out_of_its_line_is_not_sent_back(self, recogniser: Recogniser) -> None:
        def speak(connection: socket.socket) -> None:
            head = connection.recv(65_536)
            if head.startswith(b"POST"):
                body = result().encode()
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: a b\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body
                )
            elif head.startswith(b"GET / "):
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nserver: uvicorn\r\nContent-Length: 9\r\n\r\nNot Found")
            else:
                running.asked.append(Asked("?", head.decode("latin-1"), {}, b""))

        with raw(speak) as running:
            probed = probe(recogniser, running.port)
        assert probed.recognised
        assert running.asked == []

    @pytest.mark.parametrize(
        "said",
        [
            '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}',
            '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":""}}}',
            '{"result":"initialize ok"}',
        ],
    )
    def test_json_rpc_that_is_no_mcp_is_none(self, recogniser: Recogniser, said: str) -> None:
        def answer(asked: Asked) -> Page:
            return Page(404, "Not Found") if asked.method == "GET" else Page(200, said, JSON)

        with site(answer, server="uvicorn") as running:
            probed = probe(recogniser, running.port)
        assert services(recogniser) == []
        assert not probed.recognised


class TestRestraint:
    def test_at_most_two_questions_before_the_product_is_known(self, recogniser: Recogniser) -> None:
        with site(lambda _: Page(404, "Not Found here"), server="Whatever/1.0") as running:
            probe(recogniser, running.port)
        assert len(running.asked) == 2
        assert {each.method for each in running.asked} == {"GET"}

    def test_every_request_names_us_and_carries_no_credentials(self, recogniser: Recogniser) -> None:
        with site(streamable_mcp, server="uvicorn") as running:
            probe(recogniser, running.port, "clock.corp.example")
        for each in running.asked:
            assert each.headers["User-Agent"].startswith("aimscope/")
            assert each.headers["Host"] == f"clock.corp.example:{running.port}"
            assert not {"Authorization", "Cookie", "Proxy-Authorization"} & each.headers.keys()

    def test_a_redirect_to_elsewhere_is_not_followed(self, recogniser: Recogniser) -> None:
        with (
            site({"/": Page(200, "Ollama is running")}) as elsewhere,
            site(lambda _: Page(302, "", {"Location": f"http://127.0.0.1:{elsewhere.port}/"})) as running,
        ):
            probe(recogniser, running.port)
        assert elsewhere.asked == []
        assert services(recogniser) == []

    def test_a_server_that_wants_credentials_is_a_gap(self, recogniser: Recogniser) -> None:
        with site(lambda _: Page(401, "no", {"WWW-Authenticate": "Bearer"})) as running:
            probed = probe(recogniser, running.port)
        assert probed.wants_credentials
        assert not probed.recognised


YES = '{"status":"ok","status":true,"models":[],"data":[],"version":"1","object":"list","name":"yes","detail":"ok"}'
NEAR_MISSES = {
    "says yes to everything, in JSON": Page(200, YES, JSON),
    "says yes to everything, in a page": Page(200, "<title>Welcome</title>" + YES, {"Content-Type": "text/html"}),
    "a sign-in page that names products": Page(
        200,
        "<title>Sign in</title><p>Log in to reach Ollama, Open WebUI, vLLM, ComfyUI, LiteLLM, Qdrant and MLflow.</p>",
        {"Content-Type": "text/html"},
    ),
    "nginx as installed": Page(200, "<title>Welcome to nginx!</title><h1>Welcome to nginx!</h1>", {"Server": "nginx"}),
    "an echo": Page(200, "GET / HTTP/1.1 Ollama is not running", {"Content-Type": "text/plain"}),
    "a stream of events that is no MCP": Page(200, "data: tick\n\n", {"Content-Type": "text/event-stream"}),
}


@pytest.mark.parametrize("page", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_what_only_looks_like_ai_is_none(recogniser: Recogniser, page: Page) -> None:
    with site(lambda _: page) as running:
        probed = probe(recogniser, running.port)
    assert probed.answered
    assert not probed.recognised
    assert recogniser.sightings() == ()


# hostile servers


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines that a test can wait for."""
    monkeypatch.setattr(netprobe, "EXCHANGE_SECONDS", 0.4)
    monkeypatch.setattr(netprobe, "PORT_SECONDS", 1.0)


def drip(connection: socket.socket) -> None:
    connection.recv(4_096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        connection.sendall(b".")
        time.sleep(0.05)


def drip_header(connection: socket.socket) -> None:
    connection.recv(4_096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n")
        time.sleep(0.05)


def gigantic_header(connection: socket.socket) -> None:
    connection.recv(4_096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Long: " + b"a" * 60_000 + b"\r\n")


def endless_body(connection: socket.socket) -> None:
    connection.recv(4_096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"a" * 65_536 + b"\r\n")


def garbage(connection: socket.socket) -> None:
    connection.recv(4_096)
    connection.sendall(bytes(range(256)) * 64)


def bad_numbers(connection: socket.socket) -> None:
    connection.recv(4_096)
    connection.sendall(b"HTTP/1.1 999999999999 \xff\r\nContent-Length: -5\r\n\r\nx")


def bomb(connection: socket.socket) -> None:
    connection.recv(4_096)
    body = gzip.compress(b"Ollama is running" * 2_000_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def silence(connection: socket.socket) -> None:
    connection.recv(4_096)
    time.sleep(5)


def hang_up(connection: socket.socket) -> None:
    del connection


def ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
    connection.recv(4_096)


def half_a_handshake(connection: socket.socket) -> None:
    connection.recv(4_096)
    connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x02" * 10)
    time.sleep(5)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "speak",
    [
        *(drip, drip_header, gigantic_header, endless_body, garbage, bad_numbers, bomb, silence, hang_up, ssh),
        half_a_handshake,
    ],
)
def test_a_hostile_server_costs_little_and_proves_nothing(recogniser: Recogniser, speak: object) -> None:
    assert callable(speak)
    with raw(speak) as running:
        probed = probe(recogniser, running.port)
    assert not probed.recognised
    assert recogniser.sightings() == ()


@pytest.mark.usefixtures("hurried")
def test_who_keeps_silent_and_who_speaks_something_else_are_told_apart(recogniser: Recogniser) -> None:
    with raw(silence) as quiet, raw(ssh) as other:
        assert probe(recogniser, quiet.port).silence == "silent"
        assert probe(recogniser, other.port).silence == "other"
