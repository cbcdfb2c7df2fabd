"""Tokens of Microsoft Entra ID: the client-credentials grant (RFC 6749, 4.4), kept until shortly before they end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from aimscope_collector.deliver import Failure
from aimscope_collector.deliver.posting import Poster

AUTHORITY: Final = "https://login.microsoftonline.com"
SCOPE: Final = "https://monitor.azure.com/.default"
_EARLIER: Final = 300
"""Seconds before its end at which a token is not used any more."""
_LEAST: Final = 60
_LONGEST: Final = 16_384


class Entra:
    """Draws tokens for one client. The secret and the tokens are never shown, stored or logged."""

    def __init__(self, poster: Poster, *, client: str, secret: str, scope: str = SCOPE) -> None:
        self._poster = poster
        self._asks = urlencode(
            {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": scope}
        ).encode()
        self._token = ""
        self._ends = 0

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Entra({self._poster.host})"

    def headers(self, *, now: int) -> Mapping[str, str]:
        """The bearer token (RFC 6750, 2.1). Raises ``Failure``."""
        if not self._token or now >= self._ends:
            self._draw(now)
        return {"Authorization": f"Bearer {self._token}"}

    def refused(self) -> None:
        """Draw another one at the next time."""
        self._token = ""

    def _draw(self, now: int) -> None:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._poster.post(self._asks, kind, now=now, reads=True)
        if not answer.success:
            raise Failure(f"no token: Entra answered {answer.status}", retry_after=answer.retry_after)
        try:
            said = msgspec.json.decode(answer.body, type=dict[str, Any])
            token, lives = str(said["access_token"]), int(said["expires_in"])
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            raise Failure("no token: Entra's answer cannot be read") from None
        if not token.isascii() or not token.isprintable() or " " in token or not 0 < len(token) <= _LONGEST:
            raise Failure("no token: Entra's answer holds none")
        self._token = token
        self._ends = now + max(_LEAST, lives - _EARLIER)
