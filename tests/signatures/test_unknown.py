from __future__ import annotations

import pytest

from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Detection, Held, Observation, Value
from aimscope_signatures.unknown import candidate

LIST = '{"object":"list","data":[{"id":"m"}]}'


@pytest.mark.parametrize(
    ("kind", "fields", "clause"),
    [
        ("model", {"id": "tiny", "format": "gguf"}, "unknown.model_weights"),
        ("mcp_server", {"client": "holly", "name": "crm", "path": "~/.holly/mcp.json"}, "unknown.mcp_server"),
        ("http.response", {"path": "/v1/models", "status": 200, "body": LIST}, "unknown.openai_compatible"),
    ],
)
def test_ai_in_no_catalogue_is_told_by_what_it_is(
    holly: Catalogue, kind: str, fields: dict[str, Value], clause: str
) -> None:
    seen = Observation(kind, fields)
    found = candidate(seen, Matcher(holly).match(seen))
    assert found is not None
    assert (found.service, found.clause, found.identity) == ("", clause, "medium")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("model", {"id": "holly-7b", "format": "gguf"}),  # the catalogue knows it
        ("model", {"id": "weights"}),  # nothing says what it is
        ("mcp_server", {"client": "x", "name": "h", "package": "npm:@holly/cli"}),
        ("mcp_server", {"client": "x"}),
        ("http.response", {"path": "/v1/models", "status": 404, "body": LIST}),
        ("http.response", {"path": "/", "status": 200, "body": LIST}),
        ("http.response", {"path": "/v1/models", "status": 200, "body": "ok"}),
        ("process", {"name": "something"}),
        ("a.kind.of.the.future", {}),
    ],
)
def test_what_is_known_or_says_nothing_is_no_candidate(holly: Catalogue, kind: str, fields: dict[str, Value]) -> None:
    seen = Observation(kind, fields)
    assert candidate(seen, Matcher(holly).match(seen)) is None


def request(**fields: Value) -> Observation:
    return Observation("http.request", {"host": "llm.corp.example", **fields})


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({"path": "/v1/chat/completions"}, "/chat/completions"),
        ({"path": "/gateway/openai/v1/chat/completions/"}, "/chat/completions"),
        ({"path": "/V1/Embeddings"}, "/v1/embeddings"),
        ({"path": "/v1/messages/count_tokens"}, "/v1/messages/count_tokens"),
        ({"path": "/v1/messages", "user_agent": "Anthropic/Python 0.60.0"}, "anthropic/python"),
        ({"path": "/api/chat", "user_agent": "ollama/0.6.0 (arm64 darwin)"}, "ollama/"),
        ({"user_agent": "OpenAI/JS 5.1.0"}, "openai/js"),
        ({"user_agent": "OpenAI/JS 5.1.0", "method": "GET", "path": "/v1/chat/completions"}, "openai/js"),
        ({"path": "/v1/chat/completions", "method": "POST", "user_agent": "Mozilla/5.0"}, "/chat/completions"),
        ({"path": "/v1beta/models/gemini-2.0-flash:generateContent"}, ":generatecontent"),
        ({"path": "/v1beta/models/m:streamGenerateContent", "method": "POST"}, ":streamgeneratecontent"),
        ({"path": "/model/some.model-v1/invoke-with-response-stream"}, "/invoke-with-response-stream"),
        ({"path": "/anthropic/v1/messages", "method": "POST"}, "/anthropic/v1/messages"),
    ],
)
def test_a_request_to_an_inference_server_nobody_knows(holly: Catalogue, fields: dict[str, Value], held: str) -> None:
    seen = request(**fields)
    found = candidate(seen, Matcher(holly).match(seen))
    assert found is not None
    assert (found.held[0].value, found.identity) == (held, "medium")


@pytest.mark.parametrize("method", [{}, {"method": "POST"}])
@pytest.mark.parametrize("path", ["/v1/messages/", "/v1/responses/", "/api/chat", "/api/generate", "/API/embed"])
def test_words_that_others_use_as_well_are_a_weak_hint(holly: Catalogue, path: str, method: dict[str, Value]) -> None:
    seen = request(path=path, user_agent="python-httpx/0.28", **method)
    found = candidate(seen, Matcher(holly).match(seen))
    assert found is not None
    assert (found.clause, found.identity) == ("unknown.common_path", "low")


