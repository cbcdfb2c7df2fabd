"""Credentials: told with provider and place, apart from what only looks like one, and never with a value."""

from __future__ import annotations

import json
import logging
import plistlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors.credentials import SENSOR, assignments
from aimscope_agent.sensors.credentials.judgement import Judge
from aimscope_signatures.interests import Interests, KeyPattern
from aimscope_signatures.model import Status

Look = Callable[..., ScanResult]
HOMES = {"linux": "/home/ann", "macos": "/Users/ann", "windows": "C:/Users/ann"}
INTERESTS = Interests(
    config={
        "~/.acme/**": "acme",
        "~/.acme.json": "acme",
        "~/.acmerc*": "acme",
        "./acme.yaml": "acme",
    },
    mcp_config={"~/.cursor/mcp.json": "cursor"},
    env=frozenset({"ACME_API_KEY", "ACME_MODEL", "ACME_KEY_PATH"}),
    env_patterns=("BRAND_*",),
    keys=(
        KeyPattern("acme#0", "acme_", "acme_[A-Za-z0-9]{20}"),
        KeyPattern("acme#1", "acme_live_", "acme_live_[A-Za-z0-9]{20,}"),
        KeyPattern("other#0", "-k-", "ok-k-[0-9a-f]{16}"),
    ),
)
KEY = "acme_EXAMPLEEXAMPLEEXAMPL"
LIVE = "acme_live_EXAMPLEEXAMPLEEXAMPL"
OTHER = "ok-k-0e0e0e0e0e0e0e0e"
PLAIN = "EXAMPLEEXAMPLE1234"
VALUES = (KEY, LIVE, OTHER, PLAIN)

