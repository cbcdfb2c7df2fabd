"""Names asked for and where they lead; dnspython is the oracle."""

from __future__ import annotations

from struct import pack

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.dns import Answer, Message, Question, alias_chain, message, over_tcp
from aimscope_agent.protocols.dns_names import host_name
from aimscope_agent.protocols.more import MORE

IN, QU = 1, 0x8001
labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=63)
names = st.lists(labels, min_size=1, max_size=8).map(".".join).filter(lambda name: len(name) <= 253)
kinds = st.sampled_from(["A", "AAAA", "HTTPS", "SVCB", "CNAME", "NS", "MX", "TXT", "PTR", "SRV", "SOA", "DNAME"])


def wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.split(".") if label) + b"\0"


def question(name: bytes, kind: int = 1, klass: int = IN) -> bytes:
    return name + pack(">HH", kind, klass)


def record(name: bytes, kind: int, body: bytes, ttl: int = 60, klass: int = IN) -> bytes:
    return name + pack(">HHIH", kind, klass, ttl, len(body)) + body


def packet(*parts: bytes, flags: int = 0x8180, counts: tuple[int, int, int, int] = (1, 0, 0, 0)) -> bytes:
    return pack(">HHHHHH", 7, flags, *counts) + b"".join(parts)


def read(data: bytes) -> Message | None:
    """Wherever it lies in a buffer, the same."""
    found = message(data, 0, len(data))
    assert message(b"\x01\0\xc0" + data + b"\0\x05", 3, 3 + len(data)) == found
    return found


def response(name: str, kind: str, *answers: str, edns: bool = True) -> bytes:
    """Each answer is ``owner ttl type value``."""
    query = dns.message.make_query(name, kind, use_edns=0 if edns else -1)
    reply = dns.message.make_response(query)
    for answer in answers:
        owner, ttl, rtype, value = answer.split(" ", 3)
        reply.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, value))
    return reply.to_wire()


def test_a_query() -> None:
    found = read(dns.message.make_query("API.OpenAI.com.", "AAAA", use_edns=False, id=513).to_wire())
    assert found == Message(513, False, 0, 0, False, (Question("api.openai.com", "AAAA", 1),))


def test_a_query_with_edns() -> None:
    found = read(dns.message.make_query("chatgpt.com.", "HTTPS", use_edns=0, want_dnssec=True).to_wire())
    assert found is not None
    assert found.edns
    assert found.questions == (Question("chatgpt.com", "HTTPS", 1),)


def test_a_type_without_a_name() -> None:
    found = read(packet(question(wire("example.com"), 666), flags=0x0100))
    assert found is not None
    assert found.questions[0].type == "TYPE666"


def test_answers_with_addresses_and_aliases() -> None:
    found = read(
        response(
            "Chat.Corp.example.",
            "A",
            "chat.corp.example. 300 CNAME corp.OpenAI.azure.com.",
            "corp.openai.azure.com. 60 A 192.0.2.7",
            "corp.openai.azure.com. 60 AAAA 2001:db8::1",
            'corp.openai.azure.com. 60 TXT "not kept"',
        )
    )
    assert found is not None
    assert found.response
    assert found.answers == (
        Answer("chat.corp.example", "CNAME", 300, "corp.openai.azure.com"),
        Answer("corp.openai.azure.com", "A", 60, "192.0.2.7"),
        Answer("corp.openai.azure.com", "AAAA", 60, "2001:db8::1"),
    )
    assert alias_chain(found) == ("corp.openai.azure.com",)


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("1 . alpn=h2,h3 ech=AAj+DQAEAAAAAA==", "crypto.example"),
        ("1 . alpn=h2,h3 ipv4hint=192.0.2.1", "crypto.example"),
        ("1 svc.example.net. ech=AAj+DQAEAAAAAA==", "svc.example.net"),
        ("0 svc.example.net.", "svc.example.net"),
        ("0 .", ""),
    ],
)
def test_service_records(value: str, target: str) -> None:
    for kind in ("HTTPS", "SVCB"):
        found = read(response("crypto.example.", kind, f"crypto.example. 60 {kind} {value}"))
        assert found is not None
        assert found.answers == (Answer("crypto.example", kind, 60, target),)


