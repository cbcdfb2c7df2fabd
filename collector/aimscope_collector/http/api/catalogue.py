"""The organisation's own services: published here, signed, and delivered to every agent."""

from __future__ import annotations

from typing import Annotated, Any, Final

import anyio.to_thread
import msgspec
from litestar import Request, get, put
from litestar.params import QueryParameter

from aimscope_collector import own_services
from aimscope_collector.feeds import FeedsError
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import feeds
from aimscope_collector.store.database import writing
from aimscope_signatures import bundle

_BODY: Final = 2 * own_services.MOST_BYTES
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*\.ya?ml$")]


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version that was published. ``services`` is null where this program cannot read it any more."""

    version: int
    sha256: str
    published_at: int
    expires_at: int
    in_force: bool
    services: tuple[str, ...] | None


class Versions(msgspec.Struct, frozen=True):
    """The latest versions, the newest first; none where the organisation has no services of its own."""

    items: list[Version]


class Signatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of signatures: name (``category/id.yaml`` or ``id.yaml``) and text. No file: no own services any more."""

    files: Annotated[dict[FileName, str], msgspec.Meta(max_length=own_services.MOST_FILES)]


_signatures: Final = msgspec.json.Decoder(Signatures).decode


@get("/catalogue/overlay", opt={"needs": "services:read"}, sync_to_thread=True, tags=["services"])
def list_overlays(given: Here) -> Versions:
    """The organisation's own services, as they were published."""
    return _versions(given)


def _versions(given: Here) -> Versions:
    with given.engine.connect() as connection:
        return Versions([_version(one) for one in feeds.versions(connection, name="overlay", limit=50)])


def _version(one: feeds.Published) -> Version:
    try:
        services: tuple[str, ...] | None = tuple(sorted(bundle.unpack(one.body).entries))
    except ValueError:
        services = None
    return Version(
        version=one.version,
        sha256=one.sha256,
        published_at=one.published_at,
        expires_at=one.expires_at,
        in_force=one.newest,
        services=services,
    )


@put("/catalogue/overlay", opt={"needs": "catalogue:write"}, tags=["services"], request_max_body_size=_BODY)
async def publish_overlay(
    given: Here,
    who: Who,
    request: Request[Any, Any, Any],
    replaces: Annotated[
        int | None,
        QueryParameter(ge=0, le=1 << 53, description="The version it was made from: refused where a newer one is."),
    ] = None,
) -> Versions:
    """Publish the organisation's own services, in place of all that were published before.

    They have to prove themselves as `aimscope signatures verify` demands. Agents have them with their next check-in.
    """
    body = await request.body()
    return await anyio.to_thread.run_sync(_publish, given, who, body, replaces)


def _publish(given: Here, who: Who, body: bytes, replaces: int | None) -> Versions:
    if who.units:
        raise Failed(403, "forbidden", "Services are the whole organisation's: your account has limits.")
    try:
        said = _signatures(body)
    except msgspec.ValidationError as error:
        raise Failed(400, "malformed", str(error)[:300]) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Failed(400, "malformed", 'Send JSON: {"files": {"category/id.yaml": "the text"}}.') from None
    read = own_services.read({name: text.encode() for name, text in said.files.items()}, given.shipped)
    if read.problems:
        raise Failed(422, "refused", "The signatures do not prove themselves.", read.problems)
    with writing(given.engine) as connection:
        newest = feeds.current(connection).get("overlay")
        there = newest.version if newest else 0
        if replaces is not None and replaces != there:
            raise Failed(409, "conflict", f"Version {there} is in force, and this was made from version {replaces}.")
        try:
            given.publish_overlay(connection, bundle.pack(read.services), who.name)
        except FeedsError as error:
            raise Failed(409, "keys-elsewhere", str(error)) from None
    given.touch(None)
    return _versions(given)


ROUTES: Final = (list_overlays, publish_overlay)
