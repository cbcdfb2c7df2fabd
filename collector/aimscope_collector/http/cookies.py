"""The cookie that holds a session's secret, and whether a request comes from a page of ours.

Over TLS its name begins with ``__Host-``: a browser takes such a cookie only with ``Secure`` and ``Path=/`` and without
a domain, so that no neighbour under the same domain can plant one (RFC 6265bis, 4.1.3.2). Plain HTTP is answered on
loopback alone, where not every browser keeps a ``Secure`` cookie: there the cookie goes without both.

``SameSite`` is Lax: with Strict, whoever comes from a link in a mail, or back from logging in elsewhere, would look
like somebody who is not logged in. What changes something is never a GET, and needs a token and the same origin too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from litestar.datastructures import Cookie

_SECURE: Final = "__Host-aimscope"
_PLAIN: Final = "aimscope"
SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_LONGEST: Final = 128


def is_secure(scheme: object) -> bool:
    """Whether the request came over TLS, as the server or the proxy before it says."""
    return scheme in ("https", "wss")


def named(scheme: object, what: str = "") -> str:
    """The cookie's name; ``what`` for another one than the session's."""
    return (_SECURE if is_secure(scheme) else _PLAIN) + (f"-{what}" if what else "")


def secret_of(cookies: Mapping[str, str], scheme: object, what: str = "") -> str:
    """The secret a browser sent; empty where there is none that could be one."""
    found = cookies.get(named(scheme, what), "")
    return found if len(found) <= _LONGEST else ""


def holding(secret: str, scheme: object, what: str = "", seconds: int | None = None) -> Cookie:
    """The cookie. Without ``seconds`` it goes when the browser ends."""
    return Cookie(
        key=named(scheme, what),
        value=secret,
        path="/",
        max_age=seconds,
        secure=is_secure(scheme),
        httponly=True,
        samesite="lax",
    )


def gone(scheme: object, what: str = "") -> Cookie:
    """The cookie's end."""
    return holding("", scheme, what, seconds=0)


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of this very origin sent the request; ``headers`` by lower-case name.

    ``Sec-Fetch-Site`` cannot be set by a page (Fetch Metadata); older browsers send ``Origin`` with every POST. One
    that says neither is not believed.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin, host = headers.get("origin", ""), headers.get("host", "")
    try:
        return bool(host) and urlsplit(origin).netloc.casefold() == host.casefold()
    except ValueError:
        return False
