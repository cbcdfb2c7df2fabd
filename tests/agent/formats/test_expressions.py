from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.formats._expressions import TRANSFORMS, alternatives, expression, look_up
from aimscope_agent.formats._format import holding, host_of
from aimscope_agent.formats._map import MapError
from aimscope_agent.formats._syslog import stripped


@pytest.mark.parametrize(
    ("stated", "fields", "values"),
    [
        ("a", {"a": "x"}, ["x"]),
        ("a", {"a": " x "}, ["x"]),
        ("a", {"a": "-"}, []),
        ("a", {"a": "(null)"}, []),
        ("a", {"a": 5}, ["5"]),
        ("a", {"a": True}, ["true"]),
        ("a", {"a": None}, []),
        ("a", {"a": {"b": 1}}, []),
        ("a.b", {"a": {"b": "x"}}, ["x"]),
        ("a.b", {"a.b": "x"}, ["x"]),
        ("a.b.c", {"a": {"b.c": "x"}}, ["x"]),
        ("a.b", {"a": "x"}, []),
        ("q[].n", {"q": [{"n": "x"}, {"m": 1}, {"n": "y"}]}, ["x", "", "y"]),
        ("q[]", {"q": ["x", "y"]}, ["x", "y"]),
        ("q[].n", {"q": "x"}, []),
        ("q[]", {"q": "x,y"}, ["x", "y"]),
        ("a[].b[]", {"a": [{"b": ["x", "y"]}, {}, {"b": ["z"]}]}, ["x", "y", "", "z"]),
        (
            "q[]|names",
            {"q": ["edge.example.net.", "192.0.2.1", "2001:db8::1", "1 . alpn=h2", "x"]},
            ["edge.example.net", "", "", "", ""],
        ),
        ("q[]|only(*,O,*)|part(2)", {"q": ["1,x,O,2", "1,y,I,2", "1"]}, ["x", "", ""]),
        ("q|part(3)", {"q": "a,b"}, []),
        ("u|ip", {"u": "pc-018 (192.0.2.22)"}, ["192.0.2.22"]),
        ("u|url_host", {"u": "https:/"}, []),
        ("u|url_host", {"u": "https"}, ["https"]),
        ("d+t", {"d": "1", "t": "2"}, ["1 2"]),
        ("d+t", {"d": "1"}, []),
        ("=text", {}, ["text"]),
        ("u|url_host", {"u": "https://user:pw@A.example:8443/p?q"}, ["A.example"]),
        ("u|url_host", {"u": "a.example:443"}, ["a.example"]),
        ("u|url_host", {"u": "[2001:db8::1]:443"}, ["2001:db8::1"]),
        ("u|url_path", {"u": "https://a.example/p/x?secret=1#f"}, ["/p/x"]),
        ("u|url_path", {"u": "a.example:443"}, []),
        ("u|url_path", {"u": "http://a.example?next=/v1/chat/completions"}, []),
        ("u|ip", {"u": "192.0.2.1#53"}, ["192.0.2.1"]),
        ("u|ip", {"u": "192.0.2.1:53"}, ["192.0.2.1"]),
        ("u|ip", {"u": "2001:DB8:0::1"}, ["2001:db8::1"]),
        ("u|ip", {"u": "a.example"}, []),
        ("u|labels", {"u": "(3)api(6)openai(3)com(0)"}, ["api.openai.com"]),
        ("u|labels", {"u": "(3)api(7)openai(3)com(0)"}, []),
        ("u|leaf|lower", {"u": "CORP\\Ann"}, ["ann"]),
        ("u|unquote", {"u": "a%20b"}, ["a b"]),
        ("u|plus", {"u": "a+b"}, ["a b"]),
        ("u|number", {"u": "12.5"}, ["12"]),
        ("u|number", {"u": "x"}, []),
    ],
)
def test_expressions(stated: str, fields: dict[str, object], values: list[str]) -> None:
    assert list(expression(stated)(fields)) == values


def test_words_for_nothing_are_passed_over() -> None:
    nothing = frozenset({"", "-", "Unknown"})
    either = alternatives(("a|leaf", "b"), nothing)
    assert list(either({"a": "Unknown", "b": "x"})) == ["x"]
    assert list(either({"a": "unknown"})) == ["unknown"]
    assert not holding({"a": ("?*",)}, nothing=nothing)({"a": "Unknown"})