def test_a_torn_service_record_promises_nothing() -> None:
    body = b"\0\1\0\0\1\0\3\2h2\0\5\0\x08only"
    found = read(packet(question(wire("a.example"), 65), record(b"\xc0\x0c", 65, body), counts=(1, 1, 0, 0)))
    assert found is not None
    assert (found.truncated, found.answers) == (True, ())


def test_extended_rcode() -> None:
    reply = dns.message.make_response(dns.message.make_query("a.example.", "A", use_edns=0))
    reply.set_rcode(dns.rcode.BADVERS)
    found = read(reply.to_wire())
    assert found is not None
    assert found.rcode == 16


def test_a_truncated_answer_says_so() -> None:
    query = dns.message.make_query("a.example.", "TXT")
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.TC
    found = read(reply.to_wire())
    assert found is not None
    assert found.truncated
    whole = read(query.to_wire())
    assert whole is not None
    assert not whole.truncated


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_chain_of_aliases_in_any_order(order: tuple[int, ...]) -> None:
    links = ["a.example. 1 CNAME b.example.", "b.example. 1 CNAME c.example.", "c.example. 1 CNAME d.example."]
    found = read(response("a.example.", "A", *(links[index] for index in order), "d.example. 1 A 192.0.2.1"))
    assert found is not None
    assert alias_chain(found) == ("b.example", "c.example", "d.example")


def test_a_chain_that_bites_its_tail_ends() -> None:
    found = read(response("a.example.", "A", "a.example. 1 CNAME b.example.", "b.example. 1 CNAME a.example."))
    assert found is not None
    assert alias_chain(found) == ("b.example",)


def test_aliases_of_other_names_are_no_part_of_the_chain() -> None:
    found = read(response("a.example.", "A", "z.example. 1 CNAME api.openai.com.", "a.example. 1 A 192.0.2.1"))
    assert found is not None
    assert alias_chain(found) == ()


def test_a_moved_zone_moves_the_names_below_it() -> None:
    found = read(response("x.old.example.", "A", "old.example. 1 DNAME new.example.net."))
    assert found is not None
    assert found.answers == (Answer("old.example", "DNAME", 1, "new.example.net"),)
    assert alias_chain(found) == ("x.new.example.net",)
    itself = read(response("old.example.", "A", "old.example. 1 DNAME new.example.net."))
    assert itself is not None
    assert alias_chain(itself) == ()


def test_mdns() -> None:
    asked = packet(question(wire("printer.local"), 1, QU), question(b"\xc0\x14", 255), flags=0, counts=(2, 0, 0, 0))
    found = read(asked)
    assert found is not None
    assert found.questions == (Question("printer.local", "A", 1, unicast=True), Question("local", "ANY", 1))
    told = packet(record(wire("printer.local"), 1, b"\xc0\0\2\7", 120, QU), flags=0x8400, counts=(0, 1, 0, 0))
    answer = read(told)
    assert answer is not None
    assert answer.questions == ()
    assert answer.answers == (Answer("printer.local", "A", 120, "192.0.2.7"),)
    assert read(told[:-1]) is None  # nothing but torn records: no reason to believe it is DNS


def test_a_bare_refusal() -> None:
    assert read(packet(flags=0x8005, counts=(0, 0, 0, 0))) == Message(7, True, 0, 5, False, ())
    assert read(packet(flags=0x0100, counts=(0, 0, 0, 0))) is None


@pytest.mark.parametrize(
    "name",
    [
        b"\5Hi yo\5local\0",
        b"\3a.b\7example\0",
        b"\4api\0\7example\0",
        b"\2\xc3\xa4\2de\0",
        b"\1*\7example\0",
        b"\0",
        b"\3a\x1b[\3com\0",
    ],
)
def test_a_name_that_is_no_host_name_is_empty(name: bytes) -> None:
    found = read(packet(question(name), flags=0x0100))
    assert found is not None
    assert found.questions == (Question("", "A", 1),)


@pytest.mark.parametrize(
    "name", ["_dmarc.example.com", "xn--bcher-kva.example", "a-.example", "r3---sn-1.example", "x"]
)
def test_names_in_use(name: str) -> None:
    found = read(packet(question(wire(name)), flags=0x0100))
    assert found is not None
    assert found.questions[0].name == name


