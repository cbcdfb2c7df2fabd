"""The local configuration, found and loaded: what the owner of this machine allows, and what is kept of people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aimscope_cli import state
from aimscope_cli.output import Failure

if TYPE_CHECKING:
    from aimscope_agent.config import Config
    from aimscope_agent.privacy import Curtain

SYSTEM_CONFIG = Path("/etc/aimscope/config.yaml")


def config_file() -> Path | None:
    """`AIMSCOPE_CONFIG`, else `config.yaml` in the user's or the system's place; none is fine."""
    import platformdirs

    stated = os.environ.get("AIMSCOPE_CONFIG")
    if stated:
        return Path(stated)
    places = (platformdirs.user_config_path("aimscope") / "config.yaml", SYSTEM_CONFIG)
    return next((place for place in places if place.is_file()), None)


def settings(stated: Path | None = None) -> Config:
    """The configuration in force, or that of a file. Raises ``Failure`` naming file and field of what is wrong."""
    from aimscope_agent.config import Config, ConfigError, load, overridden

    path = stated or config_file()
    try:
        return load(path) if path is not None else overridden(Config())
    except ConfigError as error:
        raise Failure(str(error)) from None


def curtain(config: Config) -> Curtain:
    """What the configuration keeps of people and devices."""
    from aimscope_agent.privacy import Curtain

    policy = config.privacy
    return Curtain(policy, state.digest_key() if "pseudonym" in {policy.users, policy.devices} else b"")
