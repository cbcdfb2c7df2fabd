"""Project code: what declares, imports, calls and ships AI, what only looks like it, and files that are broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.host.reading import UnreadableError
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors.code import SENSOR, commands, images, imports, locks, manifests, mentions, notebooks
from aimscope_agent.sensors.code.known import Known
from aimscope_agent.sensors.code.text import Lines
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Status

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


# manifests


@pytest.mark.parametrize(
    "path",
    ["requirements.txt", "requirements-dev.txt", "dev-requirements.txt", "requirements/base.txt", "requirements.in",
     "pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "environment.yml", "conda-env.environment.yaml",
     "package.json", "Cargo.toml", "go.mod", "Gemfile", "x.gemspec", "pom.xml", "app/build.gradle", "build.gradle.kts",
     "gradle/libs.versions.toml", "composer.json", "Web/Web.csproj", "packages.config", "Directory.Packages.props"],
)  # fmt: skip
def test_a_manifest_is_known_by_its_name(path: str) -> None:
    assert manifests.reader(path)


@pytest.mark.parametrize(
    "path", ["notes.txt", "my-package.json", "requirements.md", "values.yaml", "gradle", "a.csprojx"]
)
def test_other_files_are_no_manifests(path: str) -> None:
    assert manifests.reader(path) is None


def test_requirements_with_options_extras_urls_and_continued_lines() -> None:
    text = (
        "# openai\n-r base.txt\n--index-url https://x/simple\nOpenAI[datalib] >= 1 ; python_version>'3'  # c\n"
        "litellm @ https://x/litellm.whl\nflask \\\n  --hash=sha256:00\n-e git+https://x/y.git#egg=own_tool\n./wheel.whl\n"
        "https://x/y.whl\nhttpx~=0.27\n"
    )
    assert manifest("requirements.txt", text) == [
        "pypi:OpenAI",
        "pypi:litellm",
        "pypi:flask",
        "pypi:own_tool",
        "pypi:httpx",
    ]


def test_pyproject_of_every_tool() -> None:
    text = """
        [project]
        dependencies = ["openai>=1", 3, "httpx"]
        optional-dependencies = {ai = ["litellm[proxy]"], broken = "x"}
        [dependency-groups]
        dev = ["ruff", {include-group = "x"}]
        [build-system]
        requires = ["hatchling"]
        [tool.poetry.dependencies]
        python = "^3.11"
        anthropic = {version = "^0.3", optional = true}
        [tool.poetry.group.eval.dependencies]
        ragas = "*"
        [tool.uv]
        dev-dependencies = ["mcp"]
        [tool.pdm.dev-dependencies]
        t = ["tox"]
        [tool.hatch.envs.docs]
        dependencies = ["mkdocs"]
    """
    wanted = ["openai", "httpx", "litellm", "ruff", "anthropic", "ragas", "mcp", "tox", "mkdocs"]
    assert manifest("pyproject.toml", text) == [f"pypi:{name}" for name in wanted]


def test_setup_py_is_read_not_run() -> None:
    text = (
        "from setuptools import setup\nsetup(name='openai', install_requires=['litellm>=1', \"httpx\"],\n"
        "extras_require={'ai': ['anthropic'], \"all\": [x]}, classifiers=['Framework :: Flask'])\n"
        "raise SystemExit('never')\n"
    )
    assert manifest("setup.py", text) == ["pypi:litellm", "pypi:httpx", "pypi:anthropic"]


def test_setup_cfg_sections_and_indentation() -> None:
    text = (
        "[metadata]\nname = openai\n[options]\ninstall_requires =\n    litellm>=1\n    # openai\n"
        "    httpx; python_version<'4'\n"
        "python_requires = >=3.11\n[options.extras_require]\nai = anthropic\n  mcp\n[flake8]\nignore = E501\n"
    )
    assert manifest("setup.cfg", text) == ["pypi:litellm", "pypi:httpx", "pypi:anthropic", "pypi:mcp"]


def test_conda_environments_with_pip() -> None:
    listed = "  - python=3.11\n  - conda-forge::numpy>=2\n  - pip\n  - pip:\n    - openai==1.0\n  - 3\n"
    text = f"name: x\ndependencies:\n{listed}"
    assert manifest("environment.yml", text) == ["conda:numpy", "pypi:openai"]


def test_manifests_of_other_languages() -> None:
    package = {"dependencies": {"ai": "npm:openai@4", "@a/b": "1", "own": "file:../own"}, "devDependencies": ["x"]}
    assert manifest("package.json", json.dumps(package)) == ["npm:openai", "npm:@a/b"]
    gem = "source 'https://x'\ngem 'ruby-openai', '~> 7'\n  gem(\"rails\")\n# gem 'x'\ngemma 'y'\n"
    assert manifest("Gemfile", gem) == ["gem:ruby-openai", "gem:rails"]
    pom = (
        "<project><groupId>own</groupId><artifactId>own</artifactId><!-- <dependency><groupId>a</groupId>"
        "<artifactId>b</artifactId></dependency> --><dependency>\n <groupId>dev.langchain4j</groupId>\n"
        " <artifactId>langchain4j</artifactId>\n</dependency></project>"
    )
    assert manifest("pom.xml", pom) == ["maven:dev.langchain4j:langchain4j"]
    gradle = "implementation(\"com.openai:openai-java:1.0\")\nimplementation group: 'a.b', name: 'c', version: '1'\nurl 'https://x.y'"
    assert manifest("build.gradle", gradle) == ["maven:com.openai:openai-java", "maven:a.b:c"]
    composer = {"require": {"php": ">=8", "ext-curl": "*", "openai-php/client": "^0.10"}}
    assert manifest("composer.json", json.dumps(composer)) == ["composer:openai-php/client"]
    csproj = (
        '<ItemGroup><PackageReference Include="Azure.AI.OpenAI" Version="2" /><Compile Include="a.cs" /></ItemGroup>'
    )
    assert manifest("a.csproj", csproj) == ["nuget:Azure.AI.OpenAI"]
    config = '<packages><package id="OpenAI" version="1" /></packages>'
    assert manifest("packages.config", config) == ["nuget:OpenAI"]


def test_a_broken_manifest_is_a_gap_and_the_rest_is_seen(look: Look) -> None:
    result = look(
        {"pyproject.toml": "[project\n# https://api.openai.com", "package.json": "{", "a.py": "import openai"}
    )
    assert seen(result, "code.package") == [("pymod:openai", "a.py:1")]
    assert seen(result, "code.endpoint") == [("api.openai.com", "pyproject.toml:2")]
    gaps = {(gap.source, gap.status, gap.reason) for gap in result.coverage[0].gaps}
    assert gaps == {
        ("/p/pyproject.toml", Status.FAILED, "not valid TOML"),
        ("/p/package.json", Status.FAILED, "not valid JSON"),
    }


# lock files


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (
            "poetry.lock",
            '[[package]]\nname = "openai"\nversion = "1"\n[package.extras]\nname = "no"\n',
            ["pypi:openai"],
        ),
        ("uv.lock", '[[package]]\r\nname = "openai"\n', ["pypi:openai"]),
        ("pdm.lock", '[[package]]\nname = "openai"\n', ["pypi:openai"]),
        ("cargo.lock", '[[package]]\nname = "async-openai"\n', ["cargo:async-openai"]),
        ("pipfile.lock", '{\n    "default": {\n        "openai": {\n            "hashes": []', ["pypi:openai"]),
        ("package-lock.json", '{"dependencies": {"@a/b": {"version": "1"}}}', ["npm:@a/b"]),
        ("package-lock.json", '"a/node_modules/@a/b": {}, "node_modules/c": {}, "x": {}', ["npm:@a/b", "npm:c"]),
        ("pnpm-lock.yaml", "packages:\n\n  '@a/b@1.0.0':\n    x: y\n  /c@2.0.0(d@1.0.0):\n", ["npm:@a/b", "npm:c"]),
        ("yarn.lock", '"@a/b@^1.0.0":\n  version "1"\nc@npm:1, c@2:\n  d "^1"\n', ["npm:@a/b", "npm:c"]),
        ("bun.lock", '{"packages": {\n    "x": ["@a/b@1.0.0", "", {}],\n  "y": [1]}', ["npm:@a/b"]),
        ("go.sum", "github.com/openai/openai-go v1.0.0 h1:x=\n", ["go:github.com/openai/openai-go"]),
        ("gemfile.lock", "GEM\n  specs:\n    ruby-openai (7.0)\n      faraday (>= 1)\n", ["gem:ruby-openai"]),
        ("composer.lock", '        {\n            "name": "openai-php/client",\n', ["composer:openai-php/client"]),
    ],
)
def test_lock_files(name: str, text: str, wanted: list[str]) -> None:
    assert names(locks.LOCKS[name], text) == wanted


def test_of_lock_files_only_what_the_catalogue_knows_is_observed(look: Look) -> None:
    result = look({"yarn.lock": "left-pad@1:\nopenai@4:\n", "go.sum": "github.com/openai/openai-go/v2 v2.0.0 h1:x\n"})
    assert seen(result, "code.package") == [
        ("go:github.com/openai/openai-go", "go.sum:1"),
        ("npm:openai", "yarn.lock:2"),
    ]


# what code imports


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import openai", ["pymod:openai"]),
        ("import os, openai as ai", ["pymod:openai"]),
        ("import os; import openai", ["pymod:openai"]),
        ("    from openai.types import X", ["pymod:openai"]),
        ("from google import genai", ["pymod:google.genai"]),
        ("from google import (\n  auth,  # )\n", []),
        ("from google.genai import types", ["pymod:google.genai"]),
        ("m = importlib.import_module('openai.types')", ["pymod:openai"]),
        ("from . import openai", []),
        ("from .openai import x", []),
        ("from google import auth", []),
        ("import openai_utils", []),
        ("import google", []),
        ("openai = 1\nprint(openai)", []),
        ("# import openai", []),
        ('"""\nimport openai\n"""', []),
        ("x = '''\nimport openai", []),
        ('s = "it\'s"\nimport openai', ["pymod:openai"]),
        ("x = 'from a'\nimportant = openai", []),
    ],
)
def test_python_imports(code: str, wanted: list[str]) -> None:
    assert [name for name, _ in imports.python(code, KNOWN)] == wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ('import OpenAI from "openai";', ["npm:openai"]),
        ("import {\n  a,\n} from '@anthropic-ai/sdk/resources'", ["npm:@anthropic-ai/sdk"]),
        ("export * from 'openai/core'", ["npm:openai"]),
        ("const x = require('openai')", ["npm:openai"]),
        ("await import(`openai`)", ["npm:openai"]),
        ('import "openai"', ["npm:openai"]),
        ('import x from "npm:openai@4.1"', ["npm:openai"]),
        ('import x from "./openai"', []),
        ('import x from "@/openai"', []),
        ('import x from "openai-helpers"', []),
        ('// import x from "openai"', []),
        ('/* require("openai") */', []),
        ("const s = 'import \"openai\"'", []),
        ('const s = `select * from "openai"`', []),
        ('const url = "https://x"; import y from "openai"', ["npm:openai"]),
        ("const openai = 1", []),
    ],
)
def test_javascript_imports(code: str, wanted: list[str]) -> None:
    assert [name for name, _ in imports.javascript(code, KNOWN)] == wanted


def test_go_and_rust_imports() -> None:
    go = 'import (\n\t"fmt"\n\t_ "github.com/openai/openai-go/v2/option"\n\t// "github.com/openai/openai-go"\n)\n'
    assert [place for _, place in imports.go(go, KNOWN)] == [go.index('"github')]
    assert not list(imports.go('import "github.com/openai/openai-gone"\nvar x = "github.com/openai/openai-go"', KNOWN))
    assert names(lambda text: imports.rust(text, KNOWN), "pub(crate) use async_openai::X;") == ["cargo:async-openai"]
    assert not list(
        imports.rust('// use async_openai::X;\nuse crate::async_openai;\nlet s = "\nuse async_openai;";', KNOWN)
    )


def test_a_module_of_the_project_hides_a_package_of_the_same_name(look: Look) -> None:
    result = look(
        {
            "ray.py": "",
            "main.py": "import ray\nimport mcp\nimport openai",
            "src/mcp/__init__.py": "",
            "src/app/__init__.py": "",
            "src/app/openai.py": "import openai",  # a package's own module does not hide: imports are absolute
            "src/app/chat.py": "import openai",
            "openai/data.csv": "",  # no package
        }
    )
    assert seen(result, "code.package") == [
        ("pymod:openai", "main.py:3"),
        ("pymod:openai", "src/app/chat.py:1"),
        ("pymod:openai", "src/app/openai.py:1"),
    ]


# commands


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("RUN pip install --no-cache-dir -U 'openai>=1' httpx", ["pypi:openai"]),
        ("RUN pip install \\\n    litellm[proxy]", ["pypi:litellm"]),
        ("uvx litellm openai", ["pypi:litellm"]),
        ("python -m pip3 install openai && true", ["pypi:openai"]),
        ("npm i -g @anthropic-ai/sdk@latest", ["npm:@anthropic-ai/sdk"]),
        ("go install github.com/openai/openai-go/cmd@latest", ["go:github.com/openai/openai-go"]),
        ("cargo add async-openai", ["cargo:async-openai"]),
        ("# pip install openai", []),
        ("pip install -r openai", []),
        ("pip install x; openai", []),
        ("pip uninstall openai", []),
        ("echo openai", []),
        ("mypip install openai", []),
    ],
)  # fmt: skip
def test_commands_that_install(command: str, wanted: list[str]) -> None:
    assert [name for name, _ in commands.known(command, KNOWN)] == wanted


# hosts and models


def mentioned(text: str, *, settings: bool = False) -> list[str]:
    return [found.model or found.host + found.url_path for found in mentions.mentions(text, WORDS, settings=settings)]


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


# images


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


# notebooks


def notebook(*sources: object, language: str = "python") -> str:
    cells = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"metadata": {"kernelspec": {"language": language}}, "cells": cells}, indent=1)


def test_notebooks_are_read_cell_by_cell(look: Look) -> None:
    text = notebook(
        ["import os\n", "import openai"], "!pip install litellm\nmodel='gpt-4o'", "%%bash\nimport mcp", 3, [None]
    )
    result = look({"a.ipynb": text, "r.ipynb": notebook("import openai", language="R"), "torn.ipynb": text[:50]})
    lines = text.split("\n")
    assert seen(result, "code.package") == [
        ("pymod:openai", f"a.ipynb:{lines.index(next(line for line in lines if 'import openai' in line)) + 1}"),
        ("pypi:litellm", f"a.ipynb:{lines.index(next(line for line in lines if 'litellm' in line)) + 1}"),
    ]
    assert [model for model, _ in seen(result, "code.model")] == ["gpt-4o"]
    assert [gap.reason for gap in result.coverage[0].gaps] == ["not valid JSON"]


# files


def test_what_is_reported_of_a_file(look: Look) -> None:
    result = look({"src/a.py": "\n\nimport openai\nimport openai\n"})
    (one,) = result.observations["code"]
    assert (one.source, one.subject) == ("src/a.py:3", "")
    assert one.fields == {"package": "pymod:openai", "how": "import", "path": "src/a.py", "line": 3}


def test_of_several_projects_the_source_says_which(look: Look) -> None:
    result = look(
        {"a/x.py": "import openai", "b/x.py": "import openai", "b/in/y.py": "import openai"}, "/p/a", "/p/b", "/p/b/in"
    )
    assert [one.source for one in result.observations["code"]] == ["a/x.py:1", "b/in/y.py:1", "b/x.py:1"]
    assert [one.fields["path"] for one in result.observations["code"]] == ["x.py", "in/y.py", "x.py"]


def test_the_whole_tree_may_be_a_project(look: Look) -> None:
    assert seen(look({"x.py": "import openai"}, "/"), "code.package") == [("pymod:openai", "p/x.py:1")]


def test_no_project_is_nothing_to_look_at(tmp_path: Path) -> None:
    result = scan(OfflineHost(tmp_path), [SENSOR], INTERESTS, Options(projects=("/none",)), now=1)
    assert (result.observations["code"], result.coverage[0].status) == ((), Status.COMPLETE)


def test_large_binary_and_generated_files(look: Look) -> None:
    code = "import openai\n"
    result = look(
        {
            "big.py": code + "#" * 1_100_000,
            "big.json": '"gpt-4o"' + " " * 1_100_000,
            "bundle.js": 'require("openai");' + "x;" * 60_000,
            "lib.min.js": 'require("openai");',
            "data.py": b"import openai\n\0\1\2",
            "wide.py": code.encode("utf-16"),
            "bad.py": b"# \xff\xfe\n" + code.encode(),
        }
    )
    assert seen(result, "code.package") == [("pymod:openai", "bad.py:2"), ("pymod:openai", "wide.py:1")]
    assert [(gap.source, gap.reason) for gap in result.coverage[0].gaps] == [("/p/big.py", "larger than 1 MiB")]


def test_links_pipes_and_closed_folders_do_not_stop_it(look: Look, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.py").write_text("import openai")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "loop").symlink_to(tmp_path / "p")
    (tmp_path / "p" / "out").symlink_to(outside)
    (tmp_path / "p" / "link.py").symlink_to(outside / "x.py")
    os.mkfifo(tmp_path / "p" / "pipe.py")
    result = look({"node_modules/x/index.js": 'require("openai")', "a.py": "import openai"})
    assert seen(result, "code.package") == [("pymod:openai", "a.py:1")]
    assert [gap.reason for gap in result.coverage[0].gaps] == ["not a regular file"]


# any text at all

FRAGMENTS = st.sampled_from(
    ["import", "from", "(", ")", "\"", "'", '"""', "`", "\n", "#", "//", "/*", "*/", "openai", "{", "}", "[", "]", ":",
     "=", "https://", "$", "image", "FROM ", "[[package]]\nname = ", "- ", ",", "\\", "\0", "pip install ",
     "<dependency>", "install_requires=", "require (", "@", "gpt-4o", ".", "-", "é", "\ud83d", " "]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(FRAGMENTS, max_size=60).map("".join)).map(
    lambda text: text.encode("utf-8", "replace").decode()
)
MANIFESTS = ["requirements.txt", "pyproject.toml", "setup.cfg", "setup.py", "Pipfile", "environment.yml",
             "package.json", "Cargo.toml", "go.mod", "Gemfile", "pom.xml", "build.gradle",
             "composer.json", "a.csproj"]  # fmt: skip


