"""A page is the API's answer, drawn: its handlers are asked under their own rules, so that no page knows more."""

from __future__ import annotations

import inspect
from typing import Any

from litestar.handlers import HTTPRouteHandler

from aimscope_collector.accounts import Principal
from aimscope_collector.http.access import may
from aimscope_collector.http.given import Given


def ask(handler: HTTPRouteHandler, given: Given, who: Principal, /, **parameters: Any) -> Any:
    """What a route of the API answers to ``who``; parameters as the handler names them.

    Raises ``problems.Failed`` where the route's rule forbids it, and what the handler raises. Parameters that came with
    a request are checked by the page's own annotations: a handler that is asked this way sees them as they are.
    """
    failed = may(who, handler.opt["needs"])
    if failed is not None:
        raise failed
    known = inspect.signature(handler.fn).parameters
    own = {name: value for name, value in {"given": given, "who": who}.items() if name in known}
    return handler.fn(**own, **parameters)
