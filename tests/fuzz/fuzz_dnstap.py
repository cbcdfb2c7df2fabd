"""dnstap: any stream, and any DNS message in a sound frame; in pieces it says what it says as a whole.

Run: `python tests/fuzz/fuzz_dnstap.py -max_total_time=600 [CORPUS]`, needs atheris and dnstap-pb.
"""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.formats import dnstap
    from aimscope_agent.logs.frames import TORN, frame_lines
    from aimscope_agent.protocols.dns_names import host_name

from dnstap_pb import Dnstap as Schema  # type: ignore[import-untyped,unused-ignore]

START = b"\0\0\0\0\0\0\0\x22\0\0\0\2\0\0\0\1\0\0\0\x16" + dnstap.CONTENT


def framed(data: bytes) -> bytes:
    """The input as the message of a frame; its first bytes say of which kind, and whose."""
    made = Schema(type=Schema.MESSAGE)
    made.message.type = data[0] % 14 + 1
    made.message.query_address = data[1:5]
    made.message.query_time_sec = data[5]
    field = "response_message" if made.message.type % 2 == 0 else "query_message"
    setattr(made.message, field, data[7:])
    if data[6] & 1:
        made.message.policy.action = data[6] % 6 + 1
    packed: bytes = made.SerializeToString()
    return START + len(packed).to_bytes(4, "big") + packed


def once(data: bytes) -> None:
    if len(data) > 8:
        data = (data, START + data, framed(data[1:]), framed(data[1:]) + data)[data[0] & 3]
    dnstap.is_dnstap(data[:64])
    whole, pieces = dnstap.Dnstap(), dnstap.Dnstap()
    found = list(whole.feed(data, "file"))
    for seen in found:
        assert seen.fields["name"] == host_name(str(seen.fields["name"]))
    step = len(data) % 37 + 1
    blocks = [data[at : at + step] for at in range(0, len(data), step)]
    assert found == [seen for block in blocks for seen in pieces.feed(block, "file")]
    assert whole.counts == pieces.counts
    lines = b"".join(frame_lines(blocks)).splitlines(keepends=True)
    assert len(lines) == len(found) + whole.counts.unreadable
    for line in lines:
        assert line == TORN or json.loads(line)["name"]


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
