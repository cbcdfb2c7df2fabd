"""Hosts, model ids and images that files name, and prose that is no mention."""

from __future__ import annotations

import pytest

from aimscope_agent.sensors.code import images

from .conftest import Look, mentioned, names, seen


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('x = "https://api.openai.com/v1"', ["api.openai.com/v1"]),
        ("// see https://platform.openai.com/docs.", ["platform.openai.com/docs."]),
        ("HTTPS://API.OPENAI.COM:443/", ["api.openai.com"]),
        ('"https:\\/\\/api.openai.com\\/v1"', ["api.openai.com/v1"]),
        ("wss://api.openai.com/v1/realtime?model=x", ["api.openai.com/v1/realtime"]),
        ("https://user:secret@api.openai.com/v1", ["api.openai.com/v1"]),
        ("f'https://{name}.openai.azure.com/'", ["*.openai.azure.com"]),
        ("`https://${process.env.X}.openai.azure.com`", ["*.openai.azure.com"]),
        ("https://<resource>.openai.azure.com", ["*.openai.azure.com"]),
        ("'https://bedrock-runtime.eu-west-1.amazonaws.com'", ["bedrock-runtime.eu-west-1.amazonaws.com"]),
        ('host = "api.openai.com:443"', ["api.openai.com"]),
        ("host = 'api.openai.com/v1'", ["api.openai.com/v1"]),
        ('"https://slack.com/services/ai"', ["slack.com/services/ai"]),
        ("we talk to api.openai.com", []),
        ('"we talk to api.openai.com today"', []),
        ("'ann@openai.com'", []),
        ('"notopenai.com"', []),
        ('"https://openai.com.example.net"', []),
        ("ftp://api.openai.com", []),
        ("'modal.run'", []),
        ("'x.modal.run'", ["x.modal.run"]),
        ("https://{host}/v1", []),
        ('"bedrock-runtime.amazonaws.com"', []),
    ],
)
def test_hosts(text: str, wanted: list[str]) -> None:
    assert mentioned(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('model="gpt-4o-mini"', ["gpt-4o-mini"]),
        ("'claude-3-opus'", ["claude-3-opus"]),
        ("`@cf/meta/llama-3`", ["@cf/meta/llama-3"]),
        ('voice = "eleven_turbo_v2"', ["eleven_turbo_v2"]),
        ('model: "o1"', ["o1"]),
        ('{"model": "o3"}', ["o3"]),
        ('["o1", "o3"]', []),
        ('"o1": {"model": 3}', []),
        ("gpt-4o", []),
        ('"gpt-4o is nice"', []),
        ("'claude-code'", []),
        ('"claude"', []),
        ('"my-gpt-4o"', []),
        ('"eleven_items"', []),
    ],
)
def test_models_are_quoted(text: str, wanted: list[str]) -> None:
    assert mentioned(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  model: gpt-4o  # cheap", ["gpt-4o"]),
        ("- model: gpt-4o", ["gpt-4o"]),
        ("export LLM_MODEL=gpt-4o", ["gpt-4o"]),
        ("ENV CHAT_MODEL gpt-4o", ["gpt-4o"]),
        ("api_host = api.openai.com", ["api.openai.com"]),
        ("owner: gpt-4o", []),
        ("mail: api.openai.com", []),
        ("model: gpt-4o is nice", []),
    ],
)
def test_settings_need_no_quotes(text: str, wanted: list[str]) -> None:
    assert mentioned(text, settings=True) == wanted
    assert mentioned(text) == []


def test_no_more_than_twenty_paths_of_a_host_are_kept() -> None:
    assert len(mentioned("\n".join(f"https://openai.com/{number}" for number in range(100)))) == 20


def test_prose_and_lock_files_are_not_searched_for_hosts(look: Look) -> None:
    url = "https://api.openai.com"
    result = look(
        {"README.md": url, "notes.txt": url, "yarn.lock": f'x@1:\n  resolved "{url}"\n', "a.py": f"#\n# {url}\n"}
    )
    assert seen(result, "code.endpoint") == [("api.openai.com", "a.py:2")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("FROM ollama/ollama:0.3", ["ollama/ollama"]),
        ("from --platform=linux/amd64 docker.io/library/python:3.12 as b\nFROM b\nCOPY --from=b /x /x", ["python"]),
        ("ARG V=vllm/vllm-openai\nFROM ${V}:${TAG}", ["vllm/vllm-openai"]),
        ("FROM localhost:5000/own/llm@sha256:" + "0" * 64, ["localhost:5000/own/llm"]),
        ("FROM scratch\nFROM $X\nCOPY --from=0 /a /b\n# FROM x/y\nRUN echo FROM a/b", []),
        ("COPY --chown=1 --from=ghcr.io/a/b:1 /a /b", ["ghcr.io/a/b"]),
    ],
)
def test_dockerfiles(text: str, wanted: list[str]) -> None:
    assert names(images.dockerfile, text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("services:\n  a:\n    image: 'ollama/ollama:latest'  # x\n", ["ollama/ollama"]),
        ("  - image: cimg/python:3.12", ["cimg/python"]),
        ("a: {image: chromadb/chroma, x: 1}", ["chromadb/chroma"]),
        ("image:\n  name: vllm/vllm-openai:v1\n", ["vllm/vllm-openai"]),
        ("  image:\n    repository: ollama/ollama\n", ["ollama/ollama"]),
        ("- uses: docker://ghcr.io/a/b:1", ["ghcr.io/a/b"]),
        ("image: ${REG:-docker.io}/ollama/ollama:${T}", ["ollama/ollama"]),
        (
            "image: logo.png\nimage: /a/b\nimage: https://x/y\nimage: {{ x }}\nimage: $X\nimages: a/b\n# image: a/b\n",
            [],
        ),
    ],
)
def test_images_in_yaml(text: str, wanted: list[str]) -> None:
    assert names(images.yaml, text) == wanted


def test_only_yaml_that_runs_containers_is_searched_for_images(look: Look) -> None:
    text = "image: ollama/ollama\n"
    result = look(
        {
            "docker-compose.prod.yml": text,
            ".gitlab-ci.yml": text,
            "k8s/any.yaml": f"---\napiVersion: v1\nkind: Pod\n{text}",
            "blog/post.yaml": text,
            "kind.yaml": f"kind: Pod\n{text}",
            ".devcontainer/devcontainer.json": '{"image": "ollama/ollama"}',
            "app.json": '{"image": "ollama/ollama"}',
        }
    )
    assert [source for _, source in seen(result, "code.image")] == [
        ".devcontainer/devcontainer.json:1",
        ".gitlab-ci.yml:1",
        "docker-compose.prod.yml:1",
        "k8s/any.yaml:4",
    ]
