"""Webhooks: one POST for an event, signed, to an address that was looked at before it is connected to."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx

from aimscope_collector.deliver import Failure
from aimscope_collector.store.outbox import Item

Reach = Literal["public", "private", "loopback"]
"""How near a receiver may be; each includes those before it."""

SIGNATURE: Final = "Aimscope-Signature"
TIMESTAMP: Final = "Aimscope-Timestamp"
EVENT: Final = "Aimscope-Event"
TOLERANCE: Final = 300
_SECONDS: Final = 10
_NAT64: Final = ip_network("64:ff9b::/96")
_METADATA: Final = frozenset(map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
"""Where clouds tell a machine its own secrets."""


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """``v1=`` and the HMAC-SHA256 of timestamp, a dot, and the body."""
    return "v1=" + hmac.digest(secret, f"{timestamp}.".encode() + body, "sha256").hex()


def signed(secret: bytes, timestamp: str, body: bytes, signature: str, *, now: int) -> bool:
    """What a receiver checks: that the body is ours, and was sent just now."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp[:16])) > TOLERANCE:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp[:16]), body).encode(), signature.encode("utf-8", "replace"))


def _resolve(host: str, port: int) -> Sequence[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Webhook:
    """One receiver. Follows no redirect, uses no proxy, and connects only to the addresses it has checked.

    Plain HTTP is for a receiver on this machine (``loopback``) alone. ``ca`` is a file of certificates to trust instead
    of the system's. Raises ``ValueError`` for an address that cannot be one.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        *,
        reach: Reach = "private",
        ca: str | None = None,
        resolve: Callable[[str, int], Sequence[str]] = _resolve,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password:
            raise ValueError("a webhook is https://HOST/PATH, without a password in it")
        if parts.scheme == "http" and reach != "loopback":
            raise ValueError("a webhook needs https: only one on this machine may do without")
        if len(secret) < 16:
            raise ValueError("a webhook's secret has at least 16 bytes")
        self._url = httpx.URL(url)
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._secret = secret
        self._reach = reach
        self._resolve = resolve
        self._tls = ssl.create_default_context(cafile=ca)

    def __repr__(self) -> str:
        """Without path, query and secret: receivers put tokens there."""
        return f"Webhook({self._host})"

    def send(self, item: Item, *, now: int) -> None:
        """Post the event. Raises ``Failure`` unless the receiver answers with success."""
        body = item.payload.encode()
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "aimscope",
            EVENT: item.event,
            TIMESTAMP: str(now),
            SIGNATURE: sign(self._secret, now, body),
        }
        address = self._address()
        request = httpx.Request(
            "POST",
            self._url.copy_with(host=address),
            headers=headers,
            content=body,
            extensions={"sni_hostname": self._host, "timeout": httpx.Timeout(_SECONDS).as_dict()},
        )
        try:
            with httpx.Client(verify=self._tls, trust_env=False, follow_redirects=False) as client:
                answer = client.send(request, stream=True)
                answer.close()  # nothing it says is read
        except httpx.TimeoutException:
            raise Failure("the receiver did not answer in time") from None
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise Failure(f"the receiver cannot be reached ({type(error).__name__})") from None
        if not answer.is_success:
            said = answer.headers.get("Retry-After", "")
            after = int(said) if said.isascii() and said.isdigit() and len(said) < 7 else 0
            raise Failure(f"the receiver answered {answer.status_code}", retry_after=after)

    def _address(self) -> str:
        """One address of the receiver, all of which are allowed: a name with one that is not is not trusted at all."""
        try:
            found = self._resolve(self._host, self._port)
        except (OSError, UnicodeError):
            raise Failure("the receiver's name is not known") from None
        if not found:
            raise Failure("the receiver's name has no address")
        for text in found:
            if not allowed(text, self._reach):
                raise Failure(f"the receiver's address is not one that webhooks may go to ({self._reach})")
        return found[0]


def allowed(text: str, reach: Reach) -> bool:
    """Whether a webhook may go to an address. Link-local and metadata addresses are never allowed."""
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


def fingerprint(secret: bytes) -> str:
    """What may be shown of a secret, to tell two apart."""
    return hashlib.sha256(secret).hexdigest()[:8]
