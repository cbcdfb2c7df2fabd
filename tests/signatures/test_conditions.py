from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures.conditions import OPERATORS, glob_pattern, regex_literal

CASES = [
    ("equals", "ollama", ["ollama"], ["ollamas", "xollama", "Ollama"]),
    ("domain", "cursor.sh", ["cursor.sh", "api2.cursor.sh"], ["notcursor.sh", "cursor.sh.example.net", "sh"]),
    ("host", "api.x.ai", ["api.x.ai"], ["v2.api.x.ai", "x.ai"]),
    (
        "host",
        "bedrock-runtime.*.amazonaws.com",
        ["bedrock-runtime.us-east-1.amazonaws.com"],
        ["bedrock-runtime.amazonaws.com", "bedrock-runtime.a.b.amazonaws.com", "s3.us-east-1.amazonaws.com"],
    ),
    ("host", "*-aiplatform.googleapis.com", ["us-central1-aiplatform.googleapis.com"], ["-aiplatform.googleapis.com"]),
    ("prefix", "/v1/chat", ["/v1/chat/completions"], ["/v2/v1/chat"]),
    ("basename", "cli.js", ["/a/b/cli.js", "cli.js"], ["/a/cli.js/x", "xcli.js"]),
    ("glob", "claude-*", ["claude-3-opus"], ["xclaude-3"]),
    ("glob", "*gptbot*", ["mozilla gptbot/1.0"], ["gpt bot"]),
    ("glob", "a{b,c}d", ["abd", "acd"], ["ad", "abcd"]),
    ("cidr", "192.0.2.0/24", ["192.0.2.7"], ["192.0.3.7", "x", "2001:db8::1"]),
    ("regex", "sk-ant-[a-z]{4}", ["sk-ant-abcd"], ["sk-ant-abcde", "xsk-ant-abcd"]),
]


@pytest.mark.parametrize(("operator", "value", "fits", "near"), CASES)
def test_operators_hold_for_what_they_say_and_not_for_its_look_alikes(
    operator: str, value: str, fits: list[str], near: list[str]
) -> None:
    holds = OPERATORS[operator].build(value)
    assert [text for text in fits if not holds(text)] == []
    assert [text for text in near if holds(text)] == []


def test_every_operator_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(OPERATORS)


@pytest.mark.parametrize(
    ("glob", "fits", "near"),
    [
        ("~/.cursor/**", ["~/.cursor", "~/.cursor/mcp.json", "~/.cursor/a/b"], ["~/.cursorx", "~/x/.cursor/a"]),
        ("~/x/*/mcp.json", ["~/x/a/mcp.json"], ["~/x/a/b/mcp.json"]),
        ("./.mcp.json", ["./.mcp.json", "~/p/.mcp.json", ".mcp.json"], ["./x.mcp.json"]),
        ("~/**/skills/*.md", ["~/skills/a.md", "~/a/b/skills/a.md"], ["~/skills/a/b.md"]),
    ],
)
def test_globs_over_paths_respect_folders(glob: str, fits: list[str], near: list[str]) -> None:
    pattern = glob_pattern(glob, segments=True)
    assert [path for path in fits if not pattern.match(path)] == []
    assert [path for path in near if pattern.match(path)] == []


@pytest.mark.parametrize(
    ("regex", "literal"),
    [
        ("sk-ant-api03-[A-Z]+", "sk-ant-api03-"),
        ("hf_\\w{34}", "hf_"),
        ("abc?d", "ab"),
        ("(a|b)c", ""),
        ("a\\.b+", "a.b"),
    ],
)
def test_the_literal_start_of_an_expression(regex: str, literal: str) -> None:
    assert regex_literal(regex) == literal


@given(st.from_regex(r"[a-z-]{3,8}(\[a-z\]\{2,4\}|[0-9]\?|\\\.x)?", fullmatch=True), st.data())
def test_what_an_expression_matches_starts_with_its_literal(expression: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(expression, fullmatch=True))
    assert text.startswith(regex_literal(expression))


def test_an_expression_without_a_literal_is_refused() -> None:
    with pytest.raises(ValueError, match="literal of at least 3"):
        OPERATORS["regex"].build("[a-z]+")
    with pytest.raises(ValueError, match="not a regular expression"):
        OPERATORS["regex"].build("abc[")


@given(st.text(alphabet="ab*?{},./", max_size=30), st.text(alphabet="ab./", max_size=30))
def test_any_glob_compiles(glob: str, text: str) -> None:
    glob_pattern(glob, segments=True).match(text)
    if not set(glob) & set("*?{}"):
        assert bool(glob_pattern(glob).match(text)) == (glob == text)
