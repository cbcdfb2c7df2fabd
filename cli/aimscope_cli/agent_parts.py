"""An agent on this machine, put together: its configuration, its folder, clocks and chance."""

from __future__ import annotations

import contextlib
import datetime
import os
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from aimscope_cli import state
from aimscope_cli.output import Failure, hint
from aimscope_cli.settings import settings

if TYPE_CHECKING:
    from aimscope_agent.config import Config
    from aimscope_agent.service.folder import Folder
    from aimscope_agent.service.reporter import Given
    from aimscope_agent.service.running import Service

SYSTEM_STATE = Path("/var/lib/aimscope-agent")
_IN_USE = "another aimscope uses it"


def now() -> int:
    """Seconds since 1970 UTC."""
    return int(time.time())


def moment(at: int) -> str:
    """A moment for people; never, where it is 0."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else "never"


def folder() -> Folder:
    """Where the agent keeps what it remembers: as the system's service does, where this user has none of their own."""
    from aimscope_agent.service.folder import Folder

    own = Folder(state.state_path())
    system = Folder(SYSTEM_STATE)
    if "AIMSCOPE_STATE" not in os.environ and not own.path.exists() and os.access(system.path, os.R_OK | os.X_OK):
        return system
    return own


def given() -> Given:
    """The clocks of this machine, and its chance."""
    from aimscope_agent.service.reporter import Given
    from aimscope_agent.watchdog import on_battery

    return Given(
        clock=now,
        monotonic=time.monotonic,
        random=secrets.token_bytes,
        chance=random.SystemRandom().random,
        battery=on_battery,
        tell=hint,
    )


@contextlib.contextmanager
def service(config: Path | None) -> Iterator[Service]:
    """The agent, ready to run; signals end it in good order. Raises ``Failure``."""
    from aimscope_agent.identity import IdentityError
    from aimscope_agent.ledger import LedgerError
    from aimscope_agent.service.folder import FolderError
    from aimscope_agent.service.running import Service
    from aimscope_agent.trust import TrustError

    def load() -> Config:
        from aimscope_agent.config import ConfigError

        try:
            return settings(config)
        except Failure as failure:
            raise ConfigError(str(failure)) from None

    settings(config)  # what is wrong with it is said as everywhere else
    try:
        made = Service(folder(), load, given())
    except LedgerError as error:
        told = "the agent runs already on this machine" if _IN_USE in str(error) else str(error)
        raise Failure(told) from None
    except (FolderError, TrustError, IdentityError) as error:
        raise Failure(str(error)) from None
    with contextlib.ExitStack() as stack:
        stack.callback(made.close)
        for name, reaction in (("SIGTERM", made.halt), ("SIGINT", made.halt), ("SIGHUP", made.reload)):
            number = getattr(signal, name, None)
            if number is not None:
                stack.callback(signal.signal, number, signal.signal(number, _handler(reaction)))
        try:
            yield made
        except (LedgerError, TrustError) as error:  # nothing that trying again here would mend
            raise Failure(str(error), status=1) from None


@contextlib.contextmanager
def alone(where: Folder) -> Iterator[None]:
    """While nobody else uses the agent's folder. Raises ``Failure``."""
    from aimscope_agent.ledger import Ledger, LedgerError
    from aimscope_agent.service.folder import FolderError

    try:
        where.make()
        held = Ledger(where.ledger, now=now(), epoch=secrets.token_hex(16))
    except FolderError as error:
        raise Failure(str(error)) from None
    except LedgerError as error:
        if _IN_USE in str(error):
            raise Failure("the agent runs on this machine: stop it first, and start it again afterwards") from None
        raise Failure(str(error)) from None
    try:
        yield
    finally:
        held.close()


def _handler(reaction: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        reaction()

    return handle
