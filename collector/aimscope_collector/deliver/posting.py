"""One POST to an address that was looked at before it is connected to: no redirect, no proxy, no other address."""

from __future__ import annotations

import email.utils
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx
import msgspec

from aimscope_collector.deliver import Failure

Reach = Literal["public", "private", "loopback"]
"""How near a receiver may be; each includes those before it."""
Resolve = Callable[[str, int], Sequence[str]]

LONGEST_RETRY_AFTER: Final = 86_400
_SECONDS: Final = 10
_LARGEST_ANSWER: Final = 4 << 20
_NAT64: Final = ip_network("64:ff9b::/96")
_METADATA: Final = frozenset(map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
"""Where clouds tell a machine its own secrets."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver said. ``body`` only where it was asked for, and no more of it than is allowed."""

    status: int
    retry_after: int = 0
    body: bytes = b""

    @property
    def success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300


def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def address_of(host: str, port: int, reach: Reach, resolver: Resolve) -> str:
    """One address of a receiver, all of which are allowed: a name with one that is not is not trusted at all.

    Raises ``Failure``.
    """
    try:
        found = resolver(host, port)
    except (OSError, UnicodeError):
        raise Failure("the receiver's name is not known") from None
    if not found:
        raise Failure("the receiver's name has no address")
    for text in found:
        if not allowed(text, reach):
            raise Failure(f"the receiver's address is not one that webhooks may go to ({reach})")
    return found[0]


class Poster:
    """Posts to one URL. Raises ``ValueError`` for an address that cannot be one, ``OSError`` for a bad ``ca``.

    Plain HTTP is for a receiver on this machine (``loopback``) alone. ``ca`` is a file of certificates to trust instead
    of the system's.
    """

    def __init__(
        self,
        url: str,
        *,
        what: str,
        reach: Reach = "private",
        ca: str | None = None,
        resolver: Resolve = resolve,
        seconds: float = _SECONDS,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password:
            raise ValueError(f"a {what} is https://HOST/PATH, without a password in it")
        if parts.scheme == "http" and reach != "loopback":
            raise ValueError(f"a {what} needs https: only one on this machine may do without")
        self._url = httpx.URL(url)
        self.host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._reach: Reach = reach
        self._resolver = resolver
        self._seconds = seconds
        self._tls = ssl.create_default_context(cafile=ca)

    @property
    def path(self) -> str:
        """The URL's path."""
        return self._url.path

    def post(self, body: bytes, headers: Mapping[str, str], *, now: int, reads: bool = False) -> Answer:
        """Post once. Raises ``Failure`` where no answer comes; an answer that is no success is an answer."""
        address = address_of(self.host, self._port, self._reach, self._resolver)
        request = httpx.Request(
            "POST",
            self._url.copy_with(host=address),
            headers={"Host": self._url.netloc.decode("ascii"), "User-Agent": "aimscope", **headers},
            content=body,
            extensions={"sni_hostname": self.host, "timeout": httpx.Timeout(self._seconds).as_dict()},
        )
        try:
            with httpx.Client(verify=self._tls, trust_env=False, follow_redirects=False) as client:
                answer = client.send(request, stream=True)
                said = _read(answer) if reads else b""
                answer.close()
        except httpx.TimeoutException:
            raise Failure("the receiver did not answer in time") from None
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise Failure(f"the receiver cannot be reached ({type(error).__name__})") from None
        return Answer(
            status=answer.status_code, retry_after=_after(answer.headers.get("Retry-After", ""), now), body=said
        )


def _read(answer: httpx.Response) -> bytes:
    found = b""
    for chunk in answer.iter_bytes():
        found += chunk
        if len(found) > _LARGEST_ANSWER:
            raise Failure("the receiver's answer is too long")
    return found


def _after(said: str, now: int) -> int:
    """Seconds that ``Retry-After`` asks for, as a number or a date (RFC 9110, 10.2.3); 0 where it says nothing."""
    if said.isascii() and said.isdigit() and len(said) < 7:
        return min(int(said), LONGEST_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(said).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0
    return max(0, min(int(moment) - now, LONGEST_RETRY_AFTER))


def allowed(text: str, reach: Reach) -> bool:
    """Whether a receiver may be at an address. Link-local and metadata addresses are never allowed."""
    try:
        address = _meant(ip_address(text.split("%", 1)[0]))
    except ValueError:
        return False
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    if address.is_loopback:
        return reach == "loopback"
    if address.is_global:
        return True
    return address.is_private and not address.is_reserved and reach != "public"


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