Row = tuple[object, object, object, object]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Scan planted files; names are below the root, ``~`` is the home of ann."""

    def run(
        files: Mapping[str, str | bytes], platform: str = "linux", options: Options | None = None, **machine: object
    ) -> ScanResult:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name.replace("~", HOMES[platform].removeprefix("C:").lstrip("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        about = tmp_path / "machine.json"
        users = [{"name": "ann", "home": HOMES[platform]}]
        about.write_text(json.dumps({"platform": platform, "users": users, "processes": [], **machine}))
        host = OfflineHost(root, about)
        return scan(host, [SENSOR], INTERESTS, options or Options(), now=1, digest_key=b"k" * 32)

    return run


def rows(result: ScanResult) -> list[Row]:
    """Name, pattern, place and path or process of each."""
    found = [one.fields for one in result.observations["credentials"]]
    return sorted(
        (
            (one.get("env_name", ""), one.get("key_pattern", ""), one["place"], one.get("path") or one.get("process"))
            for one in found
        ),
        key=str,
    )


def named(result: ScanResult) -> list[tuple[object, object]]:
    return [row[:2] for row in rows(result)]


def gaps(result: ScanResult) -> list[tuple[Status, str]]:
    return [(gap.status, gap.source) for part in result.coverage for gap in part.gaps]


# shells


@pytest.mark.parametrize(
    "line",
    [
        f"export ACME_API_KEY={KEY}",
        f'export ACME_API_KEY="{KEY}"  # work',
        f"ACME_API_KEY='{KEY}'; export ACME_API_KEY",
        f"  declare -x ACME_API_KEY={KEY}",
        f"export EDITOR=vim ACME_API_KEY={KEY}",
        f"alias a='ACME_API_KEY={KEY} acme'",
        f"[ -z x ] && export ACME_API_KEY={KEY}",
        f'export ACME_API_KEY="${{ACME_API_KEY:-{KEY}}}"',
        f"setenv ACME_API_KEY {KEY}",
        f"launchctl setenv ACME_API_KEY '{KEY}'",
        f"set -gx ACME_API_KEY {KEY}",
        f"set --global --export ACME_API_KEY '{KEY}'",
        f'$env:ACME_API_KEY = "{KEY}"',
        f"${{Env:ACME_API_KEY}}='{KEY}'",
        f'[Environment]::SetEnvironmentVariable("ACME_API_KEY", "{KEY}", "User")',
        f"Set-Item -Path Env:ACME_API_KEY -Value '{KEY}'",
    ],
)
def test_assignments_of_every_shell_are_found(look: Look, line: str) -> None:
    assert rows(look({"~/.bashrc": f"\n{line}\n"})) == [("ACME_API_KEY", "acme#0", "shell", "~/.bashrc")]


@pytest.mark.parametrize(
    "line",
    [
        f"# export ACME_API_KEY={KEY}",
        f"export EDITOR=vim # ACME_API_KEY={KEY}",
        "export ACME_API_KEY=",
        'export ACME_API_KEY=""',
        "export ACME_API_KEY",
        "export ACME_API_KEY=$WORK_KEY",
        "export ACME_API_KEY=${WORK_KEY}",
        'export ACME_API_KEY="${WORK_KEY:-}"',
        'export ACME_API_KEY="$(pass show acme)"',
        "export ACME_API_KEY=$(cat ~/.acme)",
        "export ACME_API_KEY=`pass show acme`",
        "export ACME_API_KEY=op://Private/acme/key",
        "set -gx ACME_API_KEY (pass show acme)",
        "$env:ACME_API_KEY = $env:WORK_KEY",
        "$env:ACME_API_KEY = Get-Secret acme",
        f"export UNKNOWN_API_KEY={PLAIN}",
        f"acme --key {PLAIN}",
        f'if [ "$ACME_API_KEY" = {PLAIN} ]; then',
        f"export ACME_KEYS={PLAIN}",
        f"export XACME_API_KEY={PLAIN}",
    ],
)
def test_what_is_no_credential_in_a_shell_is_none(look: Look, line: str) -> None:
    assert rows(look({"~/.zshrc": line})) == []


def test_a_name_nobody_knows_is_told_by_the_form_of_its_value_alone(look: Look) -> None:
    assert named(look({"~/.profile": f"export MY_BOT={KEY}\nexport MY_OTHER=x{KEY}\n"})) == [("", "acme#0")]


def test_a_known_name_is_told_whatever_its_value_and_has_a_digest_only_for_a_secret(look: Look) -> None:
    result = look({"~/.profile": f"export ACME_API_KEY={PLAIN}\nexport BRAND_HOST=0.0.0.0\nexport ACME_MODEL=ollama\n"})
    found = {str(one.fields["env_name"]): "digest" in one.fields for one in result.observations["credentials"]}
    assert found == {"ACME_API_KEY": True, "BRAND_HOST": False, "ACME_MODEL": False}


@pytest.mark.parametrize(
    ("platform", "file", "reported"),
    [
        ("linux", "etc/environment", "/etc/environment"),
        ("linux", "etc/profile.d/x.sh", "/etc/profile.d/x.sh"),
        ("linux", "~/.config/fish/config.fish", "~/.config/fish/config.fish"),
        ("linux", "~/.config/powershell/profile.ps1", "~/.config/powershell/profile.ps1"),
        ("macos", "~/.zshenv", "~/.zshenv"),
        ("macos", "~/.config/zsh/.zshrc", "~/.config/zsh/.zshrc"),
        ("macos", "~/.zshrc.local", "~/.zshrc.local"),
        ("macos", "~/.oh-my-zsh/custom/keys.zsh", "~/.oh-my-zsh/custom/keys.zsh"),
        ("windows", "~/Documents/PowerShell/profile.ps1", "~/Documents/PowerShell/profile.ps1"),
        ("windows", "~/OneDrive - Corp/Documents/WindowsPowerShell/Microsoft.PowerShell_profile.ps1", None),
    ],
)
def test_start_up_files_of_each_platform(look: Look, platform: str, file: str, reported: str | None) -> None:
    result = look({file: f"ACME_API_KEY={KEY}"}, platform)
    assert rows(result) == [("ACME_API_KEY", "acme#0", "shell", reported or file)]
    assert result.observations["credentials"][0].subject == ("ann" if "~" in file else "")


def test_variables_that_launchd_sets_for_its_jobs(look: Look) -> None:
    def job(variables: object) -> bytes:
        return plistlib.dumps({"Label": "bot", "EnvironmentVariables": variables})

    files = {
        "~/Library/LaunchAgents/bot.plist": job({"ACME_API_KEY": KEY, "ACME_MODEL": "large"}),
        "Library/LaunchDaemons/bot.plist": job({"ANYTHING": KEY}),
        "Library/LaunchDaemons/quiet.plist": job({"ACME_API_KEY": "your-key"}),
        "Library/LaunchDaemons/odd.plist": job(["ACME_API_KEY", KEY]),
        "Library/LaunchDaemons/other.plist": plistlib.dumps({"Label": KEY}),
    }
    assert rows(look(files, "macos")) == [
        ("", "acme#0", "config", "/Library/LaunchDaemons/bot.plist"),
        ("ACME_API_KEY", "acme#0", "config", "~/Library/LaunchAgents/bot.plist"),
    ]


def test_variables_that_windows_keeps(look: Look) -> None:
    def values(value: str) -> dict[str, str]:
        return {"ACME_API_KEY": value, "Path": "C:/Windows"}

    machine = "HKLM/SYSTEM/CurrentControlSet/Control/Session Manager"
    registry = {
        machine: [{"key": "Environment", "values": values(KEY)}, {"key": "Other", "values": values(LIVE)}],
        "HKU/ann": [{"key": "Environment", "values": values(LIVE)}, {"key": "Volatile Environment", "values": {}}],
        "HKU/bob": [{"key": "Environment", "values": values(KEY)}],
    }
    result = look({}, "windows", registry=registry)
    assert rows(result) == [
        ("ACME_API_KEY", "acme#0", "shell", f"{machine}/Environment"),
        ("ACME_API_KEY", "acme#1", "shell", "HKCU/Environment"),
    ]
    assert [one.subject for one in result.observations["credentials"]] == ["", "ann"]


# dotenv files


@pytest.mark.parametrize(
    "line",
    [
        f"ACME_API_KEY={KEY}",
        f"export ACME_API_KEY = '{KEY}' # work",
        f"ACME_API_KEY: `{KEY}`",
        f'\tACME_API_KEY="{KEY}',
        f"ACME_API_KEY=Bearer {KEY}",
    ],
)
def test_assignments_of_dotenv_files_are_found(look: Look, line: str) -> None:
    assert rows(look({"~/a/b/.env.local": line})) == [("ACME_API_KEY", "acme#0", "dotenv", "~/a/b/.env.local")]


@pytest.mark.parametrize(
    "name", [".env.example", ".env.sample", ".env.template", ".env.local.example", ".env.example.local", "env", ".envs"]
)
def test_examples_are_no_dotenv_files(look: Look, name: str) -> None:
    assert rows(look({f"~/app/{name}": f"ACME_API_KEY={KEY}"})) == []


@pytest.mark.parametrize(
    "value",
    [
        "your-api-key", "YOUR_API_KEY", "sk-your_key", "<key>", "<your key>", "Bearer <token>", "xxx", "XXXX-XXXX",
        "sk-xxxxxxxx", "changeme", "CHANGE_ME", "change-me", "***", "sk-...", "placeholder", "replace_me",
        "insert-key-here", "put-your-key", "example", "example_key", "acme_EXAMPLE-key-here", "TODO", "none", "null",
        "EMPTY", "not-needed", "sk-no-key-required", "dummy", "fake-key", "api_key", "test", "123456", "true", "",
        "$X", "${X}", "%ACME_API_KEY%", "${{ secrets.X }}", "{{ key }}", "op://a/b/c", "vault://a", "env:X",
        "os.environ/X", "process.env.X", "arn:aws:secretsmanager:x", "ENC[AES256,x]", "@Microsoft.KeyVault(x)",
        "acme_xxxxxxxxxxxxxxxxxxxx", "acme_yourkeyYOURxxxxxxXX", "# nothing",
    ],
)  # fmt: skip
def test_placeholders_and_references_are_no_credentials(look: Look, value: str) -> None:
    assert rows(look({"~/.env": f"ACME_API_KEY={value}\n"})) == []


@pytest.mark.parametrize(
    "value", ["EXAMPLEEXAMPLE", "a-b-c-d-e-f", "sk-1234567890abcdef", "Xx9xX-k3y", "tested-99-key"]
)
def test_what_is_like_a_placeholder_and_is_none(look: Look, value: str) -> None:
    assert named(look({"~/.env": f"ACME_API_KEY={value}\n"})) == [("ACME_API_KEY", "")]


def test_a_name_assigned_twice_is_one_and_the_last_counts(look: Look) -> None:
    twice = look({"~/.env": f"ACME_API_KEY={PLAIN}x\nACME_API_KEY={PLAIN}\n", "~/b/.env": f"ACME_API_KEY={PLAIN}\n"})
    assert len(rows(twice)) == 2
    assert len({one.fields["digest"] for one in twice.observations["credentials"]}) == 1


def test_one_key_has_one_digest_everywhere_and_two_have_two(look: Look) -> None:
    machine = {
        "processes": [{"pid": 9, "name": "acme", "argv": ["acme"], "user": "ann"}],
        "environments": {"9": {"X": f"Bearer {KEY}"}},
    }
    files = {
        "~/.env": f"A={KEY}",
        "~/.bashrc": f"export ACME_API_KEY={KEY}",
        "~/.acme/config.ini": f"[a]\nkey = {KEY}\n",
    }
    result = look({**files, "~/b/.env": f"ACME_API_KEY={LIVE}"}, **machine)
    digests = [str(one.fields["digest"]) for one in result.observations["credentials"]]
    assert len(digests) == 5
    assert len(set(digests)) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", digest) for digest in digests)


def test_the_longest_pattern_that_fits_is_told(look: Look) -> None:
    assert named(look({"~/.env": f"A={LIVE}\nB={OTHER}\n"})) == [("", "acme#1"), ("", "other#0")]


# configuration


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("~/.acme/auth.json", json.dumps({"ACME_API_KEY": PLAIN, "ACME_MODEL": "m"})),
        ("~/.acme/a/settings.json", f'{{// c\n"a": [{{"env": {{"ACME_API_KEY": "{PLAIN}",}}}}]}}'),
        ("~/.acme/config.toml", f'[env]\nACME_API_KEY = "{PLAIN}"\n'),
        ("~/.acme/config.yaml", f"env:\n  - ACME_API_KEY: {PLAIN}\n"),
        ("~/.acme/.acmerc", f"ACME_API_KEY={PLAIN}\n"),
        ("~/.cursor/mcp.json", json.dumps({"mcpServers": {"x": {"env": {"ACME_API_KEY": PLAIN}}}})),
        ("~/.acme.json", json.dumps({"ACME_API_KEY": PLAIN})),
    ],
)
def test_variables_in_configuration_are_found_under_their_name(look: Look, name: str, content: str) -> None:
    assert rows(look({name: content})) == [("ACME_API_KEY", "", "config", name)]


@pytest.mark.parametrize(
    "content",
    [
        {"apiKey": KEY},
        {"models": [{"auth": {"header": f"Bearer {KEY}"}}]},
        {"history": [f"my key is {KEY}."]},
        {f"{KEY}": True},
    ],
)
def test_elsewhere_in_configuration_only_the_form_tells(look: Look, content: object) -> None:
    assert rows(look({"~/.acme/x.json": json.dumps(content)})) == [("", "acme#0", "config", "~/.acme/x.json")]


@pytest.mark.parametrize(
    "content",
    [
        {"ACME_MODEL": "big", "BRAND_HOST": "x", "apiKey": PLAIN, "model": "acme_small"},
        {"ACME_API_KEY": None, "x": {"ACME_API_KEY": 5}, "y": ["ACME_API_KEY", PLAIN]},
        {"ACME_API_KEY": "${ACME_API_KEY}", "ACME_KEY_PATH": "/run/secrets/acme"},
        {"ACME_API_KEY": "your-key", "BRAND_MAX_TOKENS": "4096", "BRAND_KEY_TTL_MS": "3600"},
    ],
)
def test_settings_of_a_tool_are_no_credentials(look: Look, content: object) -> None:
    assert rows(look({"~/.acme/settings.json": json.dumps(content)})) == []


def test_two_keys_in_one_file_are_told_apart(look: Look) -> None:
    content = json.dumps({"env": {"ACME_API_KEY": KEY}, "a": KEY, "b": LIVE, "c": f"{OTHER},{OTHER}"})
    assert named(look({"~/.acme/x.json": content})) == [("", "acme#1"), ("", "other#0"), ("ACME_API_KEY", "acme#0")]


@pytest.mark.parametrize(
    "name",
    [
        "~/.acme/sessions/0b5f.json",  # what was said
        "~/.acme/log.txt",
        "~/.acme/history.jsonl",
        "~/.acme/Cookies",
        "~/.acme/a/b/config.json",
        "~/.acme/a/image.png",
        "~/.acmerc.md",
        "~/.acmes/config.json",
        "~/app/acme.yaml",
        "~/app/config.json",
        "~/app/main.py",
    ],
)
def test_what_is_no_configuration_is_not_read(look: Look, name: str) -> None:
    result = look({name: f'{{"a": "{KEY}"}}'})
    assert rows(result) == []
    assert result.coverage[0].counts.get("files", 0) == 0


def test_configuration_of_given_projects_is_read(look: Look) -> None:
    result = look({"~/app/acme.yaml": f"key: {KEY}"}, options=Options(projects=("/home/ann/app",)))
    assert rows(result) == [("", "acme#0", "config", "~/app/acme.yaml")]


def test_a_dotenv_file_of_a_tool_is_one_once(look: Look) -> None:
    result = look({"~/.acme/.env": f"ACME_API_KEY={KEY}\nACME_MODEL=m\n", "~/.acme/.env.example": f"X={KEY}"})
    assert rows(result) == [
        ("ACME_API_KEY", "acme#0", "dotenv", "~/.acme/.env"),
        ("ACME_MODEL", "", "dotenv", "~/.acme/.env"),
    ]


def test_a_key_far_into_a_long_file_is_found(look: Look) -> None:
    content = "acme_ " * 100 + "x " * 500_000 + LIVE + " y" * 1_000
    assert named(look({"~/.acme.json": content})) == [("", "acme#1")]


# processes


def test_environments_of_processes_are_told_once_for_each_program(look: Look) -> None:
    processes = [
        {"pid": 1, "name": "init", "exe": "/sbin/init", "argv": ["/sbin/init"], "user": "root", "env_denied": True},
        {"pid": 2, "name": "kthreadd", "env_denied": True},
        {"pid": 3, "name": "kworker", "parent": 2, "env_denied": True},
        {"pid": 10, "name": "node", "exe": "/usr/bin/node", "argv": ["node", "x.js"], "user": "ann"},
        {"pid": 11, "name": "node", "exe": "/usr/bin/node", "argv": ["node", "y.js"], "user": "ann"},
        {"pid": 12, "name": "node", "exe": "/usr/bin/node", "argv": ["node", "y.js"], "user": "bob"},
        {"pid": 13, "name": "tool.exe", "user": "bob"},
        {"pid": 14, "name": "quiet", "user": "bob"},
    ]
    environment = {"ACME_API_KEY": KEY, "PATH": "/bin", "BRAND_X": "$Y"}
    environments = {str(pid): environment for pid in (10, 11, 12, 13)}
    result = look({}, processes=processes, environments=environments)
    assert rows(result) == [
        ("ACME_API_KEY", "acme#0", "process", "node"),
        ("ACME_API_KEY", "acme#0", "process", "node"),
        ("ACME_API_KEY", "acme#0", "process", "tool"),
    ]
    assert [one.subject for one in result.observations["credentials"]] == ["ann", "bob", "bob"]
    assert gaps(result) == [(Status.DENIED, "environments")]


def test_processes_that_cannot_be_asked_are_a_gap(look: Look) -> None:
    assert gaps(look({}, processes=None)) == [(Status.UNSUPPORTED, "processes")]


# secrecy


def test_no_value_is_in_any_result_log_or_exception(look: Look, caplog: pytest.LogCaptureFixture) -> None:
    """Values in every place and in broken files: the whole result and every log line are searched."""
    caplog.set_level(logging.DEBUG)
    mix = " ".join(VALUES)
    files: dict[str, str | bytes] = {
        "~/.bashrc": "".join(f"export ACME_API_KEY={value} Y='{value}\n" for value in VALUES),
        "~/.env": "".join(f"ACME_API_KEY='{value}\nBRAND_{n}_TOKEN={value}\n" for n, value in enumerate(VALUES)),
        "~/.acme/config.json": f'{{"ACME_API_KEY": "{PLAIN}", "x": {mix}',
        "~/.acme/config.toml": f'ACME_API_KEY = "{PLAIN}"\n[{mix}\n',
        "~/.acme/config.yaml": f"ACME_API_KEY: {PLAIN}\n{{ {mix}\n",
        "~/.acme/token": mix,
        "~/.cursor/mcp.json": json.dumps({"mcpServers": {KEY: {"env": {"ACME_API_KEY": PLAIN, KEY: LIVE}}}}),
        "~/.acme.json": b"\xff\xfe" + mix.encode("utf-16-le"),
    }
    machine = {
        "processes": [{"pid": 9, "name": "acme", "argv": ["acme", "--api-key", KEY], "user": "ann"}],
        "environments": {"9": {"ACME_API_KEY": PLAIN, "B": mix, **{f"BRAND_{n}": v for n, v in enumerate(VALUES)}}},
    }
    result = look(files, **machine)
    assert {row[2] for row in rows(result)} == {"shell", "dotenv", "config", "process"}
    assert gaps(result) != []
    said = msgspec.json.encode(result).decode() + repr(result) + caplog.text
    for value in VALUES:
        assert value not in said
        assert value[5:17] not in said


def test_without_a_key_of_this_machine_there_is_no_digest(tmp_path: Path) -> None:
    (tmp_path / "home" / "ann").mkdir(parents=True)
    (tmp_path / "home" / "ann" / ".env").write_text(f"ACME_API_KEY={KEY}")
    result = scan(OfflineHost(tmp_path), [SENSOR], INTERESTS, Options(), now=1)
    (found,) = result.observations["credentials"]
    assert "digest" not in found.fields


# hostile files


def test_files_that_are_too_large_or_denied_are_gaps_and_the_others_are_read(look: Look) -> None:
    files: dict[str, str | bytes] = {
        "~/.env": b"A=" + b"x" * 2_000_000,
        "~/.acme.json": b"x" * 5_000_000,
        "~/a/.env": b"\xff\x00\xfeACME_API_KEY=1\n\xf0\x28ACME_API_KEY="
        + PLAIN.encode()
        + b"\nACME_API_KEY="
        + PLAIN.encode(),
        "etc/environment": f"ACME_API_KEY={KEY}",
    }
    result = look(files, denied=["/etc/environment"])
    assert named(result) == [("ACME_API_KEY", "")]
    assert sorted(gaps(result)) == [
        (Status.DENIED, "/etc/environment"),
        (Status.PARTIAL, "~/.acme.json"),
        (Status.PARTIAL, "~/.env"),
    ]


def test_a_folder_of_thousands_of_settings_is_a_gap(look: Look) -> None:
    result = look({f"~/.acme/{n}.json": "{}" for n in range(1_010)})
    assert gaps(result) == [(Status.PARTIAL, "~/.acme")]


def test_a_deep_document_with_a_name_in_it_is_a_gap_and_its_keys_are_found(look: Look) -> None:
    result = look({"~/.acme.json": f'{{"ACME_API_KEY": "{PLAIN}", "x": "{KEY}", "y": ' + "[" * 100_000})
    assert named(result) == [("", "acme#0")]
    assert gaps(result) == [(Status.FAILED, "~/.acme.json")]


@given(st.text(alphabet="ACME_API_KEY='\"$#\\ \n:`({env}set-gx\t", max_size=300) | st.text(max_size=200))
def test_any_text_is_read_as_assignments(text: str) -> None:
    for name, value in [*assignments.shell(text), *assignments.dotenv(text)]:
        assert re.fullmatch(r"[\w.-]+", name)
        assert value in text


@given(st.from_regex(r"\A[A-Za-z0-9+/_-]{20,60}\Z"), st.sampled_from(["'", '"', ""]))
def test_what_is_written_is_what_is_read(value: str, quote: str) -> None:
    line = f"export NAME={quote}{value}{quote} # comment"
    assert list(assignments.shell(line)) == [("NAME", value)]
    assert list(assignments.dotenv(line)) == [("NAME", value)]


@pytest.mark.parametrize("text", ['A="' * 300_000, "A='" * 300_000, 'A="\\' * 200_000, "#" * 900_000, "A=" * 500_000])
def test_lines_that_never_close_take_no_time(text: str) -> None:
    assert len(list(assignments.shell(text))) < 20_000
    assert len(list(assignments.dotenv(text))) <= 1


@given(st.text(max_size=100), st.text(max_size=100))
def test_any_name_and_value_can_be_judged(name: str, value: str) -> None:
    judge = Judge(INTERESTS, lambda secret: "d")
    for finding in (*judge.assigned([(name, value)]), *judge.configured([(name, value)], value)):
        assert finding.env_name in ("", name)


def test_variables_that_systemd_and_containers_are_handed(look: Look) -> None:
    files = {
        "etc/systemd/system/bot.service": f'[Service]\nEnvironment="ACME_API_KEY={KEY}" LEVEL=1\nExecStart=/opt/bot\n',
        "etc/systemd/system/bot.service.d/x.conf": f"[Service]\nEnvironment=ANYTHING={LIVE}\n",
        "etc/systemd/system/quiet.service": f"[Unit]\nEnvironment=A={KEY}\n[Service]\n#Environment=A={KEY}\n",
        "etc/default/bot": f"ACME_API_KEY={KEY}\n",
        "~/.config/nushell/env.nu": f"$env.ACME_API_KEY = '{KEY}'\n# $env.ACME_API_KEY = '{LIVE}'\n",
        "opt/a/docker-compose.yml": f"services:\n  a:\n    environment:\n      - ACME_API_KEY={PLAIN}\n",
        "opt/b/compose.yaml": f"services:\n  b:\n    environment:\n      ACME_API_KEY: {PLAIN}\n",
        "opt/c/compose.yaml": "services:\n  c:\n    environment: [ACME_API_KEY, 'ACME_API_KEY=${KEY}']\n",
        "opt/d/composer.yaml": f"environment:\n  ACME_API_KEY: {PLAIN}\n",
        "var/lib/docker/containers/0a/config.v2.json": json.dumps({"Config": {"Env": [f"ACME_API_KEY={PLAIN}"]}}),
    }
    assert rows(look(files)) == [
        ("", "acme#1", "config", "/etc/systemd/system/bot.service.d/x.conf"),
        ("ACME_API_KEY", "", "config", "/opt/a/docker-compose.yml"),
        ("ACME_API_KEY", "", "config", "/opt/b/compose.yaml"),
        ("ACME_API_KEY", "", "config", "/var/lib/docker/containers/0a/config.v2.json"),
        ("ACME_API_KEY", "acme#0", "config", "/etc/systemd/system/bot.service"),
        ("ACME_API_KEY", "acme#0", "shell", "/etc/default/bot"),
        ("ACME_API_KEY", "acme#0", "shell", "~/.config/nushell/env.nu"),
    ]
