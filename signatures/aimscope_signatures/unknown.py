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

    That a client is configured to use an MCP server explains the client, not the server.
    """
    test = _TESTS.get(observation.kind)
    held = test(observation) if test else None
    if held is None or any(not _about_the_client(detection) for detection in known):
        return None
    presence = KINDS[observation.kind].presence
    return Detection(NOBODY, f"unknown.{held.operator}", "medium", presence, (held,), observation)


def _about_the_client(detection: Detection) -> bool:
    return detection.observation.kind == "mcp_server" and all(held.field == "path" for held in detection.held)


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


_TESTS: Final[dict[str, Callable[[Observation], Held | None]]] = {
    "model": _weights,
    "mcp_server": _mcp_server,
    "http.response": _inference_api,
}
