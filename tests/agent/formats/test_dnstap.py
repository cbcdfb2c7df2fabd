"""dnstap: what BIND wrote, and what nobody should write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dnstap_pb  # type: ignore[import-untyped,unused-ignore]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.formats.dnstap import LARGEST, Dnstap, is_dnstap
from aimscope_signatures.model import Observation

RECORDED = (Path(__file__).parents[2] / "_data" / "formats" / "dnstap" / "sample.tap").read_bytes()
QUESTION = bytes.fromhex("000101000001000000000000") + b"\x06claude\x02ai\0\0\x41\0\1"


def read(data: bytes, size: int = 1 << 20) -> tuple[list[Observation], Dnstap]:
    tap = Dnstap()
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    return [each for block in blocks for each in tap.feed(block, "tap")], tap


def frame(**fields: Any) -> bytes:
    made = dnstap_pb.Dnstap(type=dnstap_pb.Dnstap.MESSAGE)
    for name, value in fields.items():
        if name == "policy":
            made.message.policy.action = value
        else:
            setattr(made.message, name, value)
    packed: bytes = made.SerializeToString()
    return len(packed).to_bytes(4, "big") + packed


def test_what_bind_wrote_is_told_once_for_each_question_and_alias() -> None:
    found, tap = read(RECORDED)
    assert is_dnstap(RECORDED[:64])
    assert [each.fields for each in found] == [
        {"name": "chatgpt.com", "type": "A", "client": "192.0.2.10"},
        {"name": "api.openai.com", "type": "AAAA", "client": "2001:db8::10"},
        {"name": "api.openai.com", "type": "HTTPS", "client": "2001:db8::10"},
        {"name": "alias.example.com", "type": "A", "client": "192.0.2.11"},
        {"name": "target.example.net", "asked": "alias.example.com", "type": "A", "client": "192.0.2.11"},
    ]
    assert {each.at for each in found} == {1_795_450_250}
    assert tap.counts.unreadable == 0


@given(st.integers(1, 5_000))
def test_blocks_may_have_any_size(size: int) -> None:
    assert read(RECORDED, size)[0] == read(RECORDED)[0]


@given(st.integers(0, len(RECORDED)))
def test_of_a_torn_file_whole_frames_are_read(end: int) -> None:
    whole = read(RECORDED)[0]
    found, tap = read(RECORDED[:end])
    assert found == whole[: len(found)]
    assert tap.counts.unreadable == 0


@given(st.binary(max_size=400))
def test_any_bytes_raise_nothing(data: bytes) -> None:
    read(data)
    read(RECORDED[:200] + data)


@pytest.mark.parametrize(("action", "blocked"), [(1, True), (2, True), (3, False), (4, True), (5, False), (6, True)])
def test_what_a_policy_refused_is_an_attempt(action: int, *, blocked: bool) -> None:
    answer = bytes.fromhex("000181830001000000000000") + QUESTION[12:]
    found, _ = read(
        frame(type=6, query_address=b"\xc0\0\2\7", response_message=answer, query_time_sec=7, policy=action)
    )
    fields = {"name": "claude.ai", "type": "HTTPS", "client": "192.0.2.7", "blocked": True}
    assert [(each.fields, each.at) for each in found] == ([(fields, 7)] if blocked else [])


def test_what_the_server_itself_asks_is_nobodys_question() -> None:
    assert not read(frame(type=3, query_address=b"\xc0\0\2\7", query_message=QUESTION))[0]
    assert read(frame(type=5, query_message=QUESTION))[0][0].fields == {"name": "claude.ai", "type": "HTTPS"}


def test_a_frame_too_large_is_passed_over_in_little_memory() -> None:
    large = (LARGEST + 1).to_bytes(4, "big") + b"x" * (LARGEST + 1)
    found, tap = read(large + frame(type=5, query_message=QUESTION), size=1_000)
    assert [each.fields["name"] for each in found] == ["claude.ai"]
    assert tap.counts.unreadable == 1


def test_text_is_no_dnstap() -> None:
    assert not is_dnstap(b"Nov 23 09:00:01 ns1 named[812]: ")
    assert not is_dnstap(b"\0\0\0\0\0\0\0\x1a\0\0\0\2")