@pytest.mark.parametrize("path", MANIFESTS)
@given(text=TEXTS)
def test_manifest_readers_take_any_text(path: str, text: str) -> None:
    reader = manifests.reader(path)
    assert reader
    try:
        found = list(reader(text))
    except UnreadableError:
        return
    assert all(":" in name and 0 <= offset <= len(text) for name, offset in found)


@given(text=TEXTS)
def test_readers_of_text_take_any_text(text: str) -> None:
    found = [hit for reader in locks.LOCKS.values() for hit in reader(text)]
    found += [hit for importer in set(imports.IMPORTERS.values()) for hit in importer(text, KNOWN)]
    found += [*commands.known(text, KNOWN), *images.dockerfile(text), *images.yaml(text), *images.json(text)]
    found += [(one.host or one.model, one.offset) for one in mentions.mentions(text, WORDS, settings=True)]
    assert all(name and 0 <= offset <= len(text) for name, offset in found)


@given(
    cells=st.recursive(
        st.none() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["cells", "cell_type", "source", "metadata", "code"]), inner)
        ),
        max_leaves=20,
    )
)
def test_notebooks_take_any_json(cells: object) -> None:
    for document in (
        cells,
        {"cells": cells},
        {"cells": [cells], "metadata": cells},
        {"cells": [{"cell_type": "code", "source": cells}]},
    ):
        assert all(isinstance(cell.code, str) for cell in notebooks.cells(json.dumps(document)))


