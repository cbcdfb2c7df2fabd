"""The resolver that commands ask: the one named, else this machine's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aimscope_cli.output import Failure

if TYPE_CHECKING:
    from aimscope_agent.intake.resolving import Resolver


def resolver_for(stated: str) -> Callable[[], Resolver]:
    """Makes a resolver within a running loop. Raises ``Failure`` where there is none to ask."""
    try:
        from aimscope_agent.intake import resolving
    except ModuleNotFoundError:
        raise Failure("names are resolved with dnspython: pip install 'aimscope[gateway]'") from None
    try:
        servers = (resolving.server(stated),) if stated else resolving.configured()
    except resolving.ResolverError as error:
        raise Failure(str(error)) from None
    return lambda: resolving.Resolver(servers)
