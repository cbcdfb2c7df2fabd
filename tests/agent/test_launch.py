from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.launch import Launch, resolve


def told(line: str, exe: str = "") -> dict[str, str]:
    found = resolve(shlex.split(line), exe)
    fields = {name: getattr(found, name) for name in ("process", "package", "script", "image", "host")}
    return {name: value for name, value in fields.items() if value}


CLAUDE = "/home/ann/.nvm/versions/node/v22/lib/node_modules/@anthropic-ai/claude-code/cli.js"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # node and its kin
        (f"node {CLAUDE} -p hello", {"process": "node", "package": "npm:@anthropic-ai/claude-code", "script": CLAUDE}),
        (
            f"node --max-old-space-size=99 -r dotenv/config {CLAUDE}",
            {"process": "node", "package": "npm:@anthropic-ai/claude-code", "script": CLAUDE},
        ),
        (
            "node /a/node_modules/x/node_modules/y/cli.js",
            {"process": "node", "package": "npm:y", "script": "/a/node_modules/x/node_modules/y/cli.js"},
        ),
        (
            "node /a/node_modules/.pnpm/y@1.0.0/node_modules/y/bin/cli.js",
            {
                "process": "node",
                "package": "npm:y",
                "script": "/a/node_modules/.pnpm/y@1.0.0/node_modules/y/bin/cli.js",
            },
        ),
        ("node /a/node_modules/.bin/eslint .", {"process": "eslint", "script": "/a/node_modules/.bin/eslint"}),
        ("node server.js", {"process": "node", "script": "server.js"}),
        ("node -e code", {"process": "node"}),
        ("node", {"process": "node"}),
        ("bun run index.ts", {"process": "bun", "script": "index.ts"}),
        ("bun x @x/y", {"process": "bun", "package": "npm:@x/y"}),
        ("deno run -A --allow-read=/x npm:@x/y@1.2 --flag", {"process": "deno", "package": "npm:@x/y"}),
        ("deno run jsr:@std/http", {"process": "deno", "package": "jsr:@std/http"}),
        # npx and its kin
        ("npx -y @x/y@latest /home/ann", {"process": "npx", "package": "npm:@x/y"}),
        ("npx --yes --package=pkg cmd", {"process": "npx", "package": "npm:pkg"}),
        ("npx -y -p pkg cmd", {"process": "npx", "package": "npm:pkg"}),
        ("npx.cmd -y pkg", {"process": "npx", "package": "npm:pkg"}),
        ("bunx pkg@2", {"process": "bunx", "package": "npm:pkg"}),
        ("pnpm dlx @x/y", {"process": "pnpm", "package": "npm:@x/y"}),
        ("yarn dlx pkg", {"process": "yarn", "package": "npm:pkg"}),
        ("npm exec -- @x/y@1 --flag", {"process": "npm", "package": "npm:@x/y"}),
        ("npm run build", {"process": "npm"}),
        ("npx ./local", {"process": "npx"}),
        ("npx github:x/y", {"process": "npx"}),
        ("npx", {"process": "npx"}),
        ("node /usr/lib/node_modules/npm/bin/npx-cli.js -y @x/y", {"process": "npx", "package": "npm:@x/y"}),
        ("'npm exec @x/y /home/ann/notes'", {"process": "npm", "package": "npm:@x/y"}),
        # python
        ("python -m vllm.entrypoints.openai.api_server --model m", {"process": "python", "package": "pymod:vllm"}),
        ("python3.12 -um litellm", {"process": "python3.12", "package": "pymod:litellm"}),
        ("python -W ignore -X dev app.py", {"process": "python", "script": "app.py"}),
        ("py -3 -m gradio", {"process": "py", "package": "pymod:gradio"}),
        ("python -c 'import openai' x", {"process": "python"}),
        ("python", {"process": "python"}),
        (
            "python /v/lib/python3.12/site-packages/vllm/server.py",
            {"process": "python", "package": "pymod:vllm", "script": "/v/lib/python3.12/site-packages/vllm/server.py"},
        ),
        ("/v/bin/python /v/bin/flask run", {"process": "flask", "script": "/v/bin/flask"}),
        ("python -m uv tool run pkg", {"process": "uv", "package": "pypi:pkg"}),
        ("python -m pipx run pkg==1.0", {"process": "pipx", "package": "pypi:pkg"}),
        # uv and its kin
        ("uvx mcp-server-fetch@1.2", {"process": "uvx", "package": "pypi:mcp-server-fetch"}),
        ("uvx 'Foo_Bar[cli]>=1,<2' x", {"process": "uvx", "package": "pypi:foo-bar"}),
        ("uvx mcp==1.0", {"process": "uvx", "package": "pypi:mcp"}),
        ("uvx --python 3.12 --from pkg cmd", {"process": "uvx", "package": "pypi:pkg"}),
        ("uvx --from git+https://github.com/x/y cmd", {"process": "uvx"}),
        ("uv tool uvx pkg@1", {"process": "uv", "package": "pypi:pkg"}),
        ("uv tool run pkg", {"process": "uv", "package": "pypi:pkg"}),
        ("uv --directory /srv/app run server.py", {"process": "uv", "script": "server.py"}),
        ("uv run --with 'mcp[cli]' mcp run server.py", {"process": "mcp", "package": "pypi:mcp"}),
        ("uv run --with requests python -m vllm", {"process": "python", "package": "pymod:vllm"}),
        ("uv run -m vllm.server", {"process": "uv", "package": "pymod:vllm"}),
        ("uv run --extra dev tool --flag", {"process": "tool"}),
        ("uv pip install openai", {"process": "uv"}),
        ("pipx run --spec aider-chat aider", {"process": "pipx", "package": "pypi:aider-chat"}),
        ("conda run -n env --no-capture-output python -m vllm", {"process": "python", "package": "pymod:vllm"}),
        ("poetry run uvx pkg", {"process": "uvx", "package": "pypi:pkg"}),
        ("conda install openai", {"process": "conda"}),
        # java, go, dotnet
        ("java -Xmx1g -jar /opt/a/tool-1.2.jar --port 1", {"process": "java", "package": "jar:tool"}),
        ("java -jar jenkins-2.516.3.jar", {"process": "java", "package": "jar:jenkins"}),
        (
            "java -cp /opt/a/app-1.0.jar org.example.Main",
            {"process": "java", "package": "jar:app", "script": "org.example.Main"},
        ),
        ("java -cp /a.jar:/b.jar org.example.Main", {"process": "java", "script": "org.example.Main"}),
        ("go run github.com/x/y/cmd/z@latest", {"process": "go", "package": "go:github.com/x/y/cmd/z"}),
        ("dnx Some.Mcp.Server@1.0 --yes", {"process": "dnx", "package": "nuget:Some.Mcp.Server"}),
        # containers
        ("docker run -i --rm -e TOKEN mcp/github", {"process": "docker", "image": "mcp/github"}),
        (
            "docker --context x run -dit -p 80:80 -v /a:/b --name n ghcr.io/x/y:main serve",
            {"process": "docker", "image": "ghcr.io/x/y"},
        ),
        ("podman run --pull=always docker.io/library/ollama:latest", {"process": "podman", "image": "ollama"}),
        ("docker run -eA=b localhost:5000/x/y@sha256:00", {"process": "docker", "image": "localhost:5000/x/y"}),
        ("docker compose up -d", {"process": "docker"}),
        ("docker exec -i box npx y", {"process": "docker"}),
        # wrappers and shells
        ("env A=b C=/d npx -y pkg", {"process": "npx", "package": "npm:pkg"}),
        ("A=b C=d uvx pkg", {"process": "uvx", "package": "pypi:pkg"}),
        ("env -i -u X -S 'npx -y' pkg", {"process": "npx", "package": "npm:pkg"}),
        ("sudo -u bob -E timeout -s KILL 30 nice -n 5 uvx pkg", {"process": "uvx", "package": "pypi:pkg"}),
        (
            "bash -lc 'cd /srv && source x; exec npx -y @x/y --token abc > log 2>&1'",
            {"process": "npx", "package": "npm:@x/y"},
        ),
        ("sh -c 'A=b uvx pkg | tee x'", {"process": "uvx", "package": "pypi:pkg"}),
        ("cmd /c npx -y pkg", {"process": "npx", "package": "npm:pkg"}),
        ("cmd.exe /d /s /c 'npx.cmd -y pkg'", {"process": "npx", "package": "npm:pkg"}),
        (r"powershell -NoProfile -Command '& \"C:\tools\uvx.exe\" pkg'", {"process": "uvx", "package": "pypi:pkg"}),
        ("wsl -d Ubuntu -e npx -y pkg", {"process": "npx", "package": "npm:pkg"}),
        ("op run --env-file=.env -- npx -y pkg", {"process": "npx", "package": "npm:pkg"}),
        ("sh /usr/local/bin/tool --flag", {"process": "tool", "script": "/usr/local/bin/tool"}),
        ("sh -c 'unclosed \"quote'", {"process": "unclosed"}),
        ("bash", {"process": "bash"}),
        ("sudo", {"process": "sudo"}),
        # bridges
        (
            "npx -y mcp-remote@latest https://MCP.example.com/sse --header 'Authorization: x'",
            {"process": "npx", "package": "npm:mcp-remote", "host": "mcp.example.com"},
        ),
        (
            "uvx mcp-proxy --transport sse https://mcp.example.com/x",
            {"process": "uvx", "package": "pypi:mcp-proxy", "host": "mcp.example.com"},
        ),
        ("npx -y some-server https://example.com", {"process": "npx", "package": "npm:some-server"}),
        # programs of their own
        ("/usr/local/bin/ollama serve", {"process": "ollama"}),
        (r"'C:\Program Files\Ollama\ollama.exe' serve", {"process": "ollama"}),
        (
            "/usr/share/cursor/cursor /usr/share/cursor/resources/app/out/server.js",
            {"process": "cursor", "script": "/usr/share/cursor/resources/app/out/server.js"},
        ),
        (
            "/usr/lib/node_modules/@openai/codex/vendor/x/codex/codex exec",
            {"process": "codex", "package": "npm:@openai/codex"},
        ),
        ("pythonic -m vllm", {"process": "pythonic"}),
        ("", {}),
    ],
)
def test_what_a_command_line_starts(line: str, expected: dict[str, str]) -> None:
    assert told(line) == expected


