"""API and pages as an application: routes found by walking, one rule each, bounds, errors as problems, OpenAPI 3.1."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Final

from litestar import Litestar, Router
from litestar.config.response_cache import ResponseCacheConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler, Message, Scope

from aimscope_collector.http import api, pages
from aimscope_collector.http.access import NOTHING, PREFIX, Authentication, given_of, guard, rules, who_asks
from aimscope_collector.http.frame.failing import PAGE_HANDLERS, nowhere
from aimscope_collector.http.frame.forms import sent_of
from aimscope_collector.http.frame.shown import frame_of
from aimscope_collector.http.given import Given
from aimscope_collector.http.problems import HANDLERS

MOST_BODY: Final = 1 << 20
MOST_FORM: Final = 5 << 20
_HEADERS: Final = {
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
}
"""Of every answer that does not say otherwise."""


def routes() -> list[ControllerRouterHandler]:
    """Every route of every module of ``api/``."""
    return _walked(api)


def _walked(room: ModuleType) -> list[ControllerRouterHandler]:
    found: list[ControllerRouterHandler] = []
    for module in sorted(pkgutil.iter_modules(room.__path__), key=lambda module: module.name):
        if not module.name.startswith("_"):
            found += importlib.import_module(f"{room.__name__}.{module.name}").ROUTES
    return found


def _pages() -> Router:
    """Every page of every module of ``pages/``, and the files they load. Not part of the API's description."""
    return Router(
        path="/",
        route_handlers=_walked(pages),
        dependencies={
            "frame": Provide(frame_of, sync_to_thread=False),
            "form": Provide(sent_of),
        },
        exception_handlers=PAGE_HANDLERS,
        include_in_schema=False,
        request_max_body_size=MOST_FORM,
    )


def make_api(given: Given) -> Litestar:
    """The application. Raises ``ValueError`` for a route that does not say what it needs."""
    app = Litestar(
        route_handlers=[Router(path=PREFIX, route_handlers=routes()), _pages()],
        guards=[guard],
        middleware=[DefineMiddleware(Authentication)],
        dependencies={
            "given": Provide(given_of, sync_to_thread=False),
            "who": Provide(who_asks, sync_to_thread=False),
        },
        exception_handlers={**HANDLERS, HTTPException: nowhere},
        request_max_body_size=MOST_BODY,
        before_send=[_harden],
        state=State({"given": given}),
        openapi_config=_openapi(given.version),
        response_cache_config=ResponseCacheConfig(),
        logging_config=None,
        debug=False,
    )
    rules(app)
    return app


def _openapi(version: str) -> OpenAPIConfig:
    scheme = SecurityScheme(type="http", scheme="bearer", description="An API key: `ak_…`.")
    return OpenAPIConfig(
        title="aimscope collector",
        version=version,
        description="What AI is in use, and what of it is authorised. Times are seconds since 1970 UTC.",
        openapi_router=Router(
            path=f"{PREFIX}/schema", route_handlers=[], opt={"needs": NOTHING}, include_in_schema=False
        ),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        use_handler_docstrings=True,
        components=Components(security_schemes={"key": scheme}),
        security=[{"key": []}],
    )


async def _harden(message: Message, scope: Scope) -> None:
    del scope
    if message["type"] == "http.response.start":
        said = {name.lower(): value for name, value in message.get("headers", [])}
        missing = [(name, value) for name, value in _HEADERS.items() if name not in said]
        message["headers"] = [*message.get("headers", []), *missing]
