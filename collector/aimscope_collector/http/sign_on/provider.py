"""The provider: what it says of itself, its keys, and the code that is changed for a token. Plain requests, bounded."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from aimscope_collector.http.sign_on import tokens
from aimscope_collector.http.sign_on.configured import SignOn, is_private
from aimscope_collector.http.sign_on.tokens import NotBelieved, Person

_FRESH: Final = 3_600
_AGAIN: Final = 60
"""Seconds after which keys are asked for again because of a token that none of them signed."""
_PAUSE: Final = 10
"""Seconds for which one that did not answer is not asked again, whoever wants to log in."""
_SECONDS: Final = 10.0
_LARGEST: Final = 1 << 20


class Unreachable(Exception):
    """The provider does not answer as one should; the text says how."""


class About(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class Provider:
    """One provider. Remembers for an hour what it says of itself, and its keys."""

    def __init__(self, sign_on: SignOn, now: Callable[[], int]) -> None:
        self.configured = sign_on.configured
        self._secret = sign_on.secret
        self._ca = sign_on.ca
        self._now = now
        self._lock = threading.Lock()
        self._about: tuple[int, About] | None = None
        self._failed: tuple[int, str] | None = None
        self._keys: tuple[int, KeySet] | None = None

    @property
    def rescue(self) -> bool:
        """Whether a password is for an administrator in need."""
        return self.configured.local == "admins"

    @property
    def label(self) -> str:
        """What people call it."""
        return self.configured.label or httpx.URL(self.configured.issuer).host

    def start(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent to log in. Raises ``Unreachable``."""
        address: str = prepare_grant_uri(
            self.about().authorization_endpoint,
            self.configured.client_id,
            "code",
            redirect_uri=self.configured.back,
            scope=list(self.configured.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return address

    def finish(self, *, code: str, nonce: str, verifier: str) -> Person:
        """Who logged in, for the code that the browser brought back. Raises ``Unreachable``, ``NotBelieved``."""
        about = self.about()
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.configured.back,
            "code_verifier": verifier,
        }
        answer = self._ask("POST", about.token_endpoint, sent)
        try:
            given = msgspec.json.decode(answer, type=_Tokens)
        except msgspec.DecodeError:
            raise NotBelieved("The provider gave no token for this login: begin again.") from None
        claims = self._claims(given, nonce)
        if self.configured.groups_claim not in claims and about.userinfo_endpoint and given.access_token:
            claims |= self._more(about.userinfo_endpoint, given.access_token, claims["sub"])
        return tokens.person(claims, self.configured)

    def _claims(self, given: _Tokens, nonce: str) -> dict[str, Any]:
        for again in (False, True):
            try:
                return tokens.checked(
                    given.id_token,
                    self._known_keys(again=again),
                    configured=self.configured,
                    nonce=nonce,
                    access_token=given.access_token,
                    now=self._now(),
                )
            except (JoseError, ValueError) as error:
                why = error.error if isinstance(error, JoseError) else "it cannot be read"
        raise NotBelieved(f"What the provider sent is not believed: {why}.")

    def _more(self, address: str, access_token: str, subject: str) -> dict[str, Any]:
        """Claims that are told elsewhere, of the same person (OpenID Connect Core 1.0, 5.3.2)."""
        try:
            found = msgspec.json.decode(self._ask("GET", address, bearer=access_token), type=dict[str, Any])
        except msgspec.DecodeError:
            raise Unreachable("The provider's answer cannot be read.") from None
        if found.get("sub") != subject:
            raise NotBelieved("What the provider sent is not believed: it is about two people.")
        name, groups = self.configured.name_claim, self.configured.groups_claim
        return {key: found[key] for key in (name, groups) if key in found}

    def farewell(self, back: str) -> str:
        """Where a browser ends its session with the provider, and comes back (RP-Initiated Logout 1.0); or nothing.

        No ID token is kept for it, as that would be one more thing about a person: a provider that wants one asks.
        """
        try:
            ends = self.about().end_session_endpoint
        except Unreachable:
            return ""
        known = {"client_id": self.configured.client_id, "post_logout_redirect_uri": back}
        return f"{ends}{'&' if '?' in ends else '?'}{urlencode(known)}" if ends else ""

    def about(self) -> About:
        """What the provider says of itself. Raises ``Unreachable``."""
        now = self._now()
        with self._lock:
            if self._about is not None and now - self._about[0] < _FRESH:
                return self._about[1]
            if self._failed is not None and now - self._failed[0] < _PAUSE:
                raise Unreachable(self._failed[1])
        try:
            found = self._discovered()
        except Unreachable as error:
            with self._lock:
                self._failed = (now, str(error))
            raise
        with self._lock:
            self._about, self._failed = (now, found), None
        return found

    def _discovered(self) -> About:
        try:
            found = msgspec.json.decode(
                self._ask("GET", get_well_known_url(self.configured.issuer, external=True)), type=About
            )
        except msgspec.DecodeError:
            raise Unreachable("The provider does not say where to log in: is the issuer the right one?") from None
        if found.issuer != self.configured.issuer:
            raise Unreachable(f"The provider calls itself {found.issuer[:200]}: write that as issuer, if it is yours.")
        named = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        further = (found.userinfo_endpoint, found.end_session_endpoint)
        if not all(map(is_private, named)) or not all(is_private(one) for one in further if one):
            raise Unreachable("The provider names an address without TLS.")
        return found

    def _known_keys(self, *, again: bool) -> KeySet:
        now = self._now()
        with self._lock:
            known = self._keys
        if known is not None and now - known[0] < (_AGAIN if again else _FRESH):
            return known[1]
        try:
            said = msgspec.json.decode(self._ask("GET", self.about().jwks_uri), type=dict[str, Any])
            signing = [key for key in said.get("keys", []) if _signs(key)]
            found = KeySet.import_key_set({"keys": signing})
        except (msgspec.DecodeError, JoseError, ValueError, TypeError, KeyError):
            raise Unreachable("The provider's keys cannot be read.") from None
        with self._lock:
            self._keys = (now, found)
        return found

    def _ask(self, method: str, address: str, form: Mapping[str, str] | None = None, *, bearer: str = "") -> bytes:
        headers = {"Accept": "application/json", "User-Agent": "aimscope"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        auth: httpx.BasicAuth | None = None
        data = dict(form) if form is not None else None
        if data is not None:
            auth = self._proves(data)
        try:
            with (
                httpx.Client(verify=self._tls(), trust_env=False, follow_redirects=False, timeout=_SECONDS) as client,
                client.stream(method, address, data=data, headers=headers, auth=auth) as answer,
            ):
                body = b""
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _LARGEST:
                        raise Unreachable("The provider's answer is too long.")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unreachable(f"The provider cannot be reached ({type(error).__name__}).") from None
        if answer.status_code in (400, 401) and form is not None:
            raise NotBelieved("The provider refused this login: it was done before, or is too old. Begin again.")
        if answer.status_code != 200:
            raise Unreachable(f"The provider answered {answer.status_code}.")
        return body

    def _proves(self, data: dict[str, str]) -> httpx.BasicAuth | None:
        """How this client shows that it is itself (RFC 6749, 2.3.1)."""
        ways = self.about().token_endpoint_auth_methods_supported
        if self._secret and "client_secret_basic" in ways:
            return httpx.BasicAuth(quote(self.configured.client_id, safe=""), quote(self._secret, safe=""))
        data["client_id"] = self.configured.client_id
        if self._secret:
            data["client_secret"] = self._secret
        return None

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._ca)


def _signs(key: object) -> bool:
    """Whether it is a public key for signatures: one that seals, and a shared secret, check nothing here."""
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
