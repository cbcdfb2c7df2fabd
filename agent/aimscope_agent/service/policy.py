"""The collector's signed policy: it narrows what the local configuration allows, and widens only what that lets it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from aimscope_agent.config import KEEPS, Config, Keep
from aimscope_agent.schedule import MINUTE, ScheduleError, cron, duration

_SCHEMA = 1
_Names = Annotated[tuple[str, ...], msgspec.Meta(max_length=256)]


class PolicyError(ValueError):
    """What was signed is no policy that this version understands."""


class OfEndpoint(msgspec.Struct, frozen=True):
    """Of scans. ``opt_in`` counts for sensors that the local configuration says may be switched on."""

    enabled: bool = True
    off: _Names = ()
    opt_in: _Names = ()
    every: str = ""
    cron: str = ""


class OfPart(msgspec.Struct, frozen=True):
    """Of traffic, logs and networks: whether they may be looked at."""

    enabled: bool = True
    exclude: _Names = ()


class OfPrivacy(msgspec.Struct, frozen=True):
    """What may be kept at most; the stricter of both counts."""

    users: Keep = "keep"
    devices: Keep = "keep"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy. Fields it does not know are a later version's, and are left out."""

    schema: int
    endpoint: OfEndpoint = OfEndpoint()
    gateway: OfPart = OfPart()
    logs: OfPart = OfPart()
    network: OfPart = OfPart()
    privacy: OfPrivacy = OfPrivacy()


def read(body: bytes) -> Policy:
    """The policy. Raises ``PolicyError``."""
    try:
        policy = msgspec.json.decode(body, type=Policy)
        if policy.schema > _SCHEMA:
            raise PolicyError(f"the policy is of schema {policy.schema}: update aimscope here")
        if policy.endpoint.every and duration(policy.endpoint.every) < MINUTE:
            raise PolicyError("the policy asks for scans more often than once a minute")
        if policy.endpoint.cron:
            cron(policy.endpoint.cron)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ScheduleError) as error:
        raise PolicyError(f"the policy cannot be read: {error}") from None
    return policy


def applied(config: Config, policy: Policy) -> Config:
    """The configuration as the policy leaves it."""
    endpoint, said = config.endpoint, policy.endpoint
    allowed = tuple(name for name in said.opt_in if name in endpoint.may_opt_in)
    endpoint = msgspec.structs.replace(
        endpoint,
        enabled=endpoint.enabled and said.enabled,
        off=tuple(dict.fromkeys((*endpoint.off, *said.off))),
        opt_in=tuple(dict.fromkeys((*endpoint.opt_in, *allowed))),
    )
    if endpoint.may_schedule and said.cron:
        endpoint = msgspec.structs.replace(endpoint, cron=said.cron)
    elif endpoint.may_schedule and said.every:
        endpoint = msgspec.structs.replace(endpoint, every=said.every, cron="")
    network = config.network
    return msgspec.structs.replace(
        config,
        endpoint=endpoint,
        gateway=config.gateway if policy.gateway.enabled else msgspec.structs.replace(config.gateway, interfaces=()),
        logs=config.logs if policy.logs.enabled else msgspec.structs.replace(config.logs, paths=(), syslog=()),
        network=msgspec.structs.replace(
            network,
            enabled=network.enabled and policy.network.enabled,
            exclude=(*network.exclude, *policy.network.exclude),
        ),
        privacy=msgspec.structs.replace(
            config.privacy,
            users=_stricter(config.privacy.users, policy.privacy.users),
            devices=_stricter(config.privacy.devices, policy.privacy.devices),
        ),
    )


def _stricter(one: Keep, other: Keep) -> Keep:
    return max(one, other, key=KEEPS.index)