@pytest.mark.parametrize("agent", [{}, {"user_agent": ""}, {"user_agent": "curl/8"}, {"user_agent": "axios/1.7"}])
def test_what_is_posted_to_the_path_of_anthropics_api_is_a_candidate(agent: dict[str, Value]) -> None:
    found = candidate(request(path="/v1/messages", method="POST", **agent), ())
    assert found is not None
    assert (found.clause, found.identity) == ("unknown.messages_path", "medium")


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/v1/messages"},  # the log does not tell whether it was posted
        {"path": "/V1/Messages", "method": "POST"},
        {"path": "/api/generate", "method": "POST"},
        {"path": "/api/chat", "method": "POST"},
    ],
)
def test_what_is_like_that_is_a_hint(fields: dict[str, Value]) -> None:
    found = candidate(request(user_agent="curl/8", **fields), ())
    assert found is not None
    assert (found.clause, found.identity) == ("unknown.common_path", "low")


def test_the_library_is_named_beside_the_path(holly: Catalogue) -> None:
    found = candidate(request(path="/v1/chat/completions", user_agent="OpenAI/Python 1.50.0"), ())
    assert found is not None
    assert [each.value for each in found.held] == ["/chat/completions", "openai/python"]


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/v1/messages", "method": "GET"},
        {"path": "/v1/messages", "method": "POST", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)"},
        {"path": "/v1/messages/42", "method": "POST"},
        {"path": "/api/v1/messages", "method": "POST"},  # messengers have it
        {"path": "/v3/surveys/1/v1/responses", "method": "POST"},
        {"path": "/v1/chat/completions", "method": "GET"},  # somebody looks at it
        {"path": "/api/generate", "user_agent": "Mozilla/5.0"},
        {"path": "/api/chat", "method": "POST", "user_agent": " mozilla/5.0 (X11; Linux x86_64)"},
        {"path": "/v1/models/churn:predict", "method": "POST"},  # any model
        {"path": "/v1/chat/completions/history"},
        {"path": "/blog/v1/embeddings-explained"},
        {"user_agent": "OpenAPI-Generator/1.0.0/python"},
        {"user_agent": "Mozilla/5.0 (compatible; GPTBot/1.0; +https://openai.com/gptbot)"},  # it asks for pages
        {"path": "/"},
    ],
)
def test_what_other_servers_are_asked_too_is_no_hint(holly: Catalogue, fields: dict[str, Value]) -> None:
    seen = request(**fields)
    assert candidate(seen, Matcher(holly).match(seen)) is None


def test_a_host_that_the_catalogue_knows_is_no_candidate(holly: Catalogue) -> None:
    seen = request(host="api.holly.example", path="/v1/chat/completions")
    known = Matcher(holly).match(seen)
    assert known
    assert candidate(seen, known) is None


def test_the_library_that_asks_does_not_explain_the_server() -> None:
    seen = request(path="/v1/chat/completions", user_agent="holly-sdk/1.0")
    by_agent = Detection("holly", "user_agents", "high", "used", (Held("user_agent", "glob", "holly-*"),), seen)
    by_host = Detection("holly", "domains", "high", "used", (Held("host", "domain", "corp.example"),), seen)
    assert candidate(seen, (by_agent,)) is not None
    assert candidate(seen, (by_agent, by_host)) is None


LIBRARY = Held("user_agent", "glob", "holly-*")


def test_a_library_of_the_catalogue_at_a_server_nobody_knows_is_a_weak_hint() -> None:
    seen = request(path="/x", user_agent="holly-sdk/1.0")
    found = candidate(seen, (Detection("holly", "user_agents", "low", "used", (LIBRARY,), seen),))
    assert found is not None
    assert (found.clause, found.identity, found.held[0].value) == ("unknown.ai_library", "low", "holly-*")
    program = Detection("holly", "user_agents", "medium", "used", (LIBRARY,), seen)
    assert candidate(seen, (program,)) is None  # programs ask all kinds of servers
    nowhere = Observation("http.request", {"user_agent": "holly-sdk/1.0"})
    assert candidate(nowhere, (Detection("holly", "user_agents", "low", "used", (LIBRARY,), nowhere),)) is None


def test_a_call_of_a_model(holly: Catalogue) -> None:
    called = Observation("cloud.call", {"host": "ml.cloud.example", "model": "acme-1"})
    assert candidate(called, ()) is not None
    assert candidate(Observation("cloud.call", {"host": "ml.cloud.example", "operation": "Sign"}), ()) is None
    assert Matcher(holly).match(called) == ()
