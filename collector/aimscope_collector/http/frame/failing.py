"""What went wrong, as a page: the problem the API would give, in words; who is nobody is asked to log in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from aimscope_collector.http.access import PREFIX
from aimscope_collector.http.frame.shown import frame_of
from aimscope_collector.http.problems import HANDLERS, Problem

_LOGIN: Final = "/login"
_FIRST: Final = {"must-change": "/account/password", "must-enrol": "/account/second-factor"}
"""What has to be done before anything else, and where."""


def _drawn(handler: Callable[[Request[Any, Any, Any], Any], Response[bytes]]) -> Callable[..., Response[Any]]:
    def draw(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        problem = msgspec.json.decode(handler(request, error).content, type=Problem)
        if problem.status == 401 and request.url.path != _LOGIN:
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return Redirect(
                f"{_LOGIN}?{urlencode({'next': asked if request.method == 'GET' else '/'})}", status_code=303
            )
        if problem.type in _FIRST:
            return Redirect(_FIRST[problem.type], status_code=303)
        return frame_of(request).show("failed.html", status=problem.status, problem=problem)

    return draw


PAGE_HANDLERS: Final[ExceptionHandlersMap] = {kind: _drawn(handler) for kind, handler in HANDLERS.items()}


def nowhere(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """An address that is none, or a method it does not take: a problem below the API, a page elsewhere."""
    handlers = HANDLERS if request.url.path.startswith(PREFIX) else PAGE_HANDLERS
    return handlers[HTTPException](request, error)
