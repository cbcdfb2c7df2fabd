from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host import glob
from aimscope_agent.host.glob import Glob


def test_each_anchor_is_understood() -> None:
    assert glob.parse("~/.cursor/mcp.json") == (Glob("home", (".cursor", "mcp.json"), False),)
    assert glob.parse("/etc/cron.d/*") == (Glob("root", ("etc", "cron.d", "*"), False),)
    assert glob.parse("C:/Program Files/*/") == (Glob("root", ("Program Files", "*"), True),)
    assert glob.parse("./CLAUDE.md") == (Glob("project", ("CLAUDE.md",), False),)
    assert glob.parse("**/node_modules/") == (Glob("walk", ("node_modules",), True),)


def test_alternatives_are_written_out() -> None:
    assert [each.parts for each in glob.parse("~/.{a,b}/{x,y}.json")] == [
        (".a", "x.json"),
        (".a", "y.json"),
        (".b", "x.json"),
        (".b", "y.json"),
    ]


def test_alternatives_that_come_to_the_same_are_one() -> None:
    assert [each.parts for each in glob.parse("~/{a,{a,b},b}")] == [("a",), ("b",)]
    assert len(glob.parse("~/" + "{a,a}" * 9)) == 1


@pytest.mark.parametrize(
    "text", ["", "x", "**", "**/", "*.py", "~", "~/../x", "/a/./b", "{~/a,**/b}", "~/" + "{a,b}" * 9]
)
def test_what_is_no_glob_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="glob"):
        glob.parse(text)


@pytest.mark.parametrize(
    ("part", "name", "fits"),
    [
        ("*.gguf", "a.gguf", True),
        ("*.gguf", "a.gguf.part", False),
        (".env.*", ".env.local", True),
        (".env.*", "x.env.local", False),
        ("models--*", "models--a--b", True),
        ("a.b", "axb", False),
        ("*", "anything\nat all", True),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
    ],
)
def test_a_part_fits_whole_names(part: str, name: str, fits: bool) -> None:
    assert bool(glob.name_pattern(part, False).match(name)) is fits


def test_case_matters_only_where_the_platform_says_so() -> None:
    assert glob.name_pattern("*.GGUF", True).match("x.gguf")
    assert not glob.name_pattern("*.GGUF", False).match("x.gguf")


@given(st.text(max_size=60))
def test_any_text_is_a_glob_or_refused(text: str) -> None:
    try:
        parsed = glob.parse(text)
    except ValueError:
        return
    assert parsed
    assert all(".." not in each.parts for each in parsed)
