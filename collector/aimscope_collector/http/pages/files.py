"""The files that pages load: style, script and picture. Their addresses change with their content."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.params import FromPath

from aimscope_collector.http.access import NOTHING
from aimscope_collector.http.frame.shown import static
from aimscope_collector.http.problems import not_found

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEPT: Final = {"cache-control": "public, max-age=31536000, immutable"}


@get("/static/{digest:str}/{name:str}", opt={"needs": NOTHING}, sync_to_thread=False)
def load(digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """One file."""
    del digest  # it is there so that caches tell contents apart
    content = static().get(name)
    if content is None:
        raise not_found("file")
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=_KEPT)


ROUTES: Final = (load,)
