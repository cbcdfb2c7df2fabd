"""The collector itself: the agents' policy, settings, health."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
import sqlalchemy as sa
from litestar import get, put
from litestar.params import JSONBody

from aimscope_collector.http.access import NOTHING
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.retention import Retention
from aimscope_collector.store import audit, feeds, privacy, settings
from aimscope_collector.store.database import writing

RETENTION: Final = "retention"
Keep = Literal["keep", "pseudonym", "drop"]
_KEEPS: Final[tuple[Keep, ...]] = ("drop", "pseudonym", "keep")
_Names = Annotated[tuple[Annotated[str, msgspec.Meta(max_length=128)], ...], msgspec.Meta(max_length=256)]


class Offered(msgspec.Struct, frozen=True):
    """The policy that agents are offered; it narrows what their own configuration allows."""

    version: int
    sha256: str
    policy: Policy


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of scans: sensors that are off, those switched on where the machine allows it, and how often."""

    enabled: bool = True
    off: _Names = ()
    opt_in: _Names = ()
    every: Annotated[str, msgspec.Meta(max_length=32)] = ""
    cron: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of traffic, logs and networks: whether they may be looked at, and what is left out."""

    enabled: bool = True
    exclude: _Names = ()


class Keeping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be kept at most."""

    users: Keep = "keep"
    devices: Keep = "keep"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What agents may collect: narrows what their own configuration allows."""

    endpoint: Endpoint = Endpoint()
    gateway: Part = Part()
    logs: Part = Part()
    network: Part = Part()
    privacy: Keeping = Keeping()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set. Days after which rows go."""

    retention: Retention = Retention()


class Health(msgspec.Struct, frozen=True):
    """Whether the collector works: the database answers."""

    status: str
    version: str


@get("/health", opt={"needs": NOTHING}, sync_to_thread=True, tags=["health"])
def show_health(given: Here) -> Health:
    """Whether the collector works."""
    with given.engine.connect() as connection:
        connection.execute(sa.select(1))
    return Health("ok", given.version)


@get("/policy", opt={"needs": "policy:read"}, sync_to_thread=True, tags=["policy"])
def show_policy(given: Here) -> Offered:
    """The policy agents are offered."""
    return _offered(given)


def _offered(given: Here) -> Offered:
    with given.engine.connect() as connection:
        feed = feeds.current(connection).get("policy")
        body = feeds.body(connection, name="policy", sha256=feed.sha256) if feed else None
    if feed is None or body is None:
        raise Failed(404, "not-found", "There is no policy yet.")
    return Offered(feed.version, feed.sha256, _policy(body))


@put("/policy", opt={"needs": "policy:write"}, sync_to_thread=True, tags=["policy"])
def set_policy(given: Here, who: Who, data: JSONBody[Policy]) -> Offered:
    """Sign and offer another policy. What it widens is shown to the privacy role."""
    body = msgspec.json.encode({"schema": 1, **msgspec.to_builtins(data)}, order="sorted")
    with writing(given.engine) as connection:
        feed = feeds.current(connection).get("policy")
        before = _policy(feeds.body(connection, name="policy", sha256=feed.sha256) or b"{}") if feed else Policy()
        version = given.publish_policy(connection, body, who.name)
        wider = widenings(before, data)
        privacy.widened(connection, wider, about=f"policy {version}", by=who.name, at=given.now())
    return _offered(given)


def _policy(body: bytes) -> Policy:
    signed = msgspec.json.decode(body)
    signed.pop("schema", None)
    try:
        return msgspec.convert(signed, Policy)
    except msgspec.ValidationError:
        raise Failed(409, "newer", "The policy in force was made by a later version of aimscope.") from None


def widenings(before: Policy, after: Policy) -> tuple[str, ...]:
    """Each way in which agents may collect more than before, as a sentence."""
    found = []
    for name in ("endpoint", "gateway", "logs", "network"):
        old, new = getattr(before, name), getattr(after, name)
        if new.enabled and not old.enabled:
            found.append(f"Agents may look at {name} again.")
        lost = sorted(set(getattr(old, "exclude", ())) - set(getattr(new, "exclude", ())))
        if lost:
            found.append(f"No longer left out of {name}: {', '.join(lost)}.")
    on = sorted(set(before.endpoint.off) - set(after.endpoint.off))
    more = sorted(set(after.endpoint.opt_in) - set(before.endpoint.opt_in))
    if on or more:
        found.append(f"Sensors switched on: {', '.join(on + more)}.")
    for name in ("users", "devices"):
        old_keep, new_keep = getattr(before.privacy, name), getattr(after.privacy, name)
        if _KEEPS.index(new_keep) > _KEEPS.index(old_keep):
            found.append(f"Names of {name}: {new_keep}; until now {old_keep}.")
    return tuple(found)


def read(connection: sa.Connection) -> Settings:
    """The settings in force."""
    text = settings.read(connection, RETENTION)
    return Settings(retention=msgspec.json.decode(text, type=Retention)) if text else Settings()


@get("/settings", opt={"needs": "policy:read"}, sync_to_thread=True, tags=["settings"])
def show_settings(given: Here) -> Settings:
    """What is set."""
    with given.engine.connect() as connection:
        return read(connection)


@put("/settings", opt={"needs": "settings:write"}, sync_to_thread=True, tags=["settings"])
def set_settings(given: Here, who: Who, data: JSONBody[Settings]) -> Settings:
    """Set it."""
    text = msgspec.json.encode(data.retention).decode()
    with writing(given.engine) as connection:
        settings.write(connection, RETENTION, text)
        facts = {"retention": text}
        audit.record(
            connection, at=given.now(), actor=who.name, action="settings.changed", about="settings", facts=facts
        )
    return data


ROUTES: Final = (show_health, show_policy, set_policy, show_settings, set_settings)
