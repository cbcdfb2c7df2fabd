"""What a recognised server says of itself to everybody: its version, and the models it serves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from aimscope_agent.host.facts import Answer

MOST_READS: Final = 3
MOST_MODELS: Final = 64
_LONGEST_MODEL = 200
_VERSION = re.compile(r"v?\d[0-9A-Za-z.+_-]{0,63}")
_VERSION_KEYS = (
    *("version", "litellm_version", "ray_version", "comfyui_version", "app_version", "appVersion", "server_version"),
    *("versionCli", "currentVersion"),
)
_INNER = ("system", "data", "info", "result")
_OF_INTERFACE = re.compile(r'"info":\s?\{.{0,4000}?"version":\s?"(v?\d[0-9A-Za-z.+_-]{0,63})"', re.DOTALL)
"""In a description of an interface, which is often too large to be read whole."""
_NO_VERSION = "0.1.0"
"""What FastAPI states of a product that says nothing."""
_OPENAI = "/v1/models"
_NAMES = ("id", "name", "model", "model_name", "modelName", "key")
_SINGLE = ("model_id", "model_name", "model_path", "result")
_NO_MODEL = frozenset({"", "none", "inactive", "koboldcpp", "success", "true", "false"})

_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "aphrodite": ("/version",),
    "bentoml": ("/docs.json",),
    "chroma": ("/api/v2/version", "/api/v1/version"),
    "docker-model-runner": ("/engines/v1/models",),
    "gradio": ("/config",),
    "infinity-embeddings": ("/models",),
    "jupyter": ("/lab/extensions/@jupyter-ai/router/package.json", "/lab/extensions/@jupyter-ai/core/package.json"),
    "koboldcpp": ("/api/extra/version", "/api/v1/model"),
    "langfuse": ("/api/public/health",),
    "litellm": (),  # wants a key for its models, and states its version where it costs it seconds
    "lm-studio": ("/api/v0/models",),
    "mlflow": ("/version",),
    "n8n": ("/rest/settings",),
    "ollama": ("/api/version", "/api/tags"),
    "open-webui": ("/api/version", "/api/config"),
    "ray-serve": ("/api/version",),
    "sglang": ("/get_model_info", _OPENAI),
    "text-embeddings-inference": ("/info",),
    "text-generation-inference": ("/info",),
    "text-generation-webui": ("/v1/internal/model/info",),
    "torchserve": ("/models",),
    "triton-inference-server": ("/v2",),
    "vllm": ("/version", _OPENAI),
    "weaviate": ("/v1/meta",),
    "xinference": ("/v1/cluster/version", _OPENAI),
}
"""Where products tell more than the question that gave them away."""
_OPENAI_CATEGORIES: Final = frozenset({"local-runtime", "gateway"})


def reads(service: str, category: str, asked: Iterable[str]) -> tuple[str, ...]:
    """The paths still to be read of a product that is known by now, a few at most."""
    done = set(asked)
    paths = _READS.get(service, (_OPENAI,) if category in _OPENAI_CATEGORIES or not service else ())
    return tuple(path for path in paths if path not in done)[:MOST_READS]


def version(answers: Iterable[tuple[str, Answer]]) -> str:
    """The version that one of the answers states; empty if none does."""
    for path, answer in answers:
        document = _document(answer)
        bare = document if isinstance(document, str) else answer.body.strip() if answer.status == 200 else ""
        if path.endswith("version") and _VERSION.fullmatch(bare):  # in plain text, or as a string of JSON
            return bare
        if path.endswith("openapi.json"):
            stated = _OF_INTERFACE.search(answer.body) if answer.status == 200 else None
            if stated and stated[1] != _NO_VERSION:
                return stated[1]
            continue
        if isinstance(document, Mapping):
            levels = (document, *(each for name in _INNER if isinstance(each := document.get(name), Mapping)))
            for key in _VERSION_KEYS:
                for level in levels:
                    said = level.get(key)
                    if isinstance(said, str) and _VERSION.fullmatch(said):
                        return said
    return ""


def models(answers: Iterable[tuple[str, Answer]]) -> tuple[str, ...]:
    """Names of the models that the answers list, each once, a bounded number."""
    found: dict[str, None] = {}
    for path, answer in answers:
        for name in _models(path, _document(answer)):
            plain = " ".join(name[:_LONGEST_MODEL].split())
            if plain.lower() not in _NO_MODEL and plain.isprintable():
                found[plain] = None
            if len(found) >= MOST_MODELS:
                return tuple(found)
    return tuple(found)


def _models(path: str, document: object) -> Iterator[str]:
    if not isinstance(document, Mapping):
        return
    listings = ("data", "models") if path.endswith(("/models", "/tags")) else ()
    listed = next((each for name in listings if isinstance(each := document.get(name), list)), None)
    if listed is not None:
        for each in listed[: MOST_MODELS * 2]:
            if isinstance(each, str):
                yield each
            elif isinstance(each, Mapping):
                name = next((text for key in _NAMES if isinstance(text := each.get(key), str)), "")
                yield name
    elif path.endswith(("/info", "_info", "/model")):
        yield from (text for key in _SINGLE if isinstance(text := document.get(key), str))


def _document(answer: Answer) -> object:
    if answer.status != 200 or answer.body.lstrip()[:1] not in {"{", "[", '"'}:
        return None
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
