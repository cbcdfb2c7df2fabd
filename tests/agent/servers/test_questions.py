"""The second question, chosen by the first answer: products that do not name themselves on their front page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.facts import Answer
from aimscope_agent.servers import http
from aimscope_agent.servers.questions import MOST_QUESTIONS, Asked, Book, Question
from aimscope_signatures.catalogue import load

KOBOLD = {"server": "ConcedoLlamaForKoboldServer"}
JSON = {"content-type": "application/json"}
FASTAPI = Answer(404, {"server": "uvicorn", **JSON}, '{"detail":"Not Found"}')
STARLETTE = Answer(404, {"server": "uvicorn"}, "Not Found")
EXPRESS = Answer(404, {"x-powered-by": "Express"}, "<pre>Cannot GET /</pre>")
GO = Answer(404, {}, "404 page not found\n")
BARE = Answer(404, {}, "")


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(load().interests.probes)


def second(book: Book, port: int, answer: Answer, redirect: str = "") -> str:
    first = book.following(port, [])
    assert first is not None
    assert first.path == "/"
    following = book.following(port, [Asked(first, answer)], redirect)
    return following.path if following else ""


@pytest.mark.parametrize(
    ("port", "answer", "path"),
    [
        pytest.param(8000, FASTAPI, "/v1/models", id="vllm"),
        pytest.param(9001, FASTAPI, "/v1/models", id="vllm elsewhere"),
        pytest.param(30000, FASTAPI, "/v1/models", id="sglang"),
        pytest.param(8000, STARLETTE, "/mcp", id="mcp in Python"),
        pytest.param(3001, EXPRESS, "/mcp", id="mcp in Node.js"),
        pytest.param(8000, BARE, "/api/v2/heartbeat", id="chroma"),
        pytest.param(7001, BARE, "/api/v2/heartbeat", id="chroma elsewhere"),
        pytest.param(8080, Answer(405, {}, ""), "/info", id="text-embeddings-inference"),
        pytest.param(3000, Answer(200, {}, ""), "/info", id="text-generation-inference"),
        pytest.param(8000, Answer(400, {}, ""), "/v2", id="triton"),
        pytest.param(9000, Answer(404, JSON, '{"error": "Invalid request URL"}'), "/v2", id="openvino"),
        pytest.param(8080, Answer(200, JSON, '{"status":"alive"}'), "/v2", id="kserve"),
        pytest.param(8000, Answer(404, {}, "Path '/' not found. Please ping /-/routes"), "/-/healthz", id="ray serve"),
        pytest.param(
            8080,
            Answer(301, {"location": "/v1"}, '{"links":{"documentationHref":"https://weaviate.io/developers"}}'),
            "/v1/meta",
            id="weaviate",
        ),
        pytest.param(5001, Answer(200, KOBOLD, "<p>"), "/api/extra/version", id="kobold"),
        pytest.param(
            8081, Answer(405, JSON, '{"code":405,"type":"MethodNotAllowedException"}'), "/models", id="torchserve"
        ),
        pytest.param(8888, Answer(302, {"server": "TornadoServer/6.5.1"}, ""), "/api", id="jupyter"),
        pytest.param(2024, Answer(200, JSON, '{"ok":true}'), "/info", id="langgraph"),
        pytest.param(
            1234, Answer(200, JSON, '{"error":"Unexpected endpoint or method."}'), "/lmstudio-greeting", id="lm"
        ),
        pytest.param(9091, GO, "/webui/", id="milvus"),
        pytest.param(7272, FASTAPI, "/v3/health", id="r2r"),
        pytest.param(8321, FASTAPI, "/v1/providers", id="llama stack"),
        pytest.param(5000, FASTAPI, "/v1/internal/model/info", id="text-generation-webui"),
        pytest.param(8080, Answer(200, {}, "<title>Tabby</title>"), "/v1/health", id="tabby"),
        pytest.param(3000, Answer(200, {}, "<title>Langfuse</title>"), "/api/public/health", id="langfuse"),
        pytest.param(7860, Answer(200, {}, "<title>Langflow</title>"), "/api/v1/version", id="langflow"),
        pytest.param(7860, Answer(200, {}, "<script>window.gradio_config = {}</script>"), "/config", id="gradio"),
        pytest.param(9000, Answer(200, {"server": "llama.cpp"}, "<p>"), "/health", id="llama.cpp elsewhere"),
        pytest.param(
            10_000, Answer(405, {"server": "uvicorn"}, "Method Not Allowed"), "/.well-known/agent-card.json", id="a2a"
        ),
        pytest.param(9, Answer(200, {}, "<title>Intranet</title>"), "/v1/models", id="a page of unknown purpose"),
    ],
)
def test_second_question(book: Book, port: int, answer: Answer, path: str) -> None:
    assert second(book, port, answer) == path


@pytest.mark.parametrize(("redirect", "path"), [("/dev-ui/", "/dev-ui/"), ("/playground", "/playground/")])
def test_the_page_a_server_leads_to(book: Book, redirect: str, path: str) -> None:
    assert second(book, 8000, Answer(307, {"location": redirect}), redirect) == path


def test_a_server_that_wants_credentials_on_an_unknown_port_is_left_alone(book: Book) -> None:
    assert second(book, 9_999 - 1, Answer(401, {"www-authenticate": "Basic"})) == ""


def test_who_says_nothing_is_not_asked_again(book: Book) -> None:
    assert book.following(8000, [Asked(Question("/"), None)]) is None


def test_two_questions_are_all(book: Book) -> None:
    asked = [Asked(Question("/"), FASTAPI), Asked(Question("/v1/models"), FASTAPI)]
    assert len(asked) == MOST_QUESTIONS
    assert book.following(8000, asked) is None


def test_a_word_within_a_word_names_nobody(book: Book) -> None:
    assert second(book, 9, Answer(200, {}, "an exotic ragtime for mlflowers")) == "/v1/models"


@given(st.integers(1, 65_535), st.integers(100, 599), st.text(max_size=200), st.text(max_size=40), st.text(max_size=20))
def test_whatever_is_answered_there_is_a_next_question_or_none(
    book: Book, port: int, status: int, body: str, server: str, redirect: str
) -> None:
    path = second(book, port, Answer(status, {"server": server}, body), redirect)
    assert path != "/"
    assert not path or http.request("GET", path, "10.0.0.5")
