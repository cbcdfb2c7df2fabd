"""AI that no signature knows, told by what it is: weights, an MCP server, an inference API.

What is returned is a candidate: a detection without a service, whose clause names the test that held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aimscope_signatures.kinds import KINDS
from aimscope_signatures.model import Detection, Held, Observation

NOBODY: Final = ""
"""The service of a candidate."""


def candidate(observation: Observation, known: Iterable[Detection]) -> Detection | None:
    """A candidate, unless a service of the catalogue explains the observation already.

    That a client is configured to use an MCP server, or which library asks, explains the client, not the server.
    """
    test = _TESTS.get(observation.kind)
    held = test(observation) if test else None
    if held is None or any(not _about_the_client(detection) for detection in known):
        return None
    presence = KINDS[observation.kind].presence
    return Detection(NOBODY, f"unknown.{held.operator}", "medium", presence, (held,), observation)


def _about_the_client(detection: Detection) -> bool:
    field = {"mcp_server": "path", "http.request": "user_agent"}.get(detection.observation.kind)
    return field is not None and all(held.field == field for held in detection.held)


def _weights(observation: Observation) -> Held | None:
    form = observation.fields.get("format")
    return Held("format", "model_weights", str(form)) if form else None


def _mcp_server(observation: Observation) -> Held | None:
    name = observation.fields.get("name") or observation.fields.get("package") or observation.fields.get("host")
    return Held("name", "mcp_server", str(name)) if name else None


def _inference_api(observation: Observation) -> Held | None:
    """OpenAI's `GET /v1/models` answers a list object; servers that imitate its API answer the same."""
    fields = observation.fields
    body = str(fields.get("body", ""))
    asked = str(fields.get("path", "")).rstrip("/").endswith("/models")
    if asked and fields.get("status") == 200 and '"object":"list"' in body and '"data":[' in body:
        return Held("body", "openai_compatible", str(fields.get("path")))
    return None


def _inference_request(observation: Observation) -> Held | None:
    """A request to a path that only inference servers have, or by a library that asks nothing else."""
    fields = observation.fields
    host = fields.get("host")
    if not host:
        return None
    path = str(fields.get("path", "")).rstrip("/").lower()
    if path.endswith(INFERENCE_PATHS):
        return Held("path", "inference_path", next(end for end in INFERENCE_PATHS if path.endswith(end)))
    agent = str(fields.get("user_agent", "")).strip().lower()
    if agent.startswith(INFERENCE_AGENTS):
        return Held("user_agent", "inference_agent", next(each for each in INFERENCE_AGENTS if agent.startswith(each)))
    return None


def _model_call(observation: Observation) -> Held | None:
    """A cloud's or vendor's audit log names the model that was asked."""
    model = observation.fields.get("model")
    return Held("model", "model_call", str(model)) if model else None


INFERENCE_PATHS: Final = (
    "/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages/count_tokens",
    "/v1/messages/batches",
    "/v1/images/generations",
    "/v1/audio/transcriptions",
    "/v1/audio/speech",
    "/v1/responses/compact",
    "/v1beta/openai/models",
)
"""What the path of a request to an inference API ends with, in lower case.

`/v1/messages`, `/v1/responses`, `/api/chat` and `/api/generate` are as common in messengers, surveys and web
applications: there it takes the library that asks.
"""
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

_TESTS: Final[dict[str, Callable[[Observation], Held | None]]] = {
    "model": _weights,
    "mcp_server": _mcp_server,
    "http.response": _inference_api,
    "http.request": _inference_request,
    "cloud.call": _model_call,
}
