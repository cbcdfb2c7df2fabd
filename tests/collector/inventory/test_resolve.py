"""Which services a row is about: exact agreement only, the rest is suggested."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.inventory.resolve import Index, unmatched
from aimscope_collector.services import Service
from tests.collector.example import SERVICES, use

INDEX = Index((*SERVICES, Service(id="twin-a", name="Twin", vendor="A"), Service(id="twin-b", name="Twin", vendor="B")))

BEDROCK = "bedrock-runtime.eu-west-1.amazonaws.com"
MATCHES: list[tuple[str, AuthorisedUse, dict[str, str]]] = [
    ("catalogue id in services", use(name="x", services=("cursor", "ollama")), {"cursor": "id", "ollama": "id"}),
    ("name in services", use(name="x", services=("Open AI API",)), {"openai-api": "id"}),
    ("services count, the name does not", use(name="Cursor", services=("ollama",)), {"ollama": "id"}),
    ("a wrong id in services", use(name="Cursor", services=("curser",)), {}),
    ("catalogue id as the row's id", use(name="x", id="cursor"), {"cursor": "id"}),
    ("allowed domain", use(name="x", allowed_domains=("api2.cursor.sh",)), {"cursor": "domain"}),
    ("domain that only ends alike", use(name="x", allowed_domains=("notcursor.sh",)), {}),
    ("domain above a service's", use(name="x", allowed_domains=("openai.com",)), {}),
    ("domain with a pattern", use(name="x", allowed_domains=(BEDROCK,)), {"bedrock": "domain"}),
    ("the pattern is the whole name", use(name="x", allowed_domains=(f"{BEDROCK}.example",)), {}),
    ("the star is one label", use(name="x", allowed_domains=("bedrock-runtime.a.b.amazonaws.com",)), {}),
    ("domain and name", use(name="ChatGPT", allowed_domains=("cursor.com",)), {"cursor": "domain", "chatgpt": "name"}),
    ("name", use(name="cursor"), {"cursor": "name"}),
    ("name in other spelling", use(name="Chat-GPT"), {"chatgpt": "name"}),
    ("alias of the catalogue", use(name="Cursor IDE"), {"cursor": "name"}),
    ("alias of the row", use(name="Our editor", aliases=("Cursor",)), {"cursor": "name"}),
    ("name and vendor with legal form", use(vendor="Anysphere, Inc."), {"cursor": "name"}),
    ("name with another vendor", use(vendor="Acme"), {}),
    ("name of two services", use(name="Twin"), {}),
    ("name of two services, with vendor", use(name="Twin", vendor="B GmbH"), {"twin-b": "name"}),
    ("web site, for want of anything better", use(name="x", domains=("www.otter.ai",)), {"otter": "domain"}),
    ("the name counts more than the web site", use(name="ChatGPT", domains=("api.openai.com",)), {"chatgpt": "name"}),
    ("vendor", use(name="All", vendors=("OpenAI LLC",)), {"chatgpt": "vendor", "openai-api": "vendor"}),
    ("category", use(name="All", categories=("Local-Runtime",)), {"ollama": "category"}),
    ("id before category", use(name="All", services=("ollama",), categories=("local-runtime",)), {"ollama": "id"}),
    ("near is not enough", use(name="Cursor Pro"), {}),
    ("punctuation alone is no name", use(name="---"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "services"), [case[1:] for case in MATCHES], ids=[case[0] for case in MATCHES])
def test_match(row: AuthorisedUse, services: dict[str, str]) -> None:
    resolution = INDEX.resolve(row)
    assert resolution.services == services
    assert bool(services) or resolution.unknown


@pytest.mark.parametrize(
    ("name", "vendor", "expected"),
    [
        ("Cursor Pro", "", "cursor"),
        ("Curser", "", "cursor"),
        ("ChatGPT Enterprise (EU)", "OpenAI", "chatgpt"),
        ("GitHub co-pilot for business", "", "github-copilot"),
        ("Copilot", "GitHub, Inc.", "github-copilot"),
        ("Bedrock", "Amazon", "bedrock"),
    ],
)
def test_suggestion(name: str, vendor: str, expected: str) -> None:
    assert INDEX.suggest(name, vendor)[0].id == expected


@pytest.mark.parametrize("name", ["Payroll", "", "AI", "—", "Enterprise Assistant"])
def test_no_suggestion_for_what_is_like_nothing(name: str) -> None:
    assert INDEX.suggest(name) == ()


def test_every_unmatched_name_is_listed_and_only_the_first_are_searched() -> None:
    rows = INDEX.resolve_all(
        [use(name="Curser"), use(name="Cursor"), use(name="Olama"), use(name="x", services=("chatgtp",))]
    )
    assert [(one.name, [s.id for s in one.suggestions]) for one in unmatched(rows, INDEX)] == [
        ("Curser", ["cursor"]),
        ("Olama", ["ollama"]),
        ("chatgtp", ["chatgpt"]),
    ]
    assert [len(one.suggestions) for one in unmatched(rows, INDEX, limit=1)] == [1, 0, 0]


@given(st.text(max_size=40), st.text(max_size=20))
@settings(deadline=None)
def test_suggestions_for_any_text(name: str, vendor: str) -> None:
    found = INDEX.suggest(name, vendor)
    assert len(found) <= 3
    assert found == Index(tuple(reversed(INDEX.services))).suggest(name, vendor)
