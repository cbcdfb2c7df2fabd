"""A small OpenID provider on loopback: real HTTP, keys of its own, and every way to be wrong."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "aimscope"
SECRET = "a secret of the client / with:signs"


def segment(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


class Provider:
    """What it says can be changed by a test: ``change`` alters claims, ``sign`` makes the token."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.other = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})
        self.published = [self.key]
        self.subject = "s-1"
        self.person: dict[str, Any] = {"preferred_username": "ann", "groups": ["reviewers", "football"]}
        self.change: Callable[[dict[str, Any]], None] = lambda _: None
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.secret = SECRET
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.issuer = ""

    def signed(self, claims: dict[str, Any], key: RSAKey | None = None, **header: Any) -> str:
        wanted = key or self.key
        return jwt.encode({"alg": "RS256", "kid": wanted.kid, **header}, claims, wanted, algorithms=["RS256"])

    def none(self, claims: dict[str, Any]) -> str:
        return f"{segment({'alg': 'none', 'typ': 'JWT'})}.{segment(claims)}."

    def confused(self, claims: dict[str, Any]) -> str:
        """Signed with HMAC, and the public key, which everybody has, as its secret."""
        signing = f"{segment({'alg': 'HS256', 'kid': 'one'})}.{segment(claims)}"
        mac = hmac.digest(self.key.as_pem(private=False), signing.encode(), hashlib.sha256)
        return f"{signing}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    def about(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/out",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            **({"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.userinfo is not None else {}),
            **self.metadata,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = os.urandom(16).hex()
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        said = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or [unquote(one) for one in said] != [CLIENT, self.secret]:
            return None
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            return None
        if form["redirect_uri"] != asked["redirect_uri"]:
            return None
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": self.subject,
            "nonce": asked["nonce"],
            "iat": self.now(),
            "exp": self.now() + 300,
            **self.person,
        }
        self.change(claims)
        return {"id_token": self.sign(claims), "access_token": "at", "token_type": "Bearer"}


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, *_: Any) -> None: ...

    def _answer(self, status: int, content: Any, location: str = "") -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if location:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.provider.asked.append(parts.path)
        if parts.path == "/.well-known/openid-configuration":
            self._answer(200, self.provider.about())
        elif parts.path == "/keys":
            self._answer(200, {"keys": [key.as_dict(private=False) for key in self.provider.published]})
        elif parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self._answer(302, {}, self.provider.authorize(asked))
        elif parts.path == "/userinfo" and self.headers["authorization"] == "Bearer at":
            self._answer(200, self.provider.userinfo)
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        given = self.provider.token(form, self.headers.get("authorization", ""))
        self._answer(200 if given else 400, given or {"error": "invalid_grant"})


@contextlib.contextmanager
def running(now: Callable[[], int]) -> Iterator[Provider]:
    """The provider, until the test is over."""
    provider = Provider(now)
    handler = type("Own", (Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
