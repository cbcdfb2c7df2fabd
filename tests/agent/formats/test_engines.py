"""How lines are taken apart."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.formats._engine import KNOWN
from aimscope_agent.formats._engines import LineReader
from aimscope_agent.formats._map import Map, MapError, Options, Recognise, Record

RECORD = Record("http.request", {"host": "host"})


def reader(engine: Any, fields: tuple[str, ...] = ("host",), **options: Any) -> LineReader:
    form = Map("test", "Test", "Test", engine, Recognise(fields), (RECORD,), "memory", options=Options(**options))
    return LineReader(form)


def first(found: object, *names: str) -> tuple[object, ...]:
    assert isinstance(found, dict), found
    return tuple(found.get(name) for name in names)


def test_json_lines() -> None:
    json = reader("json_lines")
    assert first(json.fields(b'{"host":"a.example","n":1}'), "host", "n") == ("a.example", 1)
    assert first(json.fields(b'<14>Nov 23 10:00:00 gw x[1]: {"host":"a"}'), "host", "syslog.app") == ("a", "x")
    assert first(json.fields(b'Nov 23 10:00:00 gw @cee: {"host":"a"}'), "host", "syslog.host") == ("a", "gw")
    assert first(json.fields(b'{"host":"caf\xe9"}'), "host") == ("caf\ufffd",)
    assert json.fields(b'{"host":"a') is None
    assert json.fields(b"[1]") is None
    assert json.fields(b"no json at all") is None


def test_json_within_json() -> None:
    json = reader("json_lines", unwrap="event")
    assert first(json.fields(b'{"time":5,"event":{"host":"a"}}'), "host", "time") == ("a", 5)
    assert first(json.fields(b'{"event":"{\\"host\\":\\"a\\"}"}'), "host") == ("a",)
    assert json.fields(b'{"event":"text"}') is None


def test_key_value() -> None:
    pairs = reader("key_value")
    line = b'date=2026-11-23 devname="FW 1" url="/a?b=c&d=\\"e\\"" empty="" n=5 host=a.example'
    assert first(pairs.fields(line), "devname", "url", "empty", "n") == ("FW 1", '/a?b=c&d="e"', "", "5")
    assert first(pairs.fields(b'<189>date=2026-11-23 host="a"'), "host", "date") == ("a", "2026-11-23")
    assert pairs.fields(b"nothing here") is None
    assert first(pairs.fields(b"Permit 1-Trusted tcp host=a"), "kv.head", "host") == ("Permit 1-Trusted tcp", "a")
    tabs = reader("key_value", separator="tab")
    assert first(tabs.fields(b"user=Ann B\tdevice=\thost=a"), "user", "device", "host") == ("Ann B", "", "a")
    brackets = reader("key_value", pair=":", separator="; ", inside="[]")
    line = b'<134>1 2026-11-23T10:00:00Z fw CheckPoint 1 - [action:"Accept"; src:"192.0.2.1"; host:"a b"]'
    assert first(brackets.fields(line), "action", "src", "host") == ("Accept", "192.0.2.1", "a b")


def test_a_header_names_columns_that_the_map_does_not_know() -> None:
    table = reader("delimited", fields=("Host", "Action"))
    assert table.fields(b"a,b,c") is None
    assert table.fields(b"When,Host,Action,More") is KNOWN
    assert first(table.fields(b"noon,a.example,allow,x"), "When", "Host", "More") == ("noon", "a.example", "x")


def test_blank_lines_are_no_lines() -> None:
    assert reader("delimited", separator="whitespace").fields(b"  \t \n") is None


def test_columns_that_the_map_names() -> None:
    columns = reader("delimited", columns=("time", "host", "agent"))
    assert first(columns.fields(b'1,a.example,"x, ""y"""\r\n'), "host", "agent") == ("a.example", 'x, "y"')
    assert first(columns.fields(b"1,a,b,more"), "host", "agent") == ("a", "b")
    assert columns.fields(b"1,a") is None


def test_columns_that_the_file_names() -> None:
    columns = reader("delimited", fields=("Host", "Client"), separator="semicolon")
    assert columns.fields(b"1;a.example") is None  # nobody knows what is what
    assert columns.fields(b"Client;Time;Host") == KNOWN
    assert first(columns.fields(b"192.0.2.1;5;a"), "Host", "Client") == ("a", "192.0.2.1")
    assert columns.fields(b"Host;Client") == KNOWN  # files were joined
    assert first(columns.fields(b"b;192.0.2.2"), "Host", "Client") == ("b", "192.0.2.2")


