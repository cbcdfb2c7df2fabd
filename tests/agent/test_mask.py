"""Keys in names are hidden; names that are only long are left as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.mask import Mask
from aimscope_signatures.interests import KeyPattern

KEY = "sk-proj-" + "A1b2C3d4" * 8
mask = Mask((KeyPattern("openai-api#0", "sk-proj-", "sk-proj-[A-Za-z0-9_-]{40,200}"),))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (KEY, "…"),
        (f"~/{KEY}/.env", "~/…/.env"),
        (f"github.copilot-{KEY}", "github.copilot-…"),
        (f"models--{KEY}", "models--…"),
        (f"{KEY}.gguf", "….gguf"),
        ("ghp_" + "a1B2" * 9, "…"),
        ("server sk-ant-api03-" + "x9" * 15, "server …"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "…"),
        ("https://ann:hunter2@mcp.example.com/sse?token=abc#frag", "https://…@mcp.example.com/sse?…"),
        ("https://hunter2@mcp.example.com", "https://…@mcp.example.com"),
    ],
)
def test_what_has_the_form_of_a_key_is_hidden(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "~/src/task-project-with-a-long-name-2024/.env",
        "~/ask-proj-meeting-notes-from-the-long-afternoon-2024",
        "npm:@modelcontextprotocol/server-sequential-thinking",
        "https://mcp.example.com/sse",
        "b7a1f3c2d4e5f60718293a4b5c6d7e8f",
        "ann@example.com",
        "",
    ],
)
def test_other_names_are_left(text: str) -> None:
    assert mask(text) == text


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_key_between_anything_is_hidden(before: str, after: str) -> None:
    assert KEY not in mask(f"{before} {KEY} {after}")


@pytest.mark.parametrize("text", ["://" * 3_000, "-eyJ" * 2_000, "sk-proj-" * 1_000, "xoxb-" * 2_000])
def test_text_made_to_cost_time_takes_none(text: str) -> None:
    assert isinstance(mask(text), str)