@pytest.mark.parametrize("stated", ["a|part(0)", "a|part(x)", "a|only()", "a|cut(1)"])
def test_transforms_take_what_they_take(stated: str) -> None:
    with pytest.raises(MapError):
        expression(stated)


@pytest.mark.parametrize("path", ["a.b", "a.b[]", "x[].y"])
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert look_up({"a": {"c": 1}}, path) == []


def test_the_first_alternative_that_gives_something() -> None:
    either = alternatives(("a", "u|url_host"))
    assert list(either({"a": "-", "u": "http://x.example/"})) == ["x.example"]
    assert list(either({"a": "y", "u": "http://x.example/"})) == ["y"]
    assert list(either({})) == []


def test_an_unknown_transform_is_named() -> None:
    with pytest.raises(MapError, match="upside_down"):
        expression("a|upside_down")


@pytest.mark.parametrize(
    ("globs", "fields", "held"),
    [
        ({"a": ("block*", "deny")}, {"a": "BLOCKED"}, True),
        ({"a": ("block*", "deny")}, {"a": "allow"}, False),
        ({"a": ("block*",)}, {}, False),
        ({"a": ("?*",)}, {"a": "-"}, False),
        ({"a": ("?*",)}, {"a": 0}, True),
        ({"a": ("!407",)}, {"a": "407"}, False),
        ({"a": ("!407",)}, {}, True),
        ({"a": ("x",), "b": ("y",)}, {"a": "x", "b": "z"}, False),
        ({"a": ("",)}, {}, True),
    ],
)
def test_conditions(globs: dict[str, tuple[str, ...]], fields: dict[str, object], held: bool) -> None:
    assert holding(globs)(fields) is held


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("API.OpenAI.com.", "api.openai.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("ｏｐｅｎａｉ.com", ""),  # looks like it, and is not how it goes over the wire
        ("openai。com", ""),
        ("a b.example", ""),
        ("openai[.]com", ""),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("x" * 300, ""),
        ("", ""),
    ],
)
def test_hosts(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize(
    ("line", "rest", "said"),
    [
        ("<13>Nov  3 10:00:00 gw app[12]: text", "text", ("Nov  3 10:00:00", "gw", "app")),
        ("Nov 23 10:00:00 dnsmasq[7]: query", "query", ("Nov 23 10:00:00", None, "dnsmasq")),
        ("Nov 23 2026 10:00:00 fw : %ASA-6-1: Built", "%ASA-6-1: Built", ("Nov 23 2026 10:00:00", "fw", None)),
        ("Nov 23 10:00:00 gw CEF: 0|a", "CEF: 0|a", ("Nov 23 10:00:00", "gw", None)),
        ("Nov 23 10:00:00 gw CEF:0|a", "CEF:0|a", ("Nov 23 10:00:00", "gw", None)),
        ("<13>1 2026-11-23T10:00:00Z gw app 1 - - text", "text", ("2026-11-23T10:00:00Z", "gw", "app")),
        ('<13>1 2026-11-23T10:00:00Z gw app 1 - [x@1 a="b"]', '[x@1 a="b"]', ("2026-11-23T10:00:00Z", "gw", "app")),
        ('<13>1 - - - - - [m x="]"] text', "text", (None, None, None)),
        ("2026-11-23T10:00:00.1+01:00 gw app: text", "text", ("2026-11-23T10:00:00.1+01:00", "gw", "app")),
        ("2026-11-23T10:00:00Z 192.0.2.1 a.example", "2026-11-23T10:00:00Z 192.0.2.1 a.example", (None, None, None)),
        ("<134>date=2026-11-23 a=b", "date=2026-11-23 a=b", (None, None, None)),
        ("plain", "plain", (None, None, None)),
    ],
)
def test_syslog_headers(line: str, rest: str, said: tuple[str | None, ...]) -> None:
    found, fields = stripped(line)
    assert found == rest
    assert tuple(fields.get(f"syslog.{name}") for name in ("time", "host", "app")) == said


def test_a_message_may_have_a_name() -> None:
    assert stripped("<13>1 2026-11-23T10:00:00Z gw app 1 TRAFFIC - text")[1]["syslog.id"] == "TRAFFIC"


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    for transform in TRANSFORMS.values():
        assert len(transform(text)) <= 3 * len(text) + 8
    host_of(text)
    stripped("<13>" + text)
    stripped("Nov 23 10:00:00 " + text)
