"""HTTPS: batches to Splunk's event collector, Elasticsearch's ``_bulk``, Sentinel's Logs Ingestion API, or any other.

An answer of success is an acknowledgement. Elasticsearch answers for each record in the body, which is read.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from aimscope_collector.deliver import Failure
from aimscope_collector.deliver.carrying import Batch, Refused, TooLarge
from aimscope_collector.deliver.posting import Answer, Poster

_CONTENT: Final = frozenset((400, 409, 422))
"""About what was sent. Others of 4xx are about address, credential and settings: no event is to blame."""
_TOO_LARGE: Final = 413
_TAKEN: Final = 409
"""Of one record of ``_bulk``: a document with this id is there already."""
_UNAUTHORISED: Final = 401
_UNREADABLE: Final = "the receiver's answer cannot be read: it is no _bulk endpoint"


def failure_of(answer: Answer) -> Failure:
    """What an answer that is no success means."""
    text = f"the receiver answered {answer.status}"
    if answer.status == _TOO_LARGE:
        return TooLarge(text)
    if answer.status in _CONTENT:
        return Refused(text)
    return Failure(text, retry_after=answer.retry_after)


class Credential(Protocol):
    """What a request says of who sends it."""

    def headers(self, *, now: int) -> Mapping[str, str]:
        """Headers to send. Raises ``Failure`` where they cannot be had."""

    def refused(self) -> None:
        """The receiver did not accept them: draw others, where that is possible."""


class Fixed:
    """A token or password that does not change. Its value is never shown."""

    def __init__(self, name: str, value: str) -> None:
        self._headers = {name: value}

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Fixed({', '.join(self._headers)})"

    def headers(self, *, now: int) -> Mapping[str, str]:
        """The header."""
        del now
        return self._headers

    def refused(self) -> None:
        """There is no other."""


class Https:
    """One receiver. ``bulk`` reads Elasticsearch's answer for each record."""

    settles = 0

    def __init__(
        self,
        poster: Poster,
        *,
        credential: Credential | None = None,
        most_records: int = 500,
        most_bytes: int = 900_000,
        compress: bool = False,
        bulk: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._poster = poster
        self._credential = credential
        self.most_records = most_records
        self.most_bytes = most_bytes
        self._compress = compress
        self.one_each = bulk
        self._headers = dict(headers or {})

    def __repr__(self) -> str:
        """Without path, query and secret."""
        return f"Https({self._poster.host})"

    def send(self, batch: Batch, *, now: int) -> Mapping[int, Failure]:
        """Post the batch; once more with another token where the first was not accepted."""
        body = gzip.compress(batch.body, 6, mtime=0) if self._compress else batch.body
        headers = {**self._headers, "Content-Type": batch.content_type}
        if self._compress:
            headers["Content-Encoding"] = "gzip"
        answer = self._post(body, headers, now)
        if answer.status == _UNAUTHORISED and self._credential is not None:
            self._credential.refused()
            answer = self._post(body, headers, now)
        if not answer.success:
            raise failure_of(answer)
        return _each(answer.body, len(batch.records), answer.retry_after) if self.one_each else {}

    def check(self) -> bool:
        """Each request is answered."""
        return True

    def close(self) -> None:
        """Nothing stays open."""

    def _post(self, body: bytes, headers: Mapping[str, str], now: int) -> Answer:
        own = self._credential.headers(now=now) if self._credential is not None else {}
        return self._poster.post(body, {**headers, **own}, now=now, reads=self.one_each)


def _each(body: bytes, records: int, retry_after: int) -> dict[int, Failure]:
    """What of a ``_bulk`` was not taken. A repetition was: it has the id of what is there."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
        if said.get("errors") is False:
            return {}
        results = [next(iter(item.values())) for item in said["items"]]
        statuses = [int(result["status"]) for result in results]
        reasons = [str((result.get("error") or {}).get("type", "")) for result in results]
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, StopIteration):
        raise Failure(_UNREADABLE) from None
    if len(statuses) != records:
        raise Failure(_UNREADABLE)
    found: dict[int, Failure] = {}
    for place, (status, reason) in enumerate(zip(statuses, reasons, strict=True)):
        if 200 <= status < 300 or status == _TAKEN:
            continue
        text = f"the receiver answered {status}" + (f" ({reason[:80]})" if reason else "")
        found[place] = Refused(text) if status in _CONTENT else Failure(text, retry_after=retry_after)
    return found
