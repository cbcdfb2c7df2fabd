from __future__ import annotations

import json

import pytest

from aimscope_cli.what import KINDS, arguments
from tests.cli.conftest import Run

CASES = [
    ("domain", "  API.OpenAI.com.:443 ", "openai-api"),
    ("domain", "https://contoso.openai.azure.com/openai?x=1", "azure-openai"),
    ("domain", ".openai.com", "openai-api"),
    ("domain", "hxxps://api[.]openai[.]com/v1", "openai-api"),
    ("domain", "`claude.ai`,", "claude"),
    ("domain", "https:\\\\claude.ai\\new", "claude"),
    ("domain", "//api.openai.com/v1", "openai-api"),
    ("domain", "https://github.com/copilot?x=1", "github-copilot"),
    ("domain", "https://github.com/copilots-of-the-air/x", None),
    ("domain", "https://github.com/", None),
    ("domain", "notopenai.com", None),
    ("domain", "openai.com.example.net", None),
    ("domain", "slack.com", None),
    ("domain", "www.notion.so", None),
    ("domain", "zoom.us", None),
    ("process", "ollama", "ollama"),
    ("process", "/opt/x/Ollama.exe", "ollama"),
    ("process", "node /usr/lib/node_modules/@anthropic-ai/claude-code/cli.js --resume", "claude-code"),
    ("process", "python3 -m vllm.entrypoints.openai.api_server --port 8000", "vllm"),
    ("process", "uvx mcp-server-fetch", "mcp-fetch"),
    ("process", "npx -y @openai/codex@latest", "openai-codex"),
    ("process", "sudo -u svc /usr/local/bin/ollama serve", "ollama"),
    ("process", 'bash -c "ollama serve"', "ollama"),
    ("process", "sudo -u ollama ls", None),
    ("process", "LM Studio.exe", "lm-studio"),
    ("process", "vim ollama", None),
    ("process", "~/Applications/LM Studio.app/Contents/MacOS/LM Studio --run", "lm-studio"),
    ("process", "docker run -d --rm -p 11434:11434 ollama/ollama:0.12 serve", "ollama"),
    ("process", "docker run -v ollama:/root ubuntu ollama/ollama", None),
    ("process", "grep -r secret /opt/ollama", None),
    ("process", "cat /home/ann/ollama", None),
    ("process", "python3 -m http.server", None),
    ("process", "", None),
    ("bundle", "com.anthropic.claudefordesktop", "claude"),
    ("bundle", "com.apple.Safari", None),
    ("chrome", "KBFNBCAEPLBCIOAKKPCPGFKOBKGHLHEN", "grammarly"),
    ("chrome", "cjpalhdlnbpafiamejdnhcphjbkeiagm", None),
    ("chrome", "chrome:kbfnbcaeplbcioakkpcpgfkobkghlhen", "grammarly"),
    ("firefox", "firefox:87677a2c52b84ad3a151a4a72f5bd3c4@jetpack", "grammarly"),
    ("bundle", "bundle:com.anthropic.claudefordesktop", "claude"),
    ("firefox", "uBlock0@raymondhill.net", None),
    ("vscode", "GitHub.copilot", "github-copilot"),
    ("vscode", "vscode:github.copilot", "github-copilot"),
    ("vscode", "github.copilot-1.372.0-linux-x64", "github-copilot"),
    ("vscode", "github.copilots-1.372.0", None),
    ("vscode", "ms-python.python", None),
    ("jetbrains", "com.intellij.ml.llm", "jetbrains-ai"),
    ("mcp_path", "%APPDATA%\\Claude\\claude_desktop_config.json", "claude"),
    ("mcp_path", "/Users/ann/.cursor/mcp.json", "cursor"),
    ("mcp_path", "/Users/ann/.cursors/mcp.json", None),
    ("env", "export ANTHROPIC_API_KEY=sk-ant-whatever", "anthropic-api"),
    ("env", "setx OPENAI_API_KEY sk-whatever", "openai-api"),
    ("env", "%OPENAI_API_KEY%", "openai-api"),
    ("env", "  - OPENAI_API_KEY: sk-whatever", "openai-api"),
    ("env", 'os.environ["OPENAI_API_KEY"]', "openai-api"),
    ("env", "$Env:OPENAI_API_KEY = 'sk-whatever'", "openai-api"),
    ("env", "${OPENAI_API_KEY:-none}", "openai-api"),
    ("env", "MY-OPENAI_API_KEY", None),
    ("env", "ENV=OPENAI_API_KEY", None),
    ("env", "PATH", None),
    ("package", "pypi:OpenAI==2.1", "openai-api"),
    ("package", "npm:@anthropic-ai/sdk@1.2.3", "anthropic-api"),
    ("package", "pkg:pypi/openai@2.1.0", "openai-api"),
    ("package", "pkg:npm/%40anthropic-ai/sdk@1.2.3?x=y", "anthropic-api"),
    ("package", "pkg:pypi/flask@3.0", None),
    ("package", "pypi:flask", None),
    ("package", "conda:openai=1.2", "openai-api"),
    ("package", "pip:openai", "openai-api"),
    ("package", "crates:async_openai", "openai-api"),
    ("package", "golang:github.com/openai/openai-go/v3/option@v3.1", "openai-api"),
    ("package", "go:github.com/openai/openai-gopher", None),
    ("package", "nuget:Azure.AI.OpenAI/2.0.0", "azure-openai"),
    ("package", "pkg:maven/com.openai/openai-java@1.0", "openai-api"),
    ("package", "@anthropic-ai/sdk", "anthropic-api"),
    ("package", "openai", "openai-api"),
    ("package", "react", None),
    ("image", "docker.io/ollama/ollama:0.12@sha256:" + "a" * 64, "ollama"),
    ("image", "nginx:latest", None),
    ("user_agent", "OpenAI/Python 2.1.0", "openai-api"),
    ("user_agent", "curl/8.5.0", None),
    ("ip", "160.79.104.10", "anthropic-api"),
    ("ip", "160.79.104.10:443", "anthropic-api"),
    ("ip", "[2001:db8::1]:443", None),
    ("ip", "not an address", None),
    ("key", "sk-ant-api03-" + "A" * 93 + "AA", "anthropic-api"),
    ("key", "sk-short", None),
]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_this(aimscope: Run, kind: str) -> None:
    cases = [case for case in CASES if case[0] == kind]
    assert any(service for _, _, service in cases) or kind == "firefox"
    assert any(service is None for _, _, service in cases) or kind == "jetbrains"
    result = aimscope("signatures", "match", kind, input="".join(f"{value}\n" for _, value, _ in cases))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(answer["service"]) for answer in answers] == [service for _, _, service in cases]
    for answer in answers:
        assert set(answer) >= {"input", "service", "confidence", "clause"}
        assert (answer["confidence"] is None) == (answer["service"] is None)


