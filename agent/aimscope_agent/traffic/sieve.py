"""Which names are worth an observation: most of the world's are not, and finding that out must cost next to nothing."""

from __future__ import annotations

from typing import Final

from aimscope_agent.traffic.observations import observation
from aimscope_agent.traffic.seen import NameKind, Request, Seen
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.unknown import candidate

_REMEMBERED: Final = 16_384
_KIND_OF: Final[dict[NameKind, str]] = {
    "dns_qname": "dns.query",
    "dns_cname": "dns.query",
    "tls_sni": "tls.client_hello",
    "quic_sni": "tls.client_hello",
    "socks_host": "connection",
    "proxy_authority": "connection",
}


class Sieve:
    """Answers as the matcher would, name by name; remembers what it was asked about requests."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._find = matcher.hosts.find
        by_clause = {clause.kind for entry in matcher.catalogue for clause in entry.clauses if not clause.section}
        self._by_name = frozenset(name for name, kind in _KIND_OF.items() if kind not in by_clause)
        """Kinds of names where nothing but the name matters."""
        self.fingerprints = "tls.client_hello" in by_clause
        """Whether a signature may ask for fingerprints."""
        self._requests: dict[tuple[str, str, str], bool] = {}

    def wanted(self, kind: NameKind, name: str, path: str = "", user_agent: str = "", ja4: str = "") -> bool:
        """Whether something may come of it. Names on the local network are not asked of anybody."""
        if self._find(name):
            return kind not in {"mdns_qname", "llmnr_qname"}
        if kind in self._by_name or kind in {"mdns_qname", "llmnr_qname"}:
            return False
        if kind in _KIND_OF:
            return self._ask(Seen(kind, name, "", "", 0.0, ja4))
        key = (name, path, user_agent)
        known = self._requests.get(key)
        if known is None:
            if len(self._requests) >= _REMEMBERED:
                self._requests.clear()
            known = self._requests[key] = self._ask(Request(kind, name, "", "", 0.0, path=path, user_agent=user_agent))
        return known

    def _ask(self, seen: Seen) -> bool:
        made = observation(seen)
        if made is None:
            return False
        detections = self._matcher.match(made)
        return bool(detections) or candidate(made, detections) is not None
