"""CEF by pycef, LEEF by a reader after IBM's description, RFC 5424 by syslog-rfc5424-parser."""

from __future__ import annotations

import re
import warnings

import msgspec
import pycef
import pytest

from aimscope_collector.formats import cef as cef_format
from aimscope_collector.formats import format_named
from aimscope_collector.formats import leef as leef_format
from aimscope_collector.formats._bounds import visible
from tests.collector.formats.shared import EVENTS, HOSTILE, poisoned, records

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its grammar's library imports what Python renamed
    from syslog_rfc5424_parser import SyslogMessage

SHORT = [text for text in HOSTILE if len(text) < 500 and text.strip()]


def read_cef(line: str) -> dict[str, str]:
    found = pycef.parse(line)
    assert found is not None, line
    return {name: unescaped(value) for name, value in found.items()}


def unescaped(text: str) -> str:
    r"""``\n`` and ``\r`` are line ends, any other escaped character is itself (CEF, Character Encoding)."""
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), text)


def read_leef(line: str) -> tuple[list[str], dict[str, str]]:
    """Header and attributes (IBM, LEEF event components): 2.0 names its delimiter, 1.0 has a tab."""
    assert line.startswith("LEEF:")
    version = line[5:8]
    fields = line.split("|", 6 if version == "2.0" else 5)
    named = fields[5] if version == "2.0" else "x09"
    apart = chr(int(named.lstrip("0").removeprefix("x"), 16)) if len(named) > 1 else named
    return fields[:5], dict(pair.split("=", 1) for pair in fields[-1].split(apart))


def test_cef_is_read_back() -> None:
    found = read_cef(records("cef")[0].decode())
    assert (found["DeviceVendor"], found["DeviceEventClassID"]) == ("aimscope", "ai.finding.unregistered")
    assert (found["Severity"], found["CEFVersion"]) == ("8", "0")
    assert found["rt"] == "1790000000000"
    assert found["externalId"] == EVENTS[0].uid
    assert found["msg"] == EVENTS[0].message
    assert (found["subject"], found["verdict"], found["devices"], found["people"]) == (
        "f-7d3e1a90b2c4", "unregistered", "54", "37",
    )  # fmt: skip
    assert found["evidence"].startswith("dns.query: name=api.perplexity.example (certain, used)")


@pytest.mark.parametrize("text", SHORT, ids=range(len(SHORT)))
@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_cef_gives_hostile_texts_back_and_no_key_more(text: str, number: int) -> None:
    event = poisoned(EVENTS[number], text)
    found = read_cef(format_named("cef").render(event, {}).decode())
    assert found["msg"] == visible(text, keep="\n\r").strip(" ")
    labels = {key.label for key in cef_format.KEYS if key.label}
    header = {"DeviceVendor", "DeviceProduct", "DeviceVersion", "DeviceEventClassID", "Name", "DeviceName"}
    header |= {"Severity", "DeviceSeverity", "CEFVersion"}
    assert set(found) <= {key.name for key in cef_format.KEYS} | labels | header
    assert "evil" not in found["Severity"]


def test_a_text_of_blanks_is_no_key_in_cef() -> None:
    assert " msg=" not in format_named("cef").render(poisoned(EVENTS[0], " "), {}).decode()


@pytest.mark.parametrize("options", [{}, {"version": "1.0"}, {"delimiter": "^"}, {"delimiter": "x1f"}])
def test_leef_is_read_back(options: dict[str, str]) -> None:
    head, found = read_leef(format_named("leef").render(EVENTS[0], options).decode())
    version = options.get("version", "2.0")
    assert head == [f"LEEF:{version}", "aimscope", "aimscope", "0.1.0", "ai.finding.unregistered"]
    assert found["devTime"] == "2026-09-21T14:13:20.000+0000"
    assert found["devTimeFormat"] == "yyyy-MM-dd'T'HH:mm:ss.SSSZ"
    assert (found["sev"], found["cat"], found["resource"]) == ("8", "create", "Perplexity")
    assert (found["findingUid"], found["eventUid"]) == ("f-7d3e1a90b2c4", EVENTS[0].uid)


