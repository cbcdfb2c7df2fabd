"""The local configuration: what the owner of this machine allows aimscope to do and to keep.

One YAML file; an unknown key is an error with its field. Everything has a safe default, so no file is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

Keep = Literal["keep", "pseudonym", "drop"]
_LARGEST = 1_048_576


class ConfigError(Exception):
    """The configuration cannot be used; the text names file and field."""


def _about(description: str) -> msgspec.Meta:
    """What an entry means: for the reference page."""
    return msgspec.Meta(description=description)


_RATE = msgspec.Meta(ge=1, le=100_000)


class Privacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of the people and devices that logs and traffic name."""

    users: Annotated[Keep, _about("Names of users: kept, replaced by a pseudonym, or dropped.")] = "keep"
    devices: Annotated[Keep, _about("Addresses and names of devices, likewise.")] = "keep"


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Traffic: what may be looked at."""

    names_on_live_traffic: Annotated[
        bool, _about("Allow `aimscope watch -i … --names`, which shows what people browse; every use is logged.")
    ] = False


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Network scans: ranges that may be asked besides private ones, ranges never to be asked, and how fast."""

    allow: Annotated[tuple[str, ...], _about("Public ranges that may be asked: they are yours.")] = ()
    exclude: Annotated[tuple[str, ...], _about("Ranges that are never asked.")] = ()
    per_second: Annotated[int, _about("Connections opened in a second, at most."), _RATE] = 4_000
    at_once: Annotated[int, _about("Connections open at once, at most."), _RATE] = 1_000


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The local configuration."""

    privacy: Privacy = Privacy()
    gateway: Gateway = Gateway()
    network: Network = Network()


def load(path: Path) -> Config:
    """The configuration in a file. Raises ``ConfigError`` naming file and field."""
    from aimscope_agent.host.reading import UnreadableError, read_yaml  # noqa: PLC0415 - YAML, where there is a file

    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ConfigError(f"{path} is larger than {_LARGEST:,} bytes")
        return msgspec.convert(read_yaml(data) or {}, Config)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnreadableError as error:
        raise ConfigError(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None
