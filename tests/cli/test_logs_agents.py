"""What user agents and paths in logs prove, and what they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Answer, Run

MOZILLA = "Mozilla/5.0 (compatible; {}; +https://www.example.com/bot)"
CRAWLERS = [
    "GPTBot/1.2",
    "ClaudeBot/1.0",
    "PerplexityBot/1.0",
    "OAI-SearchBot/1.0; ChatGPT-User/1.0",
    "Google-Extended/1.0",
    "Bytespider",
    "Amazonbot/0.1",
    "Applebot/0.1",
    "Google-NotebookLM",
]
BARE = ["anthropic-ai/1.0", "CCBot/2.0 (https://commoncrawl.org/faq/)", "meta-externalagent/1.1", "Devin/1.0"]


def line(host: str, asked: str, agent: str) -> str:
    return f'{host}:443 10.0.0.5 - - [23/Nov/2026:09:00:01 +0000] "{asked} HTTP/1.1" 200 5120 "-" "{agent}"\n'


def names(answer: Answer) -> tuple[list[str], list[str]]:
    """What was found, and what is only hinted at."""
    report = json.loads(answer.stdout)
    return [row["name"] for row in report["findings"]], [one["name"] for one in report.get("weak", ())]


@pytest.mark.parametrize("agent", [*map(MOZILLA.format, CRAWLERS), *BARE])
def test_a_crawler_that_asks_for_our_pages_is_no_use_of_ai(aimscope: Run, tmp_path: Path, agent: str) -> None:
    (tmp_path / "access.log").write_text(line("www.corp.example", "GET /blog", agent) * 3)
    assert names(aimscope("scan", "logs", "access.log", "--json")) == ([], [])


def test_a_request_to_a_known_host_is_found_whatever_asks(aimscope: Run, tmp_path: Path) -> None:
    agent = MOZILLA.format("GPTBot/1.2")
    (tmp_path / "access.log").write_text(line("chatgpt.com", "GET /", agent))
    answer = aimscope("scan", "logs", "access.log", "--explain")
    assert "ChatGPT (OpenAI)" in answer.stdout
    assert "because host domain 'chatgpt.com' (identity high)" in answer.stdout


def test_a_library_does_not_tell_whose_server_it_asks(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(line("llm.corp.example", "POST /x", "AsyncOpenAI/Python 1.50.0"))
    answer = aimscope("scan", "logs", "access.log", "--explain")
    assert "AI API at llm.corp.example" in answer.stdout
    assert "because user_agent inference_agent 'asyncopenai/python'" in answer.stdout
    found = names(aimscope("scan", "logs", "access.log", "--json"))
    assert found == (["AI API at llm.corp.example"], ["OpenAI API"])  # the vendor is a guess


@pytest.mark.parametrize(
    ("host", "service"), [("api.openai.com", "openai-api"), ("api.groq.com", "groq")], ids=["own", "others"]
)
def test_the_host_decides_whose_api_it_is(aimscope: Run, tmp_path: Path, host: str, service: str) -> None:
    asked = line(host, "POST /v1/chat/completions", "OpenAI/Python 1.50.0")
    (tmp_path / "access.log").write_text(asked)
    found = json.loads(aimscope("scan", "logs", "access.log", "--json").stdout)
    assert [row["service"] for row in found["findings"]] == [service]
    assert {one["identity"] for row in found["findings"] for one in row["evidence"]} == {"high"}


@pytest.mark.parametrize(
    ("asked", "agent"),
    [
        ("POST /v1/messages/", "curl/8"),
        ("POST /v1/responses", "-"),
        ("POST /api/chat", "-"),
        ("POST /api/generate", "python-requests/2.32"),
        ("POST /anything", "Groq/Python 0.9"),
    ],
)
def test_common_words_and_libraries_are_weak_hints(aimscope: Run, tmp_path: Path, asked: str, agent: str) -> None:
    (tmp_path / "access.log").write_text(line("llm.corp.example", asked, agent))
    found, weak = names(aimscope("scan", "logs", "access.log", "--json"))
    assert (found, "AI API at llm.corp.example" in weak) == ([], True)


@pytest.mark.parametrize("agent", ["curl/8", "-"])
def test_what_is_posted_as_to_anthropic(aimscope: Run, tmp_path: Path, agent: str) -> None:
    (tmp_path / "access.log").write_text(line("llm.corp.example", "POST /v1/messages?beta=true", agent))
    assert names(aimscope("scan", "logs", "access.log", "--json")) == (["AI API at llm.corp.example"], [])


@pytest.mark.parametrize(
    "asked",
    [
        "POST /v1beta/models/gemini-2.0-flash:generateContent",
        "POST /v1beta/models/m:streamGenerateContent?alt=sse",
        "POST /model/m/invoke-with-response-stream",
        "POST /anthropic/v1/messages",
        "POST /v1/embeddings",
    ],
)
def test_paths_that_only_inference_servers_have(aimscope: Run, tmp_path: Path, asked: str) -> None:
    (tmp_path / "access.log").write_text(line("llm.corp.example", asked, "curl/8"))
    assert "AI API at llm.corp.example" in aimscope("scan", "logs", "access.log").stdout


@pytest.mark.parametrize(
    ("asked", "agent"),
    [
        ("GET /v1/messages", "curl/8"),
        ("POST /v1/messages", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("GET /v1/chat/completions", "curl/8"),
        ("POST /v1/messages/42", "curl/8"),
        ("POST /api/v1/messages", "curl/8"),
        ("POST /api/chat", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("POST /blog/api/generate", "curl/8"),
    ],
)
def test_what_mail_chat_and_pages_ask_is_no_hint(aimscope: Run, tmp_path: Path, asked: str, agent: str) -> None:
    (tmp_path / "access.log").write_text(line("www.corp.example", asked, agent))
    assert names(aimscope("scan", "logs", "access.log", "--json")) == ([], [])
