"""Models on disk: what a runtime's own store lists, and weights anywhere, told by their headers.

Only names, sizes and headers are read; never a weight.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from aimscope_agent.host.facts import Found
from aimscope_agent.readers import moved_stores
from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.weights import Header, gguf, onnx, safetensors
from aimscope_signatures.model import Observation

_OLLAMA = tuple(
    f"{root}/models/manifests/*/*/*/*"
    for root in (
        *("~/.ollama", "/usr/share/ollama/.ollama", "/var/lib/ollama", "/var/lib/ollama/.ollama"),
        "/var/snap/ollama/common",
        # Volumes of its container.
        "/var/lib/docker/volumes/*/_data",
        "~/.local/share/containers/storage/volumes/*/_data",
    )
)
_HUB = "~/.cache/huggingface/hub/models--*/"
_READERS = {"gguf": gguf, "safetensors": safetensors, "onnx": onnx}
_WEIGHTS = {f"**/*.{suffix}": suffix for suffix in _READERS}
_HEAD = 262_144
_SURELY_WEIGHTS = 1_048_576
"""A file this large with the right suffix is taken for weights even if its header is of an unknown version."""

_RUNTIMES = (
    ("/.lmstudio/models/", "lm-studio"),
    ("/lm-studio/models/", "lm-studio"),
    ("/nomic.ai/gpt4all/", "gpt4all"),
    ("/jan/data/", "jan"),
    ("/comfyui/", "comfyui"),
    ("/stable-diffusion-webui/", "automatic1111"),
    ("/llama.cpp/", "llama-cpp"),
)
_PUBLISHER_FOLDERS = ("lm-studio", "jan")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")


def observe(look: Look) -> Iterator[Observation]:
    """Every model, once."""
    yield from _ollama(look)
    yield from _hub(look)
    yield from _files(look)


def _ollama(look: Look) -> Iterator[Observation]:
    known: set[str] = set()
    for glob in _OLLAMA:
        for manifest in look.found(glob):
            known.add(manifest.host_path)
            yield from _manifest(look, manifest)
    for store, variable in moved_stores.stores(look).items():
        if variable == "OLLAMA_MODELS" and look.exists(f"{store}/manifests"):
            for manifest in _below(look, f"{store}/manifests", 4):
                if manifest.host_path not in known:
                    yield from _manifest(look, manifest)


def _below(look: Look, folder: Found | str, levels: int) -> Iterator[Found]:
    """Files exactly so many levels below a folder."""
    for entry in look.entries(folder):
        if entry.folder and levels > 1:
            yield from _below(look, entry, levels - 1)
        elif not entry.folder and levels == 1:
            yield entry


def _manifest(look: Look, manifest: Found) -> Iterator[Observation]:
    content = look.json(manifest)
    layers = content.get("layers") if isinstance(content, dict) else None
    if not isinstance(layers, list):
        return
    sizes = [layer.get("size") for layer in layers if isinstance(layer, dict)]
    look.count("models")
    yield look.see(
        "model",
        manifest,
        id=_ollama_name(manifest.path),
        format="ollama",
        size=sum(size for size in sizes if isinstance(size, int) and size > 0),
        runtime="ollama",
        path=manifest.path,
    )


def _ollama_name(path: str) -> str:
    """As `ollama list` writes it: the default registry and namespace are left out."""
    registry, namespace, name, tag = path.rsplit("/", 4)[1:]
    if registry == "registry.ollama.ai":
        return f"{name}:{tag}" if namespace == "library" else f"{namespace}/{name}:{tag}"
    return f"{registry}/{namespace}/{name}:{tag}"


def _hub(look: Look) -> Iterator[Observation]:
    known: set[str] = set()
    for folder in look.found(_HUB):
        known.add(folder.host_path.rstrip("/"))
        yield _hub_model(look, folder)
    for store, variable in moved_stores.stores(look).items():
        for folder in look.entries(store) if variable != "OLLAMA_MODELS" and look.exists(store) else ():
            path = folder.host_path.rstrip("/")
            if folder.folder and path.rpartition("/")[2].startswith("models--") and path not in known:
                yield _hub_model(look, folder)


def _hub_model(look: Look, folder: Found) -> Observation:
    organisation, _, name = folder.host_path.rstrip("/").rpartition("/")[2].removeprefix("models--").rpartition("--")
    files = {file.host_path.rpartition("/")[2]: file for file in _snapshot(look, folder) if not file.folder}
    formats = [form for form in ("safetensors", "gguf", "onnx") if any(name.endswith("." + form) for name in files)]
    look.count("models")
    return look.see(
        "model",
        folder,
        id=f"{organisation}/{name}" if organisation else name,
        format=formats[0] if formats else None,
        architecture=_architecture(look, files),
        publisher=organisation,
        size=sum(look.size(file) or 0 for file in files.values()),
        runtime="huggingface",
        path=folder.path,
    )


def _snapshot(look: Look, folder: Found) -> tuple[Found, ...]:
    """The files of the snapshot that `main` points to, else of the last one."""
    base = folder.host_path.rstrip("/")
    snapshots = look.entries(f"{base}/snapshots") if look.exists(f"{base}/snapshots") else ()
    revision = (look.text(f"{base}/refs/main", 200) or "").strip() if look.exists(f"{base}/refs/main") else ""
    chosen = [one for one in snapshots if one.host_path.rstrip("/").endswith(f"/{revision}")] if revision else []
    return look.entries((chosen or list(snapshots))[-1]) if snapshots else ()


def _architecture(look: Look, files: Mapping[str, Found]) -> str | None:
    config = look.json(files["config.json"]) if "config.json" in files else None
    known = config.get("architectures") if isinstance(config, dict) else None
    return known[0] if isinstance(known, list) and known and isinstance(known[0], str) else None


class _Weights(msgspec.Struct, frozen=True):
    """One file of weights; shards of one model share ``name``."""

    file: Found
    name: str
    format: str
    size: int
    header: Header


def _files(look: Look) -> Iterator[Observation]:
    models: dict[tuple[str, str], list[_Weights]] = defaultdict(list)
    for glob, suffix in _WEIGHTS.items():
        for file in look.found(glob):
            if not file.folder and "/models--" not in file.host_path:  # the hub's own are told above
                weights = _weights(look, file, suffix)
                if weights:
                    models[file.host_path.rpartition("/")[0], weights.name].append(weights)
    for shards in models.values():
        first = shards[0]
        runtime = _runtime(first.file.host_path)
        look.count("models")
        yield look.see(
            "model",
            first.file,
            id=first.header.name or first.name,
            format=first.format,
            architecture=first.header.architecture,
            publisher=first.header.publisher or _publisher(first.file.host_path, runtime),
            size=sum(shard.size for shard in shards),
            runtime=runtime,
            path=first.file.path,
        )


def _weights(look: Look, file: Found, suffix: str) -> _Weights | None:
    size = look.size(file)
    head = look.head(file, _HEAD) if size else None
    if not size or head is None:
        return None
    header = _READERS[suffix](head)
    if header is None:
        if size < _SURELY_WEIGHTS:
            return None
        header = Header()
    name = file.host_path.rpartition("/")[2].rpartition(".")[0]
    return _Weights(file, _SHARD.sub("", name), suffix, size, header)


def _runtime(path: str) -> str | None:
    lowered = path.lower()
    return next((runtime for part, runtime in _RUNTIMES if part in lowered), None)


def _publisher(path: str, runtime: str | None) -> str | None:
    """LM Studio and Jan keep `<publisher>/<repository>/<file>`."""
    if runtime not in _PUBLISHER_FOLDERS:
        return None
    _, _, below = path.rpartition("/models/")
    parts = below.split("/")
    return parts[0] if len(parts) == 3 else None


SENSOR = Sensor(
    name="models",
    doc="Model weights: stores of Ollama and Hugging Face, and GGUF, safetensors and ONNX files by their headers.",
    emits=("model",),
    observe=observe,
    wants=(*_OLLAMA, _HUB, *_WEIGHTS, *moved_stores.WANTS),
)
