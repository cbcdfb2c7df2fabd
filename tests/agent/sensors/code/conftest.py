"""A catalogue of few entries, and projects made for one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors.code import SENSOR, manifests, mentions
from aimscope_agent.sensors.code.known import Known
from aimscope_signatures.interests import Interests

INTERESTS = Interests(
    packages=frozenset(
        {
            "pypi:openai", "pypi:litellm", "pymod:openai", "pymod:google.genai", "pymod:mcp", "pymod:ray",
            "npm:openai", "npm:@anthropic-ai/sdk", "npm:ai", "go:github.com/openai/openai-go", "cargo:async-openai",
            "gem:ruby-openai",
            "composer:openai-php/client",
        }
    ),
    model_ids=("gpt-4o*", "claude-*", "o1", "o3", "@cf/*", "eleven_*"),
    hosts=("openai.com", "openai.azure.com", "bedrock-runtime.*-*-*.amazonaws.com", "modal.run", "slack.com"),
)  # fmt: skip
KNOWN = Known(INTERESTS.packages)
WORDS = mentions.Words(mentions.Hosts(INTERESTS.hosts), mentions.Models(INTERESTS.model_ids))

Look = Callable[..., ScanResult]
Files = Mapping[str, "bytes | str"]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Scan planted files below the project ``/p``."""

    def run(files: Files, *projects: str) -> ScanResult:
        for name, content in files.items():
            path = tmp_path / "p" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        options = Options(projects=projects or ("/p",))
        return scan(OfflineHost(tmp_path), [SENSOR], INTERESTS, options, now=1)

    return run


def seen(result: ScanResult, kind: str) -> list[tuple[str, str]]:
    """What of a kind was seen, with ``path:line``."""
    value = {"code.package": "package", "code.endpoint": "host", "code.model": "model", "code.image": "image"}[kind]
    return [(str(one.fields[value]), one.source) for one in result.observations["code"] if one.kind == kind]


def names(reader: Callable[[str], object], text: str) -> list[str]:
    found = reader(text)
    assert hasattr(found, "__iter__")
    return [name for name, _ in found]


def manifest(path: str, text: str) -> list[str]:
    reader = manifests.reader(path)
    assert reader is not None
    return names(reader, text)


def mentioned(text: str, *, settings: bool = False) -> list[str]:
    """Models, and hosts with the paths of their URLs."""
    return [found.model or found.host + found.url_path for found in mentions.mentions(text, WORDS, settings=settings)]