@pytest.mark.parametrize(
    ("line", "exe", "process"),
    [
        ("python3 manage.py", "/usr/bin/python3.11", "python3.11"),
        ("python /v/bin/flask run", "/usr/bin/python3.11", "flask"),
        ("'nginx: master process /usr/sbin/nginx -g x'", "/usr/sbin/nginx", "nginx"),
        ("-bash", "/usr/bin/bash", "bash"),
        ("claude --resume", "/home/ann/.local/share/claude/versions/2.0.14", "claude"),
        ("/sbin/init", "/usr/lib/systemd/systemd", "systemd"),
        ("'npm exec @x/y'", "/usr/bin/node", "npm"),
        ("npm exec @x/y", "/usr/bin/node", "npm"),
        ("VLLM::EngineCore", "/usr/bin/python3.12", "VLLM::EngineCore"),
        ("'gunicorn: master [app]'", "/usr/bin/python3.12", "gunicorn"),
        ("/v/bin/python app.py", "/usr/bin/python3.12", "python3.12"),
        ("", "/usr/bin/tool (deleted)", "tool"),
        ("x", "C:/Users/ann/AppData/Local/Programs/cursor/Cursor.exe", "Cursor"),
    ],
)
def test_the_executable_names_the_process_where_it_is_known(line: str, exe: str, process: str) -> None:
    assert told(line, exe)["process"] == process


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("npx -y @x/y@1 /home/ann/private", "npx -y @x/y …"),
        ("docker run -i --rm -e TOKEN=abc mcp/github:1", "docker run -i --rm -e … mcp/github"),
        ("tool --config /etc/tool/conf.yaml --dir /home/ann/x", "tool --config conf.yaml --dir …"),
        ("tool --api-key=sk-1 --user ann prompt text", "tool --api-key=… --user …"),
        ("npx mcp-remote https://u:p@mcp.example.com/secret?k=v", "npx mcp-remote https://mcp.example.com/…"),
        ("bash -lc 'TOKEN=abc npx -y @x/y --token abc'", "bash -lc … npx -y @x/y --token …"),
        ("python /home/ann/secret-project/run.py", "python …"),
        ("java -jar /opt/tool/tool-1.2.jar", "java -jar tool-1.2.jar"),
        ("mysql -psecret db", "mysql -p… …"),
        ("/home/ann/.local/bin/claude -p 'my question'", "claude -p …"),
    ],
)
def test_the_command_is_kept_without_anything_private(line: str, command: str) -> None:
    assert resolve(shlex.split(line)).command == command


