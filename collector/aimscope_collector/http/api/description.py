"""The description of this API, for programs that read it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response, get

from aimscope_collector.http.access import NOTHING

_KEPT: Final = "description"


@get("/openapi.json", opt={"needs": NOTHING}, sync_to_thread=True, include_in_schema=False)
def describe(request: Request[Any, Any, Any]) -> Response[bytes]:
    """OpenAPI 3.1."""
    kept: bytes | None = request.app.state.get(_KEPT)
    if kept is None:
        kept = msgspec.json.encode(request.app.openapi_schema.to_schema())
        request.app.state[_KEPT] = kept
    return Response(kept, media_type="application/vnd.oai.openapi+json")


ROUTES: Final = (describe,)
