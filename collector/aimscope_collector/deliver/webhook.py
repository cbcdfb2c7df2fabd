"""Webhooks: a POST that is signed, to an address that was looked at before it is connected to."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from aimscope_collector.deliver import Failure
from aimscope_collector.deliver.carrying import Batch
from aimscope_collector.deliver.https import failure_of
from aimscope_collector.deliver.posting import Poster, Reach, Resolve, allowed, resolve
from aimscope_collector.store.outbox import Item

SIGNATURE: Final = "Aimscope-Signature"
TIMESTAMP: Final = "Aimscope-Timestamp"
EVENT: Final = "Aimscope-Event"
TOLERANCE: Final = 300
_LARGEST: Final = 1_000_000


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """``v1=`` and the HMAC-SHA256 of timestamp, a dot, and the body."""
    return "v1=" + hmac.digest(secret, f"{timestamp}.".encode() + body, "sha256").hex()


def signed(secret: bytes, timestamp: str, body: bytes, signature: str, *, now: int) -> bool:
    """What a receiver checks: that the body is ours, and was sent just now."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp[:16])) > TOLERANCE:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp[:16]), body).encode(), signature.encode("utf-8", "replace"))


class Webhook:
    """One receiver, of alerts or of events. ``at_once`` is how many events one POST may hold.

    Raises ``ValueError`` for an address that cannot be one.
    """

    settles = 0
    one_each = False

    def __init__(
        self,
        url: str,
        secret: bytes,
        *,
        reach: Reach = "private",
        ca: str | None = None,
        resolve: Resolve = resolve,
        at_once: int = 1,
    ) -> None:
        self._poster = Poster(url, what="webhook", reach=reach, ca=ca, resolver=resolve)
        if len(secret) < 16:
            raise ValueError("a webhook's secret has at least 16 bytes")
        self._secret = secret
        self.most_records = at_once
        self.most_bytes = _LARGEST

    def __repr__(self) -> str:
        """Without path, query and secret: receivers put tokens there."""
        return f"Webhook({self._poster.host})"

    def send(self, what: Item | Batch, *, now: int) -> Mapping[int, Failure]:
        """Post an alert, or events. Raises ``Failure`` unless the receiver answers with success."""
        if isinstance(what, Item):
            body, kind, event = what.payload.encode(), "application/json", what.event
        else:
            body, kind, event = what.body, what.content_type, ",".join(what.uids)
        headers = {
            "Content-Type": kind,
            EVENT: event,
            TIMESTAMP: str(now),
            SIGNATURE: sign(self._secret, now, body),
        }
        answer = self._poster.post(body, headers, now=now)
        if not answer.success:
            raise failure_of(answer)
        return {}

    def check(self) -> bool:
        """Each POST is answered."""
        return True

    def close(self) -> None:
        """Nothing stays open."""


def fingerprint(secret: bytes) -> str:
    """What may be shown of a secret, to tell two apart."""
    return hashlib.sha256(secret).hexdigest()[:8]


__all__ = ["Reach", "Webhook", "allowed", "fingerprint", "sign", "signed"]
