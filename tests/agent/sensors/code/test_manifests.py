"""Manifests and lock files: what a project declares, and what was resolved."""

from __future__ import annotations

import json

import pytest

from aimscope_agent.sensors.code import locks, manifests
from aimscope_signatures.model import Status

from .conftest import Look, manifest, names, seen


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