def test_w3c() -> None:
    log = reader("w3c", columns=("date", "host"))
    assert first(log.fields(b"2026-11-23 a"), "host") == ("a",)  # rotated: begins without a header
    assert log.fields(b"#Version: 1.0") == KNOWN
    assert log.fields(b"#Fields: date cs-host cs(User-Agent)\r\n") == KNOWN
    assert first(log.fields(b'2026-11-23 a "Mozilla 5.0 (X11)"'), "cs-host", "cs(User-Agent)") == (
        "a",
        "Mozilla 5.0 (X11)",
    )
    assert log.fields(b"#Fields: cs-host date") == KNOWN
    assert first(log.fields(b"b 2026-11-23"), "cs-host") == ("b",)
    assert log.fields(b"b") is None


def test_zeek() -> None:
    log = reader("zeek")
    assert log.fields(b"1.5\ta") is None
    for head in (rb"#separator \x09", b"#path\tdns", b"#fields\tts\tquery", b"#types\ttime\tstring"):
        assert log.fields(head) == KNOWN
    assert first(log.fields(b"1.5\ta.example"), "query", "_path") == ("a.example", "dns")
    other = reader("zeek")
    other.engine.state = msgspec.convert(msgspec.to_builtins(log.engine.state), type(log.engine.state))
    assert first(other.fields(b"1.5\tb"), "query", "_path") == ("b", "dns")


def test_cef() -> None:
    cef = reader("cef")
    line = (
        rb"<14>Nov 23 10:00:00 gw CEF:0|Ven\|dor|Pro|1|100|Web \\ log|3|src=192.0.2.1 request=https://a/?b\=c "
        rb"cs1Label=Rule Name cs1=allow web msg=two words"
    )
    found = cef.fields(line)
    assert first(found, "cef.vendor", "cef.id", "cef.name") == ("Ven|dor", "100", "Web \\ log")
    assert first(found, "request", "msg", "Rule Name", "syslog.host") == (
        "https://a/?b=c",
        "two words",
        "allow web",
        "gw",
    )
    assert cef.fields(b"CEF:0|Vendor|Product") is None


def test_leef() -> None:
    leef = reader("leef")
    assert first(leef.fields(b"LEEF:1.0|V|P|1|id|src=192.0.2.1\tusrName=Ann B"), "leef.id", "usrName") == (
        "id",
        "Ann B",
    )
    assert first(leef.fields(b"LEEF:2.0|V|P|1|id|^|src=1^url=a"), "leef.vendor", "url") == ("V", "a")
    assert first(leef.fields(b"LEEF:2.0|V|P|1|id|x7C|src=1|url=a"), "src", "url") == ("1", "a")
    assert first(leef.fields(b"LEEF:2.0|V|P|1|id|src=1\turl=a"), "src", "url") == ("1", "a")
    assert leef.fields(b"LEEF:1.0|V") is None


def test_regex() -> None:
    log = reader("regex", patterns=(r"(?P<client>\S+) asks (?P<host>\S+)", r"(?P<host>\S+)!"))
    assert first(log.fields(b"192.0.2.1 asks a"), "client", "host") == ("192.0.2.1", "a")
    assert first(log.fields(b"Nov 23 10:00:00 gw dns[5]: 192.0.2.1 asks a"), "host", "syslog.app") == ("a", "dns")
    assert first(log.fields(b"a!"), "host") == ("a",)
    assert log.fields(b"?") is None


@pytest.mark.parametrize(
    ("engine", "options"),
    [("cef", {"separator": ","}), ("json_lines", {"patterns": ("a",)}), ("regex", {}), ("regex", {"patterns": ("(",)})],
)
def test_options_that_an_engine_does_not_take(engine: str, options: dict[str, Any]) -> None:
    with pytest.raises(MapError, match="options"):
        reader(engine, **options)


ENGINES = [
    reader("json_lines"),
    reader("json_lines", unwrap="a.b"),
    reader("key_value"),
    reader("key_value", pair=":", separator=";", inside="[]"),
    reader("delimited", columns=("host", "b", "c")),
    reader("delimited", separator="whitespace"),
    reader("w3c"),
    reader("zeek"),
    reader("cef"),
    reader("leef"),
    reader("regex", patterns=(r"(?P<host>[a-z.]+) (?P<b>\S+)?",)),
]
WORDS = rb"""#Fields: |#fields	|CEF:0\||\||=|"|\|	|{|}|"a":|[|]|<13>|Nov 23 10:00:00 |host |a.example|,|;"""
PIECES = st.sampled_from([*WORDS.split(b"|"), b"LEEF:2.0|", b"|", b"1 2026-11-23T10:00:00Z h a p i ", b"\xff"])


@given(st.lists(PIECES | st.binary(max_size=6), max_size=24))
def test_any_bytes(parts: list[bytes]) -> None:
    line = b"".join(parts).replace(b"\n", b"")
    for engine in ENGINES:
        found = engine.fields(line)
        assert found is None or all(isinstance(name, str) for name in found)
