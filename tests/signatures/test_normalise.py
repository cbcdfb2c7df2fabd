from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures import normalise
from aimscope_signatures.normalise import FORMS, canonical


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("api.openai.com", "api.openai.com"),
        ("API.OpenAI.com.", "api.openai.com"),
        ("  chatgpt.com \t", "chatgpt.com"),
        ("api.openai.com:443", "api.openai.com"),
        ("https://user:pw@api.openai.com:8443/v1/chat?x=1#y", "api.openai.com"),
        ("*.openai.com", "*.openai.com"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_host_is_found_in_any_form(written: str, host: str) -> None:
    assert normalise.hostname(written) == host


@pytest.mark.parametrize(
    "written", ["", " ", "a b", "-x.com", "x..y", "a" * 300, "é." * 500_000, "exam\x00ple.com", "http://"]
)
def test_what_is_no_host_becomes_nothing(written: str) -> None:
    assert normalise.hostname(written) == ""


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/Users/ann/.cursor/mcp.json", "~/.cursor/mcp.json"),
        ("/home/ann/.cursor/mcp.json", "~/.cursor/mcp.json"),
        ("/root/.cursor/mcp.json", "~/.cursor/mcp.json"),
        ("C:\\Users\\Ann\\AppData\\Roaming\\Claude\\x.json", "~/appdata/roaming/claude/x.json"),
        ("%APPDATA%\\Claude\\x.json", "~/appdata/roaming/claude/x.json"),
        ("$HOME/.codex/config.toml", "~/.codex/config.toml"),
        ("~ann/.codex/config.toml", "~/.codex/config.toml"),
        ("${XDG_CONFIG_HOME}/zed/settings.json", "~/.config/zed/settings.json"),
        ("/homestead/ann/x", "/homestead/ann/x"),
        ("file:///C:/Users/Ann%20B/.cursor/mcp.json", "~/.cursor/mcp.json"),
        ("/Users/ann/Library/Application\\ Support/Claude/x.json", "~/library/application support/claude/x.json"),
        ("${env:APPDATA}\\Claude\\x.json", "~/appdata/roaming/claude/x.json"),
        ("${XDG_CONFIG_HOME:-$HOME/.config}/zed/settings.json", "~/.config/zed/settings.json"),
        ("\\\\?\\C:\\Users\\Ann\\.claude.json", "~/.claude.json"),
        ("\\\\wsl$\\Ubuntu\\home\\ann\\.claude.json", "~/.claude.json"),
        ("/mnt/c/Users/Ann/.claude.json", "~/.claude.json"),
        ("%HOMEDRIVE%%HOMEPATH%\\.claude.json", "~/.claude.json"),
        ("/home/ann/./.claude.json", "~/.claude.json"),
        ("./.mcp.json", "./.mcp.json"),
    ],
)
def test_a_home_is_a_home_on_every_platform(written: str, path: str) -> None:
    assert normalise.path(written) == path


@pytest.mark.parametrize(
    ("written", "package"),
    [
        ("pypi:OpenAI==2.1.0", "pypi:openai"),
        ("pypi:Typing_Extensions", "pypi:typing-extensions"),
        ("pypi:langchain[all]>=1", "pypi:langchain"),
        ("npm:@Anthropic-AI/claude-code@2.0.1", "npm:@anthropic-ai/claude-code"),
        ("npm:@anthropic-ai/claude-code", "npm:@anthropic-ai/claude-code"),
        ("conda:conda-forge::openai=1", "conda:openai"),
        ("go:github.com/openai/openai-go/v3@v3.1.0", "go:github.com/openai/openai-go"),
        ("go:example.com/video", "go:example.com/video"),
        ("cargo:async_openai@0.2", "cargo:async-openai"),
        ("nuget:OpenAI/2.0.0", "nuget:openai"),
        ("maven:com.openai:openai-java:1.0", "maven:com.openai:openai-java"),
        ("openai", ""),
        ("pypi:", ""),
    ],
)
def test_packages_lose_version_and_spelling(written: str, package: str) -> None:
    assert normalise.package(written) == package


@pytest.mark.parametrize(
    ("written", "image"),
    [
        ("docker.io/library/nginx:1.27", "nginx"),
        ("ollama/ollama:latest", "ollama/ollama"),
        ("ghcr.io/open-webui/open-webui@sha256:" + "a" * 64, "ghcr.io/open-webui/open-webui"),
        ("localhost:5000/x/y:z", "localhost:5000/x/y"),
    ],
)
def test_images_lose_registry_tag_and_digest(written: str, image: str) -> None:
    assert normalise.image(written) == image


def test_a_variable_is_its_name_and_never_its_value() -> None:
    assert normalise.env_name("export OPENAI_API_KEY=sk-secret") == "OPENAI_API_KEY"
    assert normalise.env_name("${ANTHROPIC_API_KEY}") == "ANTHROPIC_API_KEY"


def test_a_store_address_gives_the_extension() -> None:
    letters = "abcdefghijklmnop" * 2
    assert normalise.extension_id(f"chrome:https://chromewebstore.google.com/detail/x/{letters}") == f"chrome:{letters}"
    assert normalise.extension_id("chrome:abcdefghijklmnopabcdefghijklmnoq") == ""
    assert normalise.extension_id("vscode:GitHub.copilot@1.2.3") == "vscode:github.copilot"


@given(st.sampled_from(sorted(FORMS)), st.text(max_size=400))
def test_any_text_has_a_canonical_form_and_only_one(field_type: str, text: str) -> None:
    once = canonical(field_type, text)  # type: ignore[arg-type]
    assert isinstance(once, str)
    if field_type in {"hostname", "ip", "app_id", "model_id"}:
        assert canonical(field_type, once) == once  # type: ignore[arg-type]
