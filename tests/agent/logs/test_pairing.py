"""A question, its refusal and its answer are one use, or one attempt, however many lines tell of it."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_agent.logs.pairing import MOST, Held, Pairs
from aimscope_agent.logs.registry import built_in
from aimscope_agent.logs.scanning import Part, Scan, Workshop
from aimscope_agent.logs.work import PIECE, tasks_of
from aimscope_signatures import bundle
from aimscope_signatures.model import Sighting

NOW = 1_795_521_600


@functools.cache
def workshop() -> Workshop:
    return Workshop(dict(built_in()), bundle.shipped(), None)


def read(name: str, lines: list[str], held: tuple[Held, ...] = (), *, hold: bool = False) -> Part:
    scan = Scan(workshop().formats[name], workshop(), zone="utc", now=NOW, held=held)
    scan.block("".join(line + "\n" for line in lines).encode())
    return scan.result(hold=hold)


def counts(part: Part) -> list[tuple[str, bool, int]]:
    """Of each client, whether it was refused, and how often."""
    found = [(one.asset, refused(one), one.count) for one in part.sightings]
    return sorted(found)


def refused(one: Sighting) -> bool:
    return one.presence == "attempted"


def dnsmasq(text: str, second: int = 0) -> str:
    return f"Nov 23 10:00:{second:02} dnsmasq[7]: {text}"


def unbound(text: str, second: int = 0) -> str:
    return f"[{1_795_428_000 + second}] unbound[7:0] info: {text}"


def bind(text: str, second: int = 0) -> str:
    return f"23-Nov-2026 10:00:{second:02}.000 client @0x7f 192.0.2.1#4711 (claude.ai): {text}"


BIND_QUERY = "query: claude.ai IN A +E(0)K (192.0.2.53)"
BIND_REFUSAL = "rpz QNAME NXDOMAIN rewrite claude.ai/A/IN via claude.ai.rpz.example"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("dnsmasq", [dnsmasq("query[A] claude.ai from 192.0.2.1"), dnsmasq("config claude.ai is NXDOMAIN")]),
        ("dnsmasq", [dnsmasq("query[A] Claude.AI from 192.0.2.1"), dnsmasq("gravity blocked claude.ai is 0.0.0.0")]),
        (
            "dnsmasq",  # upstream, asked about, refused seconds later; others between
            [
                dnsmasq("query[A] claude.ai from 192.0.2.1"),
                dnsmasq("forwarded claude.ai to 192.0.2.53"),
                dnsmasq("query[A] www.example.com from 192.0.2.9"),
                dnsmasq("blocked upstream with NXRA claude.ai is 0.0.0.0", 4),
            ],
        ),
        (
            "unbound",
            [
                unbound("192.0.2.1 claude.ai. A IN"),
                unbound("claude.ai. always_nxdomain 192.0.2.1@4711 claude.ai. A IN"),
                unbound("192.0.2.1 claude.ai. A IN NXDOMAIN 0.000000 1 27"),
            ],
        ),
        (
            "unbound",  # refusals and answers are logged, questions are not
            [
                unbound("claude.ai. always_nxdomain 192.0.2.1@4711 claude.ai. A IN"),
                unbound("192.0.2.1 claude.ai. A IN NXDOMAIN 0.000000 1 27"),
            ],
        ),
        ("bind", [bind(BIND_QUERY), bind(BIND_REFUSAL)]),
    ],
)
def test_a_refused_question_is_one_attempt(name: str, lines: list[str]) -> None:
    assert counts(read(name, lines)) == [("192.0.2.1", True, 1)]


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("dnsmasq", [dnsmasq("query[A] claude.ai from 192.0.2.1")], [("192.0.2.1", False, 1)]),
        ("dnsmasq", [dnsmasq("config claude.ai is NXDOMAIN")], [("", True, 1)]),
        (
            "dnsmasq",  # somebody asked, and long after somebody else was refused
            [
                dnsmasq("query[A] claude.ai from 192.0.2.1"),
                dnsmasq("query[A] claude.ai from 192.0.2.2", 30),
                dnsmasq("config claude.ai is NXDOMAIN", 30),
            ],
            [("192.0.2.1", False, 1), ("192.0.2.2", True, 1)],
        ),
        (
            "dnsmasq",  # the refusal is of another name
            [dnsmasq("query[A] claude.ai from 192.0.2.1"), dnsmasq("config chatgpt.com is NXDOMAIN")],
            [("", True, 1), ("192.0.2.1", False, 1)],
        ),
        (
            "unbound",  # one client is refused, another is not
            [
                unbound("192.0.2.1 claude.ai. A IN"),
                unbound("192.0.2.2 claude.ai. A IN"),
                unbound("claude.ai. always_nxdomain 192.0.2.2@4711 claude.ai. A IN"),
                unbound("192.0.2.2 claude.ai. A IN NXDOMAIN 0.0 1 27"),
                unbound("192.0.2.1 claude.ai. A IN NOERROR 0.1 0 43"),
            ],
            [("192.0.2.1", False, 1), ("192.0.2.2", True, 1)],
        ),
        (
            "unbound",  # asked twice, answered twice
            [unbound("192.0.2.1 claude.ai. A IN")] * 2 + [unbound("192.0.2.1 claude.ai. A IN NOERROR 0.1 0 43")] * 2,
            [("192.0.2.1", False, 2)],
        ),
        (
            "unbound",  # answers alone
            [unbound("192.0.2.1 claude.ai. A IN NOERROR 0.1 0 43")] * 3,
            [("192.0.2.1", False, 3)],
        ),
        (
            "unbound",  # two types are two questions
            [
                unbound("192.0.2.1 claude.ai. A IN"),
                unbound("192.0.2.1 claude.ai. AAAA IN"),
                unbound("claude.ai. always_nxdomain 192.0.2.1@4711 claude.ai. AAAA IN"),
            ],
            [("192.0.2.1", False, 1), ("192.0.2.1", True, 1)],
        ),
        (
            "bind",
            [bind(BIND_QUERY), bind(BIND_REFUSAL), bind(BIND_QUERY, 1), bind(BIND_REFUSAL, 1)],
            [("192.0.2.1", True, 2)],
        ),
    ],
)
def test_what_else_lines_tell(name: str, lines: list[str], expected: list[tuple[str, bool, int]]) -> None:
    assert counts(read(name, lines)) == expected


@pytest.mark.parametrize("cut", [1, 2])
def test_lines_that_come_later(cut: int) -> None:
    lines = [
        unbound("192.0.2.1 claude.ai. A IN"),
        unbound("claude.ai. always_nxdomain 192.0.2.1@4711 claude.ai. A IN"),
        unbound("192.0.2.1 claude.ai. A IN NXDOMAIN 0.0 1 27"),
    ]
    first = read("unbound", lines[:cut], hold=True)
    assert first.sightings == ()
    assert len(first.held) == 1
    second = read("unbound", lines[cut:], first.held)
    assert counts(second) == [("192.0.2.1", True, 1)]
    assert second.held == ()


def test_what_waits_is_counted_when_nobody_waits_any_more() -> None:
    first = read("unbound", [unbound("192.0.2.1 claude.ai. A IN")], hold=True)
    assert counts(read("unbound", [], first.held)) == [("192.0.2.1", False, 1)]


def test_a_log_whose_lines_refuse_others_is_read_in_one_piece() -> None:
    class Whole:
        seekable = True
        head = b""

    size = 3 * PIECE
    cut = {name: len(tasks_of(Whole(), form, "x", size, NOW, "", 0)) for name, form in built_in().items()}  # type: ignore[arg-type]
    assert {name for name, parts in cut.items() if parts == 1} == {"bind", "dnsmasq", "dnstap", "unbound"}


def held(name: str, record: int, at: int, asset: str = "", *, blocked: bool = False) -> Held:
    return Held(record, name, (name,), (), "", asset, blocked, at, "1")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.integers(0, 2), st.integers(0, 40), st.sampled_from(["", "x", "y"]), st.booleans()
        ),
        max_size=60,
    )
)
def test_each_line_is_told_of_once(lines: list[tuple[str, int, int, str, bool]]) -> None:
    pairs = Pairs()
    done: list[Held] = []
    for name, record, at, asset, blocked in sorted(lines, key=lambda line: line[2]):
        done += pairs.take(held(name, record, at, asset, blocked=blocked))
    done += pairs.rest()
    assert sum(len(one.told) for one in done) == len(lines)
    assert all(len(one.told) == len(set(one.told)) for one in done)
    assert any(one.blocked for one in done) == any(blocked for *_, blocked in lines)
    assert pairs.rest() == ()


def test_questions_that_wait_are_bounded() -> None:
    pairs = Pairs()
    done = [one for number in range(5 * MOST) for one in pairs.take(held(f"n{number}.example", 0, 7))]
    assert len(done) == 4 * MOST
    assert len(pairs.rest()) == MOST