@pytest.mark.parametrize("options", [{}, {"version": "1.0"}, {"delimiter": "^"}, {"delimiter": "x1f"}])
@pytest.mark.parametrize("text", SHORT, ids=range(len(SHORT)))
def test_leef_shows_hostile_texts_and_has_no_key_more(text: str, options: dict[str, str]) -> None:
    apart = leef_format.DELIMITERS[options.get("delimiter", "x09")]
    for event in EVENTS:
        head, found = read_leef(format_named("leef").render(poisoned(event, text), options).decode())
        assert found["msg"] == visible(text).replace(apart, f"\\u{ord(apart):04x}")
        assert set(found) <= {key.name for key in leef_format.KEYS} | {"devTime", "devTimeFormat", "sev"}
        assert len(head) == 5
        assert head[:3] == [f"LEEF:{options.get('version', '2.0')}", "aimscope", "aimscope"]
        assert found["sev"] in {"1", "3", "5", "8", "10"}


def read_syslog(line: str) -> tuple[SyslogMessage, dict[str, str]]:
    message = SyslogMessage.parse(line)
    ((name, params),) = message.sd.items()
    assert name == "aimscope@32473"
    return message, {key: re.sub(r'\\([\\"\]])', r"\1", value) for key, value in params.items()}


def test_syslog_is_read_back() -> None:
    message, params = read_syslog(records("syslog")[0].decode())
    assert (message.severity.name, message.facility.name, message.appname) == ("err", "local0", "aimscope")
    assert (message.hostname, message.msgid) == ("aimscope.example.com", "ai.finding")
    assert message.timestamp == "2026-09-21T14:13:20.000Z"
    assert message.msg == EVENTS[0].message
    assert (params["finding.uid"], params["uid"]) == ("f-7d3e1a90b2c4", EVENTS[0].uid)
    assert params["finding.first"] == "2026-09-01T14:13:20.000Z"


@pytest.mark.parametrize("text", SHORT, ids=range(len(SHORT)))
def test_syslog_shows_hostile_texts_and_has_one_element(text: str) -> None:
    for event in (EVENTS[0], EVENTS[7], EVENTS[-1]):
        line = format_named("syslog").render(poisoned(event, text), {}).decode()
        params, said = read_structured(line)
        assert params["organisation"] == visible(text)
        assert said == visible(text)
        if not text.endswith("\\"):  # the parser's grammar takes an escaped backslash at the end for an escaped quote
            message, others = read_syslog(line)
            assert (message.msg, others, message.appname) == (said, params, "aimscope")


def read_structured(line: str) -> tuple[dict[str, str], str]:
    """The parameters of one element, and the message, by the grammar of RFC 5424, 6."""
    param = r' ([^= \]"\x00-\x20\x7f-\uffff]{1,32})="((?:[^"\\\]]|\\.)*)"'
    found = re.fullmatch(rf"<\d{{1,3}}>1(?: [!-~]+){{5}} \[aimscope@32473((?:{param})+)\] (.*)", line, re.DOTALL)
    assert found, line
    params = {name: re.sub(r'\\([\\"\]])', r"\1", value) for name, value in re.findall(param, found[1])}
    return params, found[4]


@pytest.mark.parametrize("name", ["cef", "leef", "ocsf", "ecs", "jsonl", "wazuh"])
def test_a_header_of_rfc_5424_stands_before_the_same_record(name: str) -> None:
    form = format_named(name)
    for event in EVENTS:
        message = SyslogMessage.parse(form.render(event, {"header": "rfc5424", "facility": "audit"}).decode())
        assert message.msg.encode() == form.render(event, {})
        assert (message.facility.name, message.msgid, message.sd) == ("audit", event.type, {})


def test_a_header_of_rfc_3164_has_the_time_in_utc() -> None:
    line = format_named("cef").render(EVENTS[0], {"header": "rfc3164"}).decode()
    assert line.startswith("<131>Sep 21 14:13:20 aimscope.example.com aimscope: CEF:0|aimscope|")


def test_the_number_of_the_organisation_and_the_byte_order_mark_can_be_told() -> None:
    line = format_named("syslog").render(EVENTS[0], {"pen": "4711", "bom": "yes"}).decode()
    assert " [aimscope@4711 " in line
    assert "] \ufeff37 people" in line


@pytest.mark.parametrize(
    ("collector", "name"),
    [
        ("a.example.com", "a.example.com"),
        ("::1", "::1"),
        ("{evil}", "evil"),
        ("a b|c:d", "a-b-c-d"),
        ("", "-"),
        ("💥", "-"),
    ],
)
def test_a_host_name_is_one_that_receivers_take(collector: str, name: str) -> None:
    """syslog-ng drops a message whose host name has a colon and is no address."""
    event = msgspec.structs.replace(EVENTS[0], collector=collector)
    for form, options in (("syslog", {}), ("cef", {"header": "rfc5424"})):
        assert format_named(form).render(event, options).decode().split(" ")[2] == name
