"""Stores of models where runtimes put them, in volumes of containers, and where people have moved them to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agent.sensors.planted import Host, fields, gaps, ids

from aimscope_agent.sensors.models import SENSOR

MANIFEST = {"layers": [{"mediaType": "application/vnd.ollama.image.model", "size": 2_000}, {"size": 10}]}
QWEN = "manifests/registry.ollama.ai/library/qwen2.5/7b"
HUB = "models--acme--Small-1B"


def hub(folder: str) -> dict[str, object]:
    return {
        f"{folder}/{HUB}/refs/main": "0a1b",
        f"{folder}/{HUB}/snapshots/0a1b/config.json": {"architectures": ["AcmeForCausalLM"]},
        f"{folder}/{HUB}/snapshots/0a1b/model.safetensors": "x" * 100,
    }


@pytest.mark.parametrize(
    "store",
    [
        ".ollama/models",
        "/usr/share/ollama/.ollama/models",
        "/var/snap/ollama/common/models",
        "/var/lib/docker/volumes/ollama/_data/models",
        ".local/share/containers/storage/volumes/ollama/_data/models",
    ],
)
def test_stores_of_ollama(tmp_path: Path, store: str) -> None:
    (found,) = fields(Host(tmp_path).plant({f"{store}/{QWEN}": MANIFEST}).look(SENSOR))
    assert (found["id"], found["size"], found["runtime"]) == ("qwen2.5:7b", 2_010, "ollama")


@pytest.mark.parametrize(
    ("file", "text", "store"),
    [
        ("/etc/systemd/system/ollama.service.d/override.conf", '[Service]\nEnvironment="{}"\n', "/data/ollama"),
        (".bashrc", "export {}\n", "/mnt/large/ollama"),
        (".zshrc", "export {}/  # moved\n", "$HOME/big/ollama"),
        ("/etc/environment", "{}\n", "/srv/ollama"),
    ],
)
def test_a_moved_store_of_ollama(tmp_path: Path, file: str, text: str, store: str) -> None:
    folder = store.removeprefix("$HOME/")
    host = Host(tmp_path).plant({file: text.format(f"OLLAMA_MODELS={store}"), f"{folder}/{QWEN}": MANIFEST})
    assert ids(host.look(SENSOR)) == ["qwen2.5:7b"]


@pytest.mark.parametrize(
    ("file", "text", "folder"),
    [
        (".bashrc", 'export HF_HOME="/data/hf"\n', "/data/hf/hub"),
        (".config/fish/config.fish", "set -gx HF_HUB_CACHE /mnt/hub\n", "/mnt/hub"),
        ("/etc/systemd/system/v.service", "[Service]\nEnvironment=A=1 HUGGINGFACE_HUB_CACHE=/mnt/hub\n", "/mnt/hub"),
        (".bashrc", "export HF_HOME=~/.cache/huggingface\n", ".cache/huggingface/hub"),
    ],
)
def test_a_moved_hub_of_hugging_face(tmp_path: Path, file: str, text: str, folder: str) -> None:
    (found,) = fields(Host(tmp_path).plant({file: text, **hub(folder)}).look(SENSOR))
    assert (found["id"], found["architecture"]) == ("acme/Small-1B", "AcmeForCausalLM")


@pytest.mark.parametrize(
    "line",
    [
        "# export HF_HOME=/data/hf",
        "export MY_HF_HOME=/data/hf",
        "export HF_HOME=$CACHE/hf",
        "export HF_HOME=/data/x/../hf",
        "export HF_HOME=data/hf",
        "export HF_HOME=/nowhere",
    ],
)
def test_what_moves_no_store(tmp_path: Path, line: str) -> None:
    result = Host(tmp_path).plant({".bashrc": line + "\n", **hub("/data/hf/hub")}).look(SENSOR)
    assert fields(result) == []
    assert gaps(result) == set()
