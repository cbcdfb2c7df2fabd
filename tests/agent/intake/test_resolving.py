"""The resolver: chains asked one step at a time of a server of our own, loops, silence, lies."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from aimscope_agent.intake.resolving import Resolver, ResolverError, Server, server
from aimscope_agent.servers.names import MOST_HOPS, Chain


@contextlib.contextmanager
def nameserver(aliases: Mapping[str, str], *, mute: bool = False, wrong_id: bool = False) -> Iterator[Server]:
    """A name server that knows some aliases and reverse names, and says NXDOMAIN of the rest."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                data, client = listening.recvfrom(4_096)
            except OSError:
                return
            if not data:
                return
            if mute:
                continue
            query = dns.message.from_wire(data)
            (question,) = query.question
            reply = dns.message.make_response(query)
            target = aliases.get(question.name.to_text(omit_final_dot=True))
            if target is None:
                reply.set_rcode(dns.rcode.NXDOMAIN)
            else:
                reply.answer.append(
                    dns.rrset.from_text(question.name, 60, "IN", dns.rdatatype.to_text(question.rdtype), target + ".")
                )
            if wrong_id:
                reply.id ^= 1
            listening.sendto(reply.to_wire(), client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Server("127.0.0.1", port)
    finally:
        with contextlib.suppress(OSError):
            listening.sendto(b"", ("127.0.0.1", port))
        thread.join(5)
        listening.close()


def chain(at: Server, name: str, seconds: float = 2.0) -> Chain:
    async def main() -> Chain:
        return await Resolver([at], seconds).chain(Chain(name))

    return asyncio.run(main())


def test_a_chain_is_followed_to_its_end() -> None:
    aliases = {"chat.corp.example": "llm.corp.example", "llm.corp.example": "corp.openai.azure.com"}
    with nameserver(aliases) as at:
        found = chain(at, "chat.corp.example")
    assert found == Chain("chat.corp.example", ("llm.corp.example", "corp.openai.azure.com"))


def test_an_unknown_name_has_no_chain() -> None:
    with nameserver({}) as at:
        assert chain(at, "chat.corp.example") == Chain("chat.corp.example")


def test_a_loop_and_a_chain_without_end() -> None:
    with nameserver({"a.example": "b.example", "b.example": "a.example"}) as at:
        assert chain(at, "a.example").ending == "loop"
    with nameserver({f"n{number}.example": f"n{number + 1}.example" for number in range(100)}) as at:
        found = chain(at, "n0.example")
    assert found.ending == "long"
    assert len(found.targets) == MOST_HOPS


@pytest.mark.parametrize("how", [{"mute": True}, {"wrong_id": True}])
def test_who_does_not_answer_is_told(how: dict[str, bool]) -> None:
    with nameserver({"a.example": "b.example"}, **how) as at:
        assert chain(at, "a.example", seconds=0.1) == Chain("a.example", (), "unanswered")


def test_a_chain_begun_in_a_zone_goes_on() -> None:
    with nameserver({"b.example": "c.example"}) as at:

        async def main() -> Chain:
            return await Resolver([at]).chain(Chain("a.corp.example", ("b.example",), "elsewhere"))

        assert asyncio.run(main()).targets == ("b.example", "c.example")


def test_reverse_names() -> None:
    with nameserver({"7.0.0.10.in-addr.arpa": "GPU-01.corp.example"}) as at:

        async def main() -> tuple[tuple[str, ...] | None, str, str]:
            resolver = Resolver([at])
            return await resolver.reverse("10.0.0.7"), await resolver.named("10.0.0.7"), await resolver.named("fd00::1")

        assert asyncio.run(main()) == (("gpu-01.corp.example",), "gpu-01.corp.example", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.53", Server("10.0.0.53")),
        ("10.0.0.53:5353", Server("10.0.0.53", 5353)),
        ("127.0.0.1#5335", Server("127.0.0.1", 5335)),
        ("fd00::53", Server("fd00::53")),
        ("[fd00::53]:5353", Server("fd00::53", 5353)),
    ],
)
def test_a_resolver_as_people_write_it(text: str, expected: Server) -> None:
    assert server(text) == expected


@pytest.mark.parametrize(
    "text", ["", "resolver.corp.example", "10.0.0.53:0", "10.0.0.53:99999", "https://1.1.1.1/dns-query"]
)
def test_what_is_no_resolver(text: str) -> None:
    with pytest.raises(ResolverError):
        server(text)
