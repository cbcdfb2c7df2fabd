"""What becomes of a name: it is counted, shown to whoever asked for names, and observed where it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from aimscope_agent.protocols.ja4 import ja4
from aimscope_agent.protocols.tls_hello import ClientHello
from aimscope_agent.traffic.blind import BlindSpots
from aimscope_agent.traffic.observations import connection, observation
from aimscope_agent.traffic.resolved import Resolved
from aimscope_agent.traffic.resolvers import ADDRESSES, FRONTS, RELAYS, is_resolver
from aimscope_agent.traffic.seen import Asked, NameKind, Request, Seen
from aimscope_signatures.model import Observation

MOST_CLIENTS: Final = 65_536
"""Clients told apart when they are counted."""
_DNS_OVER_TLS: Final = 853


class Wanted(Protocol):
    """Says which names are worth an observation."""

    fingerprints: bool
    """Whether that may depend on JA4."""

    def wanted(self, kind: NameKind, name: str, path: str = "", user_agent: str = "", ja4: str = "") -> bool:
        """Whether something may come of a name."""


class Names:
    """Where every name goes."""

    def __init__(
        self,
        observe: Callable[[Observation], None],
        sieve: Wanted,
        seen: Callable[[Seen], None] | None = None,
        found: Callable[[Seen], None] | None = None,
    ) -> None:
        self.count = 0
        self.clients: set[str] = set()
        self.decoys = 0
        """Hellos with an encrypted one inside and no known front: most browsers pretend (GREASE), nobody can tell."""
        self.blind = BlindSpots()
        self.resolved = Resolved()
        self.source = ""
        """The capture or interface that is being read."""
        self._observe = observe
        self._wanted = sieve.wanted
        self._fingerprints = sieve.fingerprints or seen is not None
        self._seen = seen
        self._found = found

    def tell(self, seen: Seen) -> Seen | None:
        """A name that is complete. What is returned is worth an observation."""
        self._meet(seen.client)
        if self._seen is not None:
            self._seen(seen)
        if type(seen) is Request:
            wanted = self._wanted(seen.kind, seen.name, seen.path, seen.user_agent)
        else:
            wanted = self._wanted(seen.kind, seen.name, "", "", seen.ja4)
        if not wanted:
            return None
        if self._found is not None:
            self._found(seen)
        return seen

    def question(self, kind: NameKind, name: str, client: str, server: str, at: float, type_: str) -> None:
        """A name asked of a resolver, or of neighbours."""
        if self._seen is not None or self._wanted(kind, name):
            seen = self.tell(Seen(kind, name, client, server, at, type=type_))
            if seen is not None:
                self.observe(seen)
        else:
            self._meet(client)

    def alias(self, name: str, asked: str, client: str, server: str, at: float, type_: str) -> None:
        """A name that the answer to a question led to."""
        seen = self.tell(Seen("dns_cname", name, client, server, at, asked=asked, type=type_))
        if seen is not None:
            self.observe(seen)

    def request(
        self,
        kind: NameKind,
        name: str,
        client: str,
        server: str,
        at: float,
        method: str,
        path: str,
        user_agent: str,
        port: int,
    ) -> Seen | None:
        """A name asked for in clear. What is returned is worth an observation, once its volume is known."""
        seen: Seen
        if kind in {"socks_host", "proxy_authority"}:
            seen = Asked(kind, name, client, server, at, method=method, port=port)
        else:
            seen = Request(kind, name, client, server, at, method=method, path=path, user_agent=user_agent)
        return self.tell(seen)

    def hello(
        self, hello: ClientHello, client: str, server: str, port: int, at: float, *, quic: bool = False
    ) -> Seen | None:
        """The name a hello asks for, if it is worth an observation. What hides names is noted."""
        name = hello.server_name
        self._note(hello, client, server, port, at, quic=quic)
        if not name:
            return None
        kind: NameKind = "quic_sni" if quic else "tls_sni"
        if self._fingerprints or self._wanted(kind, name):
            return self.tell(Seen(kind, name, client, server, at, ja4(hello, quic=quic)))
        self._meet(client)
        return None

    def observe(
        self, seen: Seen, bytes_out: int | None = None, bytes_in: int | None = None, source: str | None = None
    ) -> None:
        """Hand on what a name says, with what is known of its volume. ``source`` is the capture that showed it."""
        made = observation(seen, self.source if source is None else source, bytes_out, bytes_in)
        if made is not None:
            self._observe(made)

    def connection(
        self,
        host: str,
        client: str,
        server: str,
        port: int,
        at: float,
        bytes_out: int | None = None,
        bytes_in: int | None = None,
        source: str | None = None,
    ) -> None:
        """A connection that names nobody, to where the client's DNS answer for ``host`` led."""
        source = self.source if source is None else source
        self._observe(connection(host, client, server, port, at, source, bytes_out, bytes_in))

    def led_to(self, client: str, server: str, at: float) -> str:
        """The name that led this client there, if a connection to it is worth an observation."""
        answer = self.resolved.answer(client, server, at)
        return answer.name if answer is not None and answer.wanted else ""

    def worth(self, names: tuple[str, ...]) -> tuple[str, bool]:
        """Of a name and what its aliases led to: the first that is worth an observation, else the name itself."""
        for name in names:
            if self._wanted("socks_host", name):
                return name, True
        return names[0], False

    def _note(self, hello: ClientHello, client: str, server: str, port: int, at: float, *, quic: bool) -> None:
        name = hello.server_name
        if port == _DNS_OVER_TLS:
            self.blind.note("doq" if quic else "dot", client)
        elif is_resolver(name):
            self.blind.note("doh", client)
        elif name in RELAYS:
            self.blind.note("relay", client)
        elif not name:
            if server in ADDRESSES:
                self.blind.note("doh", client)
            elif self.resolved.answer(client, server, at) is None:
                self.blind.note("nameless", client)
        if hello.ech == "outer":
            if name in FRONTS:
                self.blind.note("ech", client)
            else:
                self.decoys += 1

    def _meet(self, client: str) -> None:
        self.count += 1
        if len(self.clients) < MOST_CLIENTS:
            self.clients.add(client)


def hides(hello: ClientHello) -> bool:
    """Whether the name that the client wants is not the one that shows."""
    return not hello.server_name or (hello.ech == "outer" and hello.server_name in FRONTS)
