"""Requests to one collector: who it may be, and how much of an answer is read.

HTTPS, except on this machine itself. ``httpx`` and ``ssl`` are imported with the first request.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import ipaddress
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    import ssl

    import httpx

LARGEST_ANSWER: Final = 1 << 20
_LONGEST: Final = 300.0
"""Seconds an answer may take as a whole, however slowly it drips."""
_PATIENCE: Final = 30.0
_IDLE: Final = 30.0
_SQUEEZE_FROM: Final = 1_024


class Unreachable(Exception):
    """Nobody answered, or nobody who may be believed; the text says why."""


class ServerError(Exception):
    """The collector's address or a file that belongs to it cannot be used; the text says why."""


class Server(msgspec.Struct, frozen=True):
    """A collector, and what tells it from others."""

    url: str
    ca: str = ""
    """File of the certificates that may vouch for it, in place of the machine's own."""
    certificate: str = ""
    """File of this agent's certificate, where the collector asks for one; ``key`` is its key's."""
    key: str = ""
    pins: tuple[str, ...] = ()
    """SHA-256 of public keys (SPKI, hex) of which its certificate must have one, besides being vouched for."""
    proxy: str = ""
    """``http://…``; empty: as the environment says; ``none``."""


class Answer(msgspec.Struct, frozen=True):
    """Status, body and what the headers say."""

    status: int
    body: bytes = b""
    kind: str = ""
    """Content type without parameters."""
    retry_after: int | None = None
    """Seconds."""


class Transport(Protocol):
    """Makes requests."""

    def ask(
        self, method: str, path: str, *, body: bytes = b"", credential: str = "", largest: int = LARGEST_ANSWER
    ) -> Answer:
        """The answer, whatever its status. Raises ``Unreachable``."""


class Https:
    """A transport over HTTP. ``monotonic`` is a clock in seconds that never goes back."""

    def __init__(self, server: Server, *, monotonic: Callable[[], float], version: str = "") -> None:
        """Raises ``ServerError`` where the address is not one to be trusted with a secret."""
        self._server = server
        self._base, self._local = _checked(server.url)
        self._monotonic = monotonic
        self._agent = f"aimscope-agent/{version}" if version else "aimscope-agent"
        self._client: httpx.Client | None = None

    def ask(
        self, method: str, path: str, *, body: bytes = b"", credential: str = "", largest: int = LARGEST_ANSWER
    ) -> Answer:
        """Ask, follow no redirect, and read at most ``largest`` bytes. Raises ``Unreachable`` and ``ServerError``."""
        import ssl  # noqa: PLC0415 - with the first request
        import zlib  # noqa: PLC0415

        import httpx  # noqa: PLC0415

        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": self._agent}
        if credential:
            headers["Authorization"] = f"Bearer {credential}"
        if body:
            headers["Content-Type"] = "application/json"
        if len(body) >= _SQUEEZE_FROM:
            headers["Content-Encoding"] = "gzip"
            squeeze = zlib.compressobj(6, zlib.DEFLATED, 31)
            body = squeeze.compress(body) + squeeze.flush()
        until = self._monotonic() + _LONGEST
        try:
            client = self._opened()
            with client.stream(method, self._base + path, content=body or None, headers=headers) as response:
                data = bytearray()
                for piece in response.iter_raw(65_536):
                    data += piece
                    if len(data) > largest:
                        raise Unreachable(f"the answer is longer than {largest:,} bytes")
                    if self._monotonic() > until:
                        raise Unreachable("the answer takes too long")
                if response.headers.get("content-encoding", "identity").lower() != "identity":
                    raise Unreachable("the answer is compressed, which nobody asked for")
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                return Answer(response.status_code, bytes(data), kind, _seconds(response.headers))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, OSError) as error:
            self.close()
            raise Unreachable(_told(error)) from None

    def close(self) -> None:
        """Let go of connections. The next request opens its own."""
        if self._client is not None:
            client, self._client = self._client, None
            with contextlib.suppress(Exception):
                client.close()

    def _opened(self) -> httpx.Client:
        import httpx  # noqa: PLC0415

        if self._client is None:
            proxy = self._server.proxy
            try:
                self._client = httpx.Client(
                    verify=_context(self._server),
                    proxy=None if proxy in {"", "none"} else proxy,
                    trust_env=not self._local and proxy == "",
                    timeout=_PATIENCE,
                    limits=httpx.Limits(max_connections=2, keepalive_expiry=_IDLE),
                    follow_redirects=False,
                )
            except (ValueError, ImportError) as error:
                raise ServerError(f"the proxy cannot be used: {error}") from None
        return self._client


def _checked(url: str) -> tuple[str, bool]:
    """The address without a trailing slash, and whether it is this machine itself."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ServerError("the collector's address is no URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ServerError("the collector's address begins with https:// and names a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ServerError("the collector's address holds no user, password, query or fragment")
    local = _is_loopback(host)
    if parts.scheme == "http" and not local:
        raise ServerError("the collector must be reached by https://: only on this machine itself may it be http://")
    return url.rstrip("/"), local


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(server: Server) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415

    try:
        context = ssl.create_default_context(cafile=server.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if server.certificate:
            context.load_cert_chain(server.certificate, server.key or None, password=_no_password)
    except (OSError, ValueError) as error:
        raise ServerError(f"the certificates for the collector cannot be used: {_told(error)}") from None
    if server.pins:
        _pin(context, frozenset(pin.lower().replace(":", "") for pin in server.pins))
    return context


def _no_password() -> str:
    raise ValueError("the key asks for a password")


def _pin(context: ssl.SSLContext, pins: frozenset[str]) -> None:
    """Break off the handshake of whoever has another key: before any request is sent."""
    import ssl  # noqa: PLC0415

    def check(certificate: bytes | None) -> None:
        from cryptography import x509  # noqa: PLC0415 - only where a key is pinned
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

        public = x509.load_der_x509_certificate(certificate or b"").public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if hashlib.sha256(spki).hexdigest() not in pins:
            raise ssl.SSLError("the collector's key is not the one that is pinned")

    class PinnedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            check(self.getpeercert(binary_form=True))

    class PinnedObject(ssl.SSLObject):  # TLS through a proxy that is itself reached by TLS
        def do_handshake(self) -> None:
            super().do_handshake()
            check(self.getpeercert(binary_form=True))

    context.sslsocket_class = PinnedSocket
    context.sslobject_class = PinnedObject


def _seconds(headers: Any) -> int | None:
    """``Retry-After``: seconds, or a date as against the server's own."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        then = email.utils.parsedate_to_datetime(text)
        now = email.utils.parsedate_to_datetime(headers.get("date", ""))
        return max(0, int((then - now).total_seconds()))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _told(error: Exception) -> str:
    """What went wrong, in one line that holds no secret: such errors tell of addresses, names and certificates."""
    return json.dumps(str(error) or type(error).__name__)[1:-1][:300]