LONG = ".".join(["a" * 63, "b" * 63, "c" * 63])


def test_the_longest_name_and_one_more() -> None:
    for size, whole in ((61, True), (62, False)):
        found = read(packet(question(wire(f"{LONG}.{'d' * size}")), flags=0x0100))
        assert (found is not None) == whole
        if found is not None:
            assert found.questions[0].name == f"{LONG}.{'d' * size}"


def test_a_name_too_long_by_compression_is_not_cut() -> None:
    owner = b"\x3f" + b"z" * 63 + b"\xc0\x0c"
    found = read(packet(question(wire(LONG)), record(owner, 1, b"\1\2\3\4"), counts=(1, 1, 0, 0)))
    assert found is not None
    assert (found.truncated, found.answers) == (True, ())


@pytest.mark.parametrize(
    "owner",
    [
        b"\xc0\x1f",  # to itself
        b"\xc0\x21",  # forward
        b"\xff\xff",  # out of the message
        b"\xc0\x00",  # into the header
        b"\xc0\x04",
        b"\1a\xc0\x1f",  # a loop with a label
        b"\x80\x0c",
        b"\x40",
    ],
)
def test_pointers_that_lead_nowhere(owner: bytes) -> None:
    asked = question(wire("api.openai.com"))
    data = packet(asked, record(owner, 1, b"\1\2\3\4"), counts=(1, 1, 0, 0))
    assert len(packet(asked)) == 0x20
    found = message(data, 0, len(data))
    assert found is not None
    assert [question.name for question in found.questions] == ["api.openai.com"]
    assert (found.truncated, found.answers) == (True, ())


@pytest.mark.parametrize(("hops", "followed"), [(100, True), (127, False), (400, False)])
def test_a_chain_of_pointers_is_followed_only_so_far(hops: int, followed: bool) -> None:
    asked = question(wire("a.example"))
    base = 12 + len(asked) + 1 + 10
    chain = b"\1b\0" + pack(">H", 0xC000 | base)
    chain += b"".join(pack(">H", 0xC000 | (base + 3 + 2 * hop)) for hop in range(hops - 1))
    last = record(pack(">H", 0xC000 | (base + 3 + 2 * (hops - 1))), 1, b"\1\2\3\4")
    found = read(packet(asked, record(b"\0", 16, chain), last, counts=(1, 2, 0, 0)))
    assert found is not None
    assert found.answers == ((Answer("b", "A", 60, "1.2.3.4"),) if followed else ())
    assert found.truncated != followed


def test_counts_that_lie() -> None:
    asked = question(wire("api.openai.com"))
    assert read(packet(asked, flags=0x0100, counts=(65_535, 0, 0, 0))) is None
    assert read(packet(asked, flags=0x0100, counts=(2, 0, 0, 0))) is None
    for counts in ((1, 65_535, 0, 0), (1, 0, 65_535, 0), (1, 0, 0, 65_535)):
        found = read(packet(asked, counts=counts))
        assert found is not None
        assert found.truncated
        assert not found.answers


def test_an_endless_answer_is_cut() -> None:
    one = record(b"\xc0\x0c", 1, b"\1\2\3\4")
    found = read(packet(question(wire("a.example")), one * 4_000, counts=(1, 4_000, 0, 0)))
    assert found is not None
    assert found.truncated
    assert len(found.answers) == 256


def test_an_address_of_the_wrong_size_is_none() -> None:
    for kind, body in ((1, b"\1\2\3"), (1, b"\1\2\3\4\5"), (28, b"\1\2\3\4")):
        found = read(packet(question(wire("a.example")), record(b"\xc0\x0c", kind, body), counts=(1, 1, 0, 0)))
        assert found is not None
        assert (found.truncated, found.answers) == (True, ())