@given(text=st.text(alphabet="ab\n\r", max_size=50), data=st.data())
def test_lines_count_what_lies_before(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    assert Lines(text).at(offset) == text.count("\n", 0, offset) + 1


@pytest.mark.parametrize(
    "text",
    ["/*" * 200_000, "`" * 200_001, "import (" * 100_000, '"""' * 150_001, "import " * 100_000, "{" * 500_000,
     "https://" * 100_000, '"a' * 300_000, "from a import (" * 50_000, "node_modules/" * 50_000, "- image: " * 80_000,
     '"node_modules/' * 50_000, "pip install " * 60_000, "<dependency><groupId>" * 40_000,
     "install_requires=[" * 50_000, "model: " * 90_000, "a." * 300_000, " " * 900_000, "\n" * 900_000,
     "import openai\n" * 60_000],
    ids=lambda text: text[:20].strip() or repr(text[:2]),
)  # fmt: skip
def test_text_made_to_be_slow_is_not(text: str) -> None:
    """Within the time limit of every test: each expression is linear, or bounded where it is not."""
    for importer in set(imports.IMPORTERS.values()):
        list(importer(text, KNOWN))
        list(importer(f'{text}\nimport openai from "openai"', KNOWN))
    for reader in (*locks.LOCKS.values(), images.dockerfile, images.yaml, images.json):
        list(reader(text))
    for path in (
        "requirements.txt",
        "setup.py",
        "setup.cfg",
        "go.mod",
        "pom.xml",
        "build.gradle",
        "a.csproj",
        "Gemfile",
    ):
        manifest(path, text)
    list(commands.known(text, KNOWN))
    mentioned(text, settings=True)
