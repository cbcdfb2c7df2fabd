"""Text that a pattern needs: wrong here, a line would be passed over without anybody noticing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.formats._engine_regex import literal
from aimscope_agent.logs.reading import lines_of
from aimscope_agent.logs.registry import built_in

DATA = Path(__file__).parents[2] / "_data" / "formats"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?P<a>\d+) query\[(?P<b>\S+)\] from", " query["),
        (r"one|another", ""),
        (r"(?:one|other) text", " text"),
        (r"(?:maybe)? (?P<a>sure) x*", "sure"),
        (r"(?:maybe)*yes", "yes"),
        (r"(?:sure)+", "sure"),
        (r"abc?d", "ab"),
        (r"abc{0,2}de", "ab"),
        (r"ab+cd", "ab"),
        (r"(?!never)ever", "ever"),
        (r"(?<=before)after", "after"),
        (r"[abc]def[g]", "defg"),
        (r"[]abc]d", "d"),
        (r"\x41bc", ""),
        (r"\1abc", ""),
        (r"(?i)abc", ""),
        (r"(?P<a>x)(?P=a)bc", ""),
        (r"(?x) a b [ ] c", "ab c"),
        (r"(?x) abc # what", ""),
        (r"a\.b\{c", "a.b{c"),
        (r"a.b", "a"),
        (r"^abc$", "abc"),
    ],
)
def test_what_a_pattern_needs(pattern: str, expected: str) -> None:
    assert literal(pattern) == expected


PARTS = st.sampled_from(
    ["ab", "c", "d?", "e*", "f+", "(?:gh)?", "(?:i|jk)", "(l)", "[mn]", "[o]", ".", r"\.", "p{0,1}"]
)


@given(st.lists(PARTS, max_size=8).map("".join), st.data())
def test_it_is_in_whatever_matches(pattern: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(pattern, fullmatch=True))
    assert literal(pattern) in text


def test_it_is_in_the_lines_of_our_samples() -> None:
    tried = 0
    for form in built_in().values():
        patterns = [(re.compile(pattern), literal(pattern)) for pattern in form.map.options.patterns]
        for sample in (DATA / form.name).glob("sample*") if patterns else ():
            for line in lines_of(sample.read_bytes(), built_in().values()).decode("utf-8", "replace").splitlines():
                for pattern, text in patterns:
                    if pattern.match(line):
                        assert text in line
                        tried += 1
    assert tried > 100