def test_records_of_other_classes_lead_nowhere() -> None:
    chaos = record(b"\xc0\x0c", 1, b"\1\2\3\4", klass=3)
    found = read(packet(question(wire("a.example")), chaos, counts=(1, 1, 0, 0)))
    assert found is not None
    assert (found.truncated, found.answers) == (False, ())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(12),
        bytes(64),
        b"\xff" * 64,
        b"GET / HTTP/1.1\r\nHost: api.openai.com\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n" * 3,
        b"\x80\0\0\0" * 16,
        bytes.fromhex("c3000000010811223344556677880000449e") + bytes(40),  # QUIC
        bytes.fromhex("000100002112a442") + bytes(range(12)),  # STUN
        bytes.fromhex("170000002a0a0b0c") + bytes(48),  # NTP
        packet(question(wire("a.example"), 0), flags=0x0100),
        packet(question(wire("a.example"), 1, 7), flags=0x0100),
        packet(question(wire("a.example")), flags=0x0103),  # a query with an error
        packet(question(wire("a.example")), flags=0x7900),
        packet(wire("a.example") + b"\0\1\0", flags=0x0100),
        packet(question(b"\xc0\x0c"), flags=0x0100),
    ],
)
def test_what_is_no_dns(data: bytes) -> None:
    assert read(data) is None


def test_over_tcp() -> None:
    whole = b""
    for number, name in enumerate(["a.example.", "api.openai.com.", "c.example."]):
        data = dns.message.make_query(name, "A", id=number).to_wire()
        whole += pack(">H", len(data)) + data
    found, at = [], 0
    while isinstance(read := over_tcp(whole, at, len(whole)), tuple):
        found.append(read[0].questions[0].name)
        at = read[1]
    assert (found, at) == (["a.example", "api.openai.com", "c.example"], len(whole))
    first = 2 + whole[1]
    for cut in range(first):
        assert over_tcp(whole, 0, cut) is MORE
    assert over_tcp(b"\x16\x03\x01\x02" + bytes(200), 0, 204) is None
    assert over_tcp(b"\0\4abcd", 0, 6) is None


def test_over_tcp_what_cannot_become_a_message_is_not_waited_for() -> None:
    assert over_tcp(b"GET / HTTP/1.1\r\nHost: a\r\n", 0, 25) is None
    assert over_tcp(b"SSH-2.0-OpenSSH_9.6\r\n", 0, 21) is None


@given(names, kinds, st.booleans())
def test_every_query_of_dnspython(name: str, kind: str, edns: bool) -> None:
    data = dns.message.make_query(f"{name}.", kind, use_edns=0 if edns else False).to_wire()
    found = read(data)
    assert found is not None
    assert found.questions == (Question(name, kind, 1),)
    assert found.edns == edns
    assert not found.truncated


values = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str).filter(lambda text: not text.startswith("::ffff:"))),
    st.tuples(st.just("CNAME"), names),
    st.tuples(st.just("DNAME"), names),
)


@given(names, st.lists(st.tuples(names, st.integers(0, 2**31 - 1), values), max_size=6), st.integers(0, 400))
def test_every_answer_of_dnspython(name: str, answers: list[tuple[str, int, tuple[str, str]]], cut: int) -> None:
    reply = dns.message.make_response(dns.message.make_query(f"{name}.", "A", use_edns=0))
    for owner, ttl, (kind, value) in answers:
        text = f"{value}." if "NAME" in kind else value
        reply.answer.append(dns.rrset.from_text(f"{owner}.", ttl, "IN", kind, text))
    data = reply.to_wire(max_size=65_535)
    expected = tuple(Answer(owner, kind, ttl, value) for owner, ttl, (kind, value) in answers)
    found = read(data)
    assert found is not None
    assert (found.answers, found.truncated, found.edns) == (expected, False, True)
    torn = message(data, 0, max(0, len(data) - cut))
    if torn is not None:
        assert torn.questions == found.questions
        assert torn.answers == expected[: len(torn.answers)]
        assert torn.truncated == (cut > 0)


@given(st.binary(max_size=300), st.integers(0, 3))
def test_any_bytes(data: bytes, start: int) -> None:
    prefix = packet(question(wire("api.openai.com")), counts=(1, 2, 1, 1))
    for whole in (data, prefix + data, packet(data), packet(data, counts=(3, 1, 0, 0))):
        found = message(whole, start, len(whole))
        if found is not None:
            shown = [*(question.name for question in found.questions), *(answer.name for answer in found.answers)]
            assert all(name == host_name(name) for name in [*shown, *alias_chain(found)])
        over_tcp(whole, start, len(whole))
