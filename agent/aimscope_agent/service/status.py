"""What `aimscope agent status` shows: written by the service as it goes, for its ledger is open to it alone."""

from __future__ import annotations

import msgspec

from aimscope_agent import durable
from aimscope_agent.service.folder import Folder

_LARGEST = 1 << 20


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an agent is. Moments are seconds since 1970 UTC, 0 is never."""

    at: int
    pid: int
    """Of the service or of the scan that wrote this; it may have ended."""
    started: int
    version: str
    collector: str = ""
    agent: str = ""
    """Its id to the collector; empty where it has not enrolled."""
    approved: bool = False
    revoked: bool = False
    last_contact: int = 0
    trouble: str = ""
    """Why the last attempt to reach the collector came to nothing."""
    pending: int = 0
    """Rows that the collector does not know yet."""
    epoch: str = ""
    catalogue: str = ""
    feeds: dict[str, int] = {}
    stale: tuple[str, ...] = ()
    """Feeds in force whose time has passed."""
    last: dict[str, int] = {}
    next: dict[str, int] = {}
    running: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def read(folder: Folder) -> Status | None:
    """What was last written; ``None`` where there is none that can be read. Raises ``OSError``."""
    data = durable.read(folder.status, _LARGEST)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Status)
    except (msgspec.MsgspecError, UnicodeError):
        return None
