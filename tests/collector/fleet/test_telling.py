"""A finding told in a sentence, and the texts that are sent on."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.findings import VERDICTS
from aimscope_collector.http.frame.texts import text
from aimscope_collector.review import STATES
from aimscope_collector.telling import Told, notice, request, summary
from aimscope_signatures.kinds import PRESENCES

NOW = int(datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC).timestamp())
MARCH = int(datetime.datetime(2026, 3, 3, 9, tzinfo=datetime.UTC).timestamp())
MARKETING: dict[str, Any] = {
    "name": "Perplexity",
    "vendor": "Perplexity AI",
    "unit": "Marketing",
    "verdict": "unregistered",
    "presence": "used",
    "people": 37,
    "devices": 54,
    "first": MARCH,
}


def told(**changed: Any) -> Told:
    return Told(**(MARKETING | changed))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "37 people in Marketing used Perplexity on 54 computers since 3 March; nobody registered it."),
        (
            {"people": 1, "devices": 1, "first": MARCH - 365 * 86_400},
            "1 person in Marketing used Perplexity on 1 computer since 3 March 2025; nobody registered it.",
        ),
        (
            {"people": None, "devices": None, "fewer_than": 5},
            (
                "Fewer than 5 people in Marketing used Perplexity on fewer than 5 computers since 3 March; "
                "nobody registered it."
            ),
        ),
        (
            {"people": 0, "presence": "used", "unit": ""},
            "Perplexity was used on 54 computers outside the known units since 3 March; nobody registered it.",
        ),
        (
            {"presence": "installed", "verdict": "prohibited"},
            "Perplexity is installed on 54 computers in Marketing since 3 March; the inventory prohibits it.",
        ),
        (
            {"state": "tolerated", "until": NOW + 86_400},
            (
                "37 people in Marketing used Perplexity on 54 computers since 3 March; "
                "it was decided that this is tolerated until 24 November."
            ),
        ),
        (
            {"present": False},
            (
                "37 people in Marketing used Perplexity on 54 computers since 3 March; nobody registered it. "
                "It is found no more."
            ),
        ),
        (
            {"presence": "", "verdict": "dormant", "people": 0, "devices": 0, "first": None},
            "Perplexity is registered in Marketing, and was not seen; everything was looked at.",
        ),
    ],
)
def test_a_finding_is_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    assert summary(told(**changed), NOW, text) == sentence


def test_a_small_group_is_never_counted_in_the_sentence() -> None:
    said = summary(told(people=None, devices=None, fewer_than=5), NOW, text)
    assert not any(number in said for number in ("37", "54", "None", " 0 "))


@pytest.mark.parametrize("presence", ["", *PRESENCES])
def test_every_finding_has_its_sentence(presence: str) -> None:
    for verdict, state, people in itertools.product(VERDICTS, STATES, (0, 7, None)):
        one = told(verdict=verdict, state=state, presence=presence, people=people, fewer_than=5)
        said = summary(one, NOW, text)
        assert "Perplexity" in said
        assert said.endswith(".")
        assert said[0] == said[0].upper()
        assert "{" not in said + notice(one, NOW, text).body + request(one, text).body


def test_the_notice_says_what_holds_now_and_not_another_rule() -> None:
    prohibited = notice(told(state="prohibited"), NOW, text).body
    assert "must not be used" in prohibited
    assert "must not be used" not in notice(told(), NOW, text).body
    assert "until 24 November" in notice(told(state="tolerated", until=NOW + 86_400), NOW, text).body


def test_the_request_names_tool_vendor_and_unit() -> None:
    said = request(told(), text)
    assert said.subject == "Request to use Perplexity"
    assert "Perplexity (Perplexity AI)" in said.body
    assert "Marketing" in said.body
    assert "()" not in request(told(vendor=""), text).body


@given(name=st.text(max_size=60), unit=st.text(max_size=60), first=st.integers(-(10**18), 10**18))
def test_whatever_strangers_named_it_stays_text(name: str, unit: str, first: int) -> None:
    one = told(name=name, unit=unit, first=first)
    assert name[1:] in summary(one, NOW, text)
    assert name in notice(one, NOW, text).subject
    assert unit in request(one, text).body