def test_a_key_and_the_value_of_a_variable_are_never_echoed(aimscope: Run) -> None:
    key = "sk-ant-api03-" + "Zq" * 46 + "ZAA"
    said = aimscope("signatures", "match", "key", input=key + "\n").stdout
    for line in ("ANTHROPIC_API_KEY={}", "setx ANTHROPIC_API_KEY {}", "ANTHROPIC_API_KEY: {}", "x-y('{}')"):
        said += aimscope("signatures", "match", "env", input=line.format(key) + "\n").stdout
    assert "ZqZq" not in said
    assert json.loads(said.splitlines()[0])["input"] == "sk-a…"


def test_any_bytes_are_answered_line_by_line(aimscope: Run) -> None:
    lines = ["\u202e", "x" * 10_000, "a\x00b", '"unclosed', "C:\\a b\\c.exe --x", "=1+1", ""]
    for kind in KINDS:
        result = aimscope("signatures", "match", kind, input="\n".join(lines) + "\n")
        assert len(result.stdout.splitlines()) == len(lines)
        assert result.exit_code == 0


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('"C:\\Program Files\\X Y\\x.exe" --flag', "C:\\Program Files\\X Y\\x.exe"),
        ("C:\\Program Files\\X Y\\x.exe --flag", "C:\\Program Files\\X Y\\x.exe"),
        (
            "/Applications/LM Studio.app/Contents/MacOS/LM Studio --run",
            "/Applications/LM Studio.app/Contents/MacOS/LM Studio",
        ),
        ("/usr/bin/env python3 x", "/usr/bin/env"),
        ("name", "name"),
    ],
)
def test_command_lines_as_people_paste_them(text: str, first: str) -> None:
    assert arguments(text)[0] == first