WORDS = shlex.split(
    "node python -m -c uvx npx -y -p run docker -e env sh bash -lc cmd /c java -jar -cp uv --with --from deno bun x "
    "sudo timeout 30 npm exec conda https://x.example/y /a/node_modules/b/c.js A=b -- \"'\" '\"' ';' '&&' '|' '>' '&'"
)
words = st.text(max_size=12) | st.sampled_from(WORDS)
SECRETS = st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=12, max_size=24).map(lambda text: "sk" + text)


@given(st.lists(words, max_size=12), st.text(max_size=12))
def test_any_words_are_resolved(argv: list[str], exe: str) -> None:
    found = resolve(argv, exe)
    assert isinstance(found, Launch)
    assert len(found.command) <= 1_000


@given(
    st.sampled_from(
        [
            "tool",
            "node",
            "python",
            "uvx",
            "npx -y",
            "uv run",
            "docker run",
            "java",
            "env",
            "sudo",
            "sh",
            "npx -y pkg",
            "uvx pkg x",
            "node /a/b.js",
            "python -m mod",
            "docker run image",
            "java -jar x.jar",
            "deno run",
            "bun",
            "go run",
            "conda run",
            "op run",
        ]
    ),
    st.lists(st.sampled_from(["-v", "--flag", "run", "serve", "x.js", "/etc/a.conf"]), max_size=3),
    st.sampled_from(
        [
            "--api-key {}",
            "--token {}",
            "--api-key={}",
            "--token={}",
            "KEY={}",
            "--env KEY={}",
            "--header {}",
            "--password {}",
            "-H 'Authorization: Bearer {}'",
            "https://u:{}@example.com/{}",
            "--openai-api-key {}",
            "--auth-token={}",
            "-u ann:{}",
        ]
    ),
    SECRETS,
    st.booleans(),
)
def test_no_secret_is_told(program: str, more: list[str], form: str, secret: str, in_shell: bool) -> None:
    line = " ".join([program, *more, form.replace("{}", secret)])
    argv = ["sh", "-c", line] if in_shell else shlex.split(line)
    for exe in ("", "/usr/bin/x"):
        assert secret.lower() not in repr(resolve(argv, exe)).lower()


@given(st.sampled_from(["tool", "python", "node", "bash", "ruby", "curl"]), SECRETS)
def test_what_follows_a_short_option_for_a_secret_is_not_told(program: str, secret: str) -> None:
    for argv in ([program, "-p", secret], [program, "-p" + secret], [program, "x", "-p", secret, "y"]):
        assert secret not in repr(resolve(argv))


@pytest.mark.parametrize(
    ("text", "process"),
    [
        ("test -x a || { cd / && run-parts /etc/cron.daily; }", "run-parts"),  # Debian's /etc/crontab
        ("( cd /x && ollama serve )", "ollama"),
        ("if true; then ollama serve; fi", "ollama"),
    ],
)
def test_groups_of_a_shell_are_looked_into(text: str, process: str) -> None:
    assert resolve(["sh", "-c", text]).process == process
