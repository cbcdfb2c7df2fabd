"""The API as an application: routes found by walking, one rule each, bounds, errors as problems, OpenAPI 3.1."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final

from litestar import Litestar, Router
from litestar.config.response_cache import ResponseCacheConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler, Message, Scope

from aimscope_collector.http import api
from aimscope_collector.http.access import NOTHING, PREFIX, Authentication, given_of, guard, rules, who_asks
from aimscope_collector.http.given import Given
from aimscope_collector.http.problems import HANDLERS

MOST_BODY: Final = 1 << 20
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


def routes() -> list[ControllerRouterHandler]:
    """Every route of every module of ``api/``."""
    found: list[ControllerRouterHandler] = []
    for module in sorted(pkgutil.iter_modules(api.__path__), key=lambda module: module.name):
        if not module.name.startswith("_"):
            found += importlib.import_module(f"{api.__name__}.{module.name}").ROUTES
    return found


def make_api(given: Given) -> Litestar:
    """The application. Raises ``ValueError`` for a route that does not say what it needs."""
    app = Litestar(
        route_handlers=[Router(path=PREFIX, route_handlers=routes())],
        guards=[guard],
        middleware=[DefineMiddleware(Authentication)],
        dependencies={
            "given": Provide(given_of, sync_to_thread=False),
            "who": Provide(who_asks, sync_to_thread=False),
        },
        exception_handlers=HANDLERS,
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
        message["headers"] = [*message.get("headers", []), *_HEADERS]
