"""Errors as RFC 9457 has them: a stable word, a title, a status, a sentence that says what to do."""

from __future__ import annotations

import http
import logging
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from aimscope_collector import keys
from aimscope_collector.accounts import NotAllowed
from aimscope_collector.review import Refused
from aimscope_collector.store import agents, decisions, reveals, units

MEDIA_TYPE: Final = "application/problem+json"
_LOG = logging.getLogger("aimscope.collector")
_MOST: Final = 20
_LONGEST: Final = 300


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. ``errors`` name parameters and fields."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[str, ...] = ()


class Failed(Exception):
    """An answer that is no success: ``word`` is stable, ``detail`` a sentence for people."""

    def __init__(self, status: int, word: str, detail: str, errors: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.word = word
        self.detail = detail
        self.errors = errors


def not_found(what: str) -> Failed:
    """There is no such thing, or it is not within the asker's units: which of the two is not told."""
    return Failed(404, "not-found", f"There is no such {what}.")


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    """The answer."""
    return Response(
        msgspec.json.encode(problem), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers or {}
    )


def _of(status: int, word: str, detail: str, errors: tuple[str, ...] = ()) -> Response[bytes]:
    title = http.HTTPStatus(status).phrase
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "5"} if status == 503 else {}
    return respond(Problem(type=word, title=title, status=status, detail=detail, errors=errors), headers)


def _failed(_: Request[Any, Any, Any], error: Failed) -> Response[bytes]:
    return _of(error.status, error.word, error.detail, error.errors)


_WORDS: Final = {
    400: "malformed",
    401: "unauthorised",
    403: "forbidden",
    404: "not-found",
    405: "method",
    413: "too-large",
    415: "media-type",
    429: "too-fast",
}


def _http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    status = error.status_code
    found: list[str] = []
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        said = [one for one in error.extra[:_MOST] if isinstance(one, dict)]
        found += [f"{one.get('key', '')}: {one.get('message', '')}"[:_LONGEST] for one in said]
    detail = str(error.detail)[:_LONGEST]
    if status >= 500:
        _LOG.error("an answer failed", exc_info=error)
        detail = "A defect in aimscope: the log says where."
    return _of(status, _WORDS.get(status, "refused"), detail, tuple(found))


def _refused(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return _of(422, "refused", str(error))


def _conflict(_: Request[Any, Any, Any], error: decisions.Conflict) -> Response[bytes]:
    return _of(409, "conflict", str(error))


def _content(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    del error  # its text may hold what was sent
    return _of(400, "malformed", "There is something in the request that cannot be kept or looked for.")


def _unavailable(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _LOG.warning("the database does not answer: %s", type(error).__name__)
    return _of(503, "unavailable", "The database cannot be used at present: try again.")


def _elsewhere(_: Request[Any, Any, Any], error: keys.KeysError) -> Response[bytes]:
    return _of(409, "keys-elsewhere", str(error))


def _defect(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _LOG.error("an answer failed", exc_info=error)
    return _of(500, "defect", "A defect in aimscope: the log says where.")


HANDLERS: Final[ExceptionHandlersMap] = {
    Failed: _failed,
    HTTPException: _http,
    Refused: _refused,
    NotAllowed: _refused,
    agents.AgentError: _refused,
    reveals.NotRevealed: _refused,
    units.Refused: _refused,
    decisions.Conflict: _conflict,
    keys.KeysError: _elsewhere,
    sa.exc.DataError: _content,
    OverflowError: _content,
    UnicodeError: _content,
    RecursionError: _content,
    sa.exc.OperationalError: _unavailable,
    sa.exc.TimeoutError: _unavailable,
    Exception: _defect,
}
