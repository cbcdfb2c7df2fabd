from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures.conditions import OPERATORS
from aimscope_signatures.hosts import HostIndex
from aimscope_signatures.patterns import Hit
from aimscope_signatures.signature import Clause

CLAUSE = Clause("domains", "high", ())
LABEL = st.sampled_from(["a", "b", "api", "x-1", "com", "ai"])
NAME = st.lists(LABEL, min_size=2, max_size=5).map(".".join)


def index(domains: list[str], hosts: list[str]) -> HostIndex:
    found = HostIndex()
    for domain in domains:
        found.add(Hit(domain, CLAUSE, domain), suffix=True)
    for host in hosts:
        found.add(Hit(f"host:{host}", CLAUSE, host), suffix=False)
    return found


def test_the_most_specific_wins() -> None:
    found = index(["openai.com", "deep.openai.com"], ["chat.openai.com", "*.chat.openai.com"])
    answers = [
        hit.service
        for name in ["openai.com", "x.openai.com", "y.deep.openai.com", "chat.openai.com", "a.chat.openai.com"]
        for hit in found.find(name)
    ]
    assert answers == [
        "openai.com",
        "openai.com",
        "deep.openai.com",
        "host:chat.openai.com",
        "host:*.chat.openai.com",
    ]
    assert found.find("notopenai.com") == ()
    assert found.find("openai.com.evil.example") == ()


@given(st.lists(NAME, max_size=8, unique=True), st.lists(NAME, max_size=4, unique=True), st.lists(NAME, max_size=30))
def test_the_index_agrees_with_trying_everything(domains: list[str], hosts: list[str], names: list[str]) -> None:
    found = index(domains, hosts)
    for name in names:
        if name in hosts:
            expected = f"host:{name}"
        else:
            fitting = [domain for domain in domains if OPERATORS["domain"].build(domain)(name)]
            expected = max(fitting, key=len, default="")
        assert [hit.service for hit in found.find(name)] == ([expected] if expected else [])


@given(st.lists(NAME, max_size=8, unique=True), st.lists(st.one_of(NAME, st.text(max_size=12)), max_size=60))
def test_the_bulk_form_agrees_with_one_at_a_time(domains: list[str], names: list[str]) -> None:
    found = index(domains, [])
    shouted = [name.upper() + "." for name in names]
    for column in (names, shouted, names):  # the second time from memory
        single = [found.find(name.lower().removesuffix(".")) for name in column]
        assert found.services(column) == [hits[0].service if hits else None for hits in single]


def test_what_was_learned_is_forgotten_when_the_catalogue_grows() -> None:
    found = index(["a.com"], [])
    assert found.services(["x.b.com"]) == [None]
    found.add(Hit("b.com", CLAUSE, "b.com"), suffix=True)
    assert found.services(["x.b.com"]) == ["b.com"]


def test_memory_is_bounded_and_answers_stay_right() -> None:
    found = index(["dom7.com"], [])
    names = [f"a{n}.dom{n}.com" for n in range(200_000)]
    assert [n for n, service in enumerate(found.services(names)) if service] == [7]
    assert found.services(names[:10])[7] == "dom7.com"
    assert len(found._asked) <= 65_536 + 4_096
