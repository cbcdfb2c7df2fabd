"""Names of an organisation: lists of them, zone files, and chains of aliases followed within what is known. No I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.transaction
import dns.zonefile

from aimscope_signatures.model import Observation, Value
from aimscope_signatures.normalise import hostname

MOST_HOPS: Final = 16
MOST_NAMES: Final = 500_000
_DIRECTIVES = frozenset({"$ORIGIN", "$TTL"})
_TTL = 3_600
"""Assumed where a file states none: nobody here waits for it."""
_LOOKS_LIKE_ZONE = re.compile(
    r"^(?:\$[A-Za-z]+[ \t]|[^\s;#]*[ \t]+(?:\d\w*[ \t]+)?(?:IN[ \t]+)?(?:\d\w*[ \t]+)?"
    r"(?:SOA|NS|CNAME|A|AAAA|MX|TXT|PTR|SRV|HTTPS)[ \t])",
    re.MULTILINE | re.IGNORECASE,
)

Ending = Literal["end", "loop", "long", "elsewhere", "unanswered"]


class ZoneError(ValueError):
    """A zone file that cannot be read; the text names the line."""


class Chain(NamedTuple):
    """A name and what it is an alias of, in order.

    ``ending``: ``elsewhere`` where the next step could be told only by asking, ``unanswered`` where that failed.
    """

    name: str
    targets: tuple[str, ...] = ()
    ending: Ending = "end"

    @property
    def last(self) -> str:
        """The name the chain leads to, as far as it is known."""
        return self.targets[-1] if self.targets else self.name

    def then(self, target: str) -> Chain:
        """The chain with one more step, and its end if that step closes a loop or is one too many."""
        if target == self.name or target in self.targets:
            return self._replace(ending="loop")
        if len(self.targets) >= MOST_HOPS:
            return self._replace(ending="long")
        return self._replace(targets=(*self.targets, target))


class Zone(NamedTuple):
    """What a zone file says that matters here: every name with records, and the aliases among them."""

    names: tuple[str, ...]
    aliases: Mapping[str, str]
    origin: str = ""

    def chain(self, name: str) -> Chain:
        """Where a name leads to within the zone."""
        chain = Chain(name)
        while chain.ending == "end" and (target := self.aliases.get(chain.last)) is not None:
            chain = chain.then(target)
        known = chain.last == self.origin or chain.last.endswith("." + self.origin)
        return chain if chain.ending != "end" or known or not chain.targets else chain._replace(ending="elsewhere")


def is_zone(text: str) -> bool:
    """Whether a text is a zone file and not a list of names."""
    return _LOOKS_LIKE_ZONE.search(text[:65_536]) is not None


def listed(text: str) -> tuple[str, ...]:
    """The words of a list: one a line, ``#`` starts a comment. Each once."""
    words = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(dict.fromkeys(word for word in words if word))


def sorted_out(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Words of a list as host names, addresses, and what is neither."""
    names: dict[str, None] = {}
    addresses: dict[str, None] = {}
    neither: list[str] = []
    for word in words:
        try:
            addresses[str(ipaddress.ip_address(word))] = None
        except ValueError:
            name = hostname(word)
            if name and "*" not in name and not any(sign in word for sign in " /@?"):
                names[name] = None
            else:
                neither.append(word)
    return tuple(names), tuple(addresses), tuple(neither)


def zone(text: str, origin: str = "") -> Zone:
    """The names and aliases of a zone file (RFC 1035). Raises ``ZoneError`` with the line.

    ``$INCLUDE`` and ``$GENERATE`` are refused: the one reads other files, the other makes records without end.
    """
    try:
        found = _Collected(dns.name.from_text(origin) if origin else None)
        reader = dns.zonefile.Reader(
            _Lines(text, filename="line"),
            dns.rdataclass.IN,
            found,
            allow_directives=_DIRECTIVES,
            default_ttl=_TTL,
        )
        reader.read()
    except dns.zonefile.UnknownOrigin:
        raise ZoneError("names without a dot at their end, and no $ORIGIN: say --origin") from None
    except (dns.exception.DNSException, ValueError) as error:
        raise ZoneError(str(error).removeprefix("line:") or type(error).__name__) from None
    return Zone(tuple(found.names), found.aliases, found.origin)


class _Lines(dns.tokenizer.Tokenizer):
    """Says of an error in which line its record began, not how far the reader had come."""

    _began = 1

    def get(self, want_leading: bool = False, want_comment: bool = False) -> dns.tokenizer.Token:
        if want_leading:
            self._began = self.line_number
        return super().get(want_leading, want_comment)

    def where(self) -> tuple[str, int]:
        return self.filename, self._began


class _Nothing(dns.transaction.TransactionManager):
    """What a zone is read into where only its names matter."""

    def __init__(self, origin: dns.name.Name | None) -> None:
        self._origin = origin

    def origin_information(self) -> tuple[dns.name.Name | None, bool, dns.name.Name | None]:
        return self._origin, False, self._origin

    def get_class(self) -> dns.rdataclass.RdataClass:
        return dns.rdataclass.IN


class _Collected(dns.transaction.Transaction):
    """Keeps of each record its name, and of an alias where it leads to."""

    def __init__(self, origin: dns.name.Name | None) -> None:
        super().__init__(_Nothing(origin))
        self.names: dict[str, None] = {}
        self.aliases: dict[str, str] = {}
        self.origin = _text(origin) if origin is not None else ""

    def add(self, *args: Any) -> None:
        """Take one record: ``(name, ttl, rdata)``."""
        owner, _, data = args
        name = _text(owner)
        if not name:
            return
        if name not in self.names and len(self.names) >= MOST_NAMES:
            raise ZoneError(f"more than {MOST_NAMES:,} names")
        self.names[name] = None
        if data.rdtype == dns.rdatatype.SOA:
            self.origin = name
        if data.rdtype in {dns.rdatatype.CNAME, dns.rdatatype.DNAME} or getattr(data, "priority", 1) == 0:
            target = _text(getattr(data, "target", dns.name.root))
            if target:
                self.aliases[name] = target

    def _set_origin(self, origin: dns.name.Name) -> None:
        self.origin = self.origin or _text(origin)


def _text(name: dns.name.Name) -> str:
    return hostname(name.to_text(omit_final_dot=True))


def observations(chain: Chain, source: str, now: int, address: str = "") -> Iterator[Observation]:
    """A name, and every name it leads to, as ``dns.alias``. ``address``: whose reverse name it is."""
    for target in (chain.name, *chain.targets):
        fields: dict[str, Value] = {"name": chain.name, "target": target}
        if address:
            fields["address"] = address
        yield Observation("dns.alias", fields, source=source, at=now, asset=address)
