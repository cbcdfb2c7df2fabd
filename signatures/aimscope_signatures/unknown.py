"""AI that no signature knows, told by what it is: weights, an MCP server, an inference API.

What is returned is a candidate: a detection without a service, whose clause names the test that held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aimscope_signatures.kinds import KINDS, Identity
from aimscope_signatures.model import Detection, Held, Observation

NOBODY: Final = ""
"""The service of a candidate."""


def candidate(observation: Observation, known: Iterable[Detection]) -> Detection | None:
    """A candidate, unless a service of the catalogue explains the observation already; a weak one by common words.

    That a client is configured to use an MCP server, or which library asks, explains the client, not the server.
    """
    found = tuple(known)
    if not all(_about_the_client(detection) for detection in found):
        return None
    test = _TESTS.get(observation.kind)
    held = test(observation) if test else ()
    if not held and observation.kind == "http.request":
        held = _library(observation, found)
    if not held:
        return None
    presence = KINDS[observation.kind].presence
    identity: Identity = "low" if held[0].operator in _WEAK else "medium"
    return Detection(NOBODY, f"unknown.{held[0].operator}", identity, presence, held, observation)


def _about_the_client(detection: Detection) -> bool:
    field = {"mcp_server": "path", "http.request": "user_agent"}.get(detection.observation.kind)
    return field is not None and all(held.field == field for held in detection.held)


def _library(observation: Observation, known: Iterable[Detection]) -> tuple[Held, ...]:
    """A library of the catalogue that asks a server nobody knows; programs ask all kinds of servers."""
    if not observation.fields.get("host"):
        return ()
    libraries = (each.held[0].value for each in known if each.identity == "low")
    return tuple(Held("user_agent", "ai_library", value) for value in libraries)[:1]


def _weights(observation: Observation) -> tuple[Held, ...]:
    form = observation.fields.get("format")
    return (Held("format", "model_weights", str(form)),) if form else ()


def _mcp_server(observation: Observation) -> tuple[Held, ...]:
    name = observation.fields.get("name") or observation.fields.get("package") or observation.fields.get("host")
    return (Held("name", "mcp_server", str(name)),) if name else ()


def _inference_api(observation: Observation) -> tuple[Held, ...]:
    """OpenAI's `GET /v1/models` answers a list object; servers that imitate its API answer the same."""
    fields = observation.fields
    body = str(fields.get("body", ""))
    asked = str(fields.get("path", "")).rstrip("/").endswith("/models")
    if asked and fields.get("status") == 200 and '"object":"list"' in body and '"data":[' in body:
        return (Held("body", "openai_compatible", str(fields.get("path"))),)
    return ()


def _inference_request(observation: Observation) -> tuple[Held, ...]:
    """A question to a path that inference servers have, or by a library that asks nothing else."""
    fields = observation.fields
    if not fields.get("host"):
        return ()
    path = str(fields.get("path", "")).rstrip("/").lower()
    agent = str(fields.get("user_agent", "")).strip().lower()
    held: list[Held] = []
    asks = str(fields.get("method", "")).strip().lower() in {"", "post"}  # questions are posted, where the log tells
    if asks and path.endswith(INFERENCE_PATHS):
        held.append(Held("path", "inference_path", next(end for end in INFERENCE_PATHS if path.endswith(end))))
    if agent.startswith(INFERENCE_AGENTS):
        library = next(each for each in INFERENCE_AGENTS if agent.startswith(each))
        held.append(Held("user_agent", "inference_agent", library))
    if asks and not held and path in COMMON_PATHS and not agent.startswith(BROWSER):
        posted = bool(fields.get("method")) and str(fields.get("path")) == MESSAGES_PATH
        held.append(Held("path", "messages_path" if posted else "common_path", path))
    return tuple(held)


def _model_call(observation: Observation) -> tuple[Held, ...]:
    """A cloud's or vendor's audit log names the model that was asked."""
    model = observation.fields.get("model")
    return (Held("model", "model_call", str(model)),) if model else ()


INFERENCE_PATHS: Final = (
    "/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages/count_tokens",
    "/v1/messages/batches",
    "/anthropic/v1/messages",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/audio/speech",
    "/v1/fine_tuning/jobs",
    "/v1/responses/compact",
    "/openai/responses",
    "/openai/v1/responses",
    "/v1/rerank",
    "/v2/rerank",
    ":generatecontent",
    ":streamgeneratecontent",
    ":batchgeneratecontent",
    ":embedcontent",
    ":batchembedcontents",
    ":streamrawpredict",
    "/invoke-with-response-stream",
    "/converse-stream",
    "/generate_stream",
)
"""What the path that an inference API is asked by ends with, in lower case."""
MESSAGES_PATH: Final = "/v1/messages"
"""What Anthropic's API, and those that imitate it, are asked by. Posted, and by no browser, it is more than a hint."""
COMMON_PATHS: Final = frozenset(
    {
        MESSAGES_PATH,
        "/v1/responses",
        "/v1/moderations",
        "/api/chat",
        "/api/embed",
        "/api/embeddings",
        "/api/generate",
    }
)
"""Paths of inference APIs that messengers, surveys and web applications have as well: a hint, where no browser asks."""
BROWSER: Final = "mozilla/"
"""What browsers, and those that pass for one, begin the name of their software with, in lower case."""
INFERENCE_AGENTS: Final = (
    "openai/python",
    "openai/js",
    "openai/go",
    "openai/java",
    "openai/ruby",
    "openai/php",
    "asyncopenai/python",
    "azureopenai/",
    "asyncazureopenai/",
    "anthropic/python",
    "anthropic/js",
    "anthropic/go",
    "anthropic/java",
    "anthropic/ruby",
    "asyncanthropic/python",
    "ollama/",
    "ollama-python/",
    "ollama-js/",
    "litellm/",
    "ai-sdk/openai-compatible/",
)
"""What libraries that ask models, and nothing else, begin the name of their software with, in lower case."""

_WEAK: Final = frozenset({"common_path", "ai_library"})
_TESTS: Final[dict[str, Callable[[Observation], tuple[Held, ...]]]] = {
    "model": _weights,
    "mcp_server": _mcp_server,
    "http.response": _inference_api,
    "http.request": _inference_request,
    "cloud.call": _model_call,
}
