"""Questions to a resolver: where a name is an alias to, and what an address is called in reverse."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.reversename

from aimscope_agent.servers.names import Chain
from aimscope_signatures.normalise import hostname

SECONDS: Final = 2.0
"""For one question to one resolver."""
AT_ONCE: Final = 64
_TRIES = 2
_MOST_SERVERS = 3
_WITH_PORT = re.compile(r"\[(?P<six>[0-9a-fA-F:.]+)\]:(?P<sixport>\d{1,5})|(?P<four>[\d.]+)[:#](?P<fourport>\d{1,5})")


class ResolverError(ValueError):
    """No resolver to ask; the text says what to do."""


class Server(NamedTuple):
    """A resolver."""

    address: str
    port: int = 53


def server(text: str) -> Server:
    """A resolver as people write it: ``10.0.0.53``, ``10.0.0.53:5353``, ``[fd00::53]:5353``."""
    found = _WITH_PORT.fullmatch(text.strip())
    address = (found["six"] or found["four"]) if found else text.strip()
    port = int(found["sixport"] or found["fourport"]) if found else 53
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ResolverError(f"{text!r} is no address of a resolver") from None
    if not 1 <= port <= 65_535:
        raise ResolverError(f"{text!r}: {port} is no port")
    return Server(address, port)


def configured() -> tuple[Server, ...]:
    """The resolvers this machine uses. Raises ``ResolverError`` if it names none."""
    try:
        found = dns.resolver.Resolver().nameservers
    except (dns.exception.DNSException, OSError):
        found = []
    servers = tuple(Server(str(each)) for each in found if _is_address(str(each)))[:_MOST_SERVERS]
    if not servers:
        raise ResolverError("this machine names no resolver: say --resolver ADDRESS")
    return servers


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Resolver:
    """Asks one step at a time, so that a chain is seen whole whatever the resolver would leave out."""

    def __init__(self, servers: Sequence[Server], seconds: float = SECONDS) -> None:
        self._servers = servers
        self._seconds = seconds
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.counts: Counter[str] = Counter()

    async def chain(self, start: Chain) -> Chain:
        """The chain from where it stands on, as the resolver tells it."""
        chain = start._replace(ending="end")
        while chain.ending == "end":
            try:
                found = await self._ask(dns.name.from_text(chain.last), dns.rdatatype.CNAME)
            except dns.exception.DNSException:
                found = None
            if found is None:
                return chain._replace(ending="unanswered")
            if not found:
                return chain
            chain = chain.then(found[0])
        return chain

    async def reverse(self, address: str) -> tuple[str, ...] | None:
        """The reverse names of an address; ``None`` if nobody answers."""
        return await self._ask(dns.reversename.from_address(address), dns.rdatatype.PTR)

    async def named(self, address: str) -> str:
        """The first reverse name, empty if there is none."""
        found = await self.reverse(address)
        return found[0] if found else ""

    async def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> tuple[str, ...] | None:
        """The targets of the name's records of one type; ``None`` where no resolver answers."""
        async with self._slots:
            for attempt in range(_TRIES * len(self._servers)):
                place = self._servers[attempt % len(self._servers)]
                self.counts["questions"] += 1
                query = dns.message.make_query(name, kind)
                try:
                    reply, _ = await dns.asyncquery.udp_with_fallback(
                        query, place.address, timeout=self._seconds, port=place.port
                    )
                except (dns.exception.DNSException, OSError, EOFError, ValueError):
                    continue
                if reply.rcode() == dns.rcode.NXDOMAIN:
                    self.counts["unknown"] += 1
                    return _targets(reply, name, kind)
                if reply.rcode() == dns.rcode.NOERROR:
                    return _targets(reply, name, kind)
            return None


def _targets(reply: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> tuple[str, ...]:
    """What the answer's records of this very name point at; reverse names also by way of an alias (RFC 2317)."""
    found = (
        hostname(record.target.to_text(omit_final_dot=True))
        for records in reply.answer
        if records.rdtype == kind and (records.name == name or kind == dns.rdatatype.PTR)
        for record in records
    )
    return tuple(dict.fromkeys(target for target in found if target))
