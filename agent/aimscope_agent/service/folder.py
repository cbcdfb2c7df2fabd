"""Where an agent keeps what it remembers, and what tells this machine from others."""

from __future__ import annotations

import contextlib
import platform
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from aimscope_agent import durable
from aimscope_agent.config import Collector

KEY_BYTES: Final = 32
_LARGEST: Final = 1 << 20
_IDENTIFIERS: Final = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_HARDWARE: Final = "/sys/class/dmi/id/product_uuid"
"""Of the (virtual) machine itself, where we may read it: images are often copied with the machine-id in them."""


class FolderError(Exception):
    """What the agent remembers cannot be read or written; the text says why and what to do."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is not to be lost with a restart, and is no total."""

    last: dict[str, int] = {}
    """When each duty was last done."""
    catalogue: str = ""
    """Version of the catalogue last judged by."""
    ahead: int = 0
    """See ``clock.Clock``."""
    told: int = 0


class Folder:
    """The files of an agent, below the state folder."""

    def __init__(self, state: Path) -> None:
        self.path = state / "agent"
        self.ledger = self.path / "ledger.db"
        self.identity = self.path / "identity.json"
        self.trust = self.path / "trust"
        self.sent = self.path / "sent.jsonl"
        self.status = self.path / "status.json"
        self.lock = self.path / "lock"
        self._key = state / "digest.key"
        self._collector = self.path / "collector.json"
        self._remembered = self.path / "service.json"

    def make(self) -> None:
        """For this user alone. Raises ``FolderError``."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise FolderError(
                f"{self.path} cannot be made: {error.strerror}; AIMSCOPE_STATE keeps it elsewhere"
            ) from None

    def remembered(self) -> Remembered:
        """What was remembered; nothing where it is damaged: then everything is due."""
        try:
            data = durable.read(self._remembered, _LARGEST)
            return msgspec.json.decode(data, type=Remembered) if data else Remembered()
        except (OSError, msgspec.MsgspecError, UnicodeError):
            return Remembered()

    def remember(self, what: Remembered) -> None:
        """Keep it. Raises ``FolderError``."""
        self._write(self._remembered, msgspec.json.encode(what))

    def collector(self) -> Collector:
        """How the collector is reached that this machine enrolled at by hand."""
        try:
            data = durable.read(self._collector, _LARGEST)
            return msgspec.json.decode(data, type=Collector) if data else Collector()
        except (OSError, msgspec.MsgspecError, UnicodeError):
            return Collector()

    def enrolled_at(self, collector: Collector) -> None:
        """Remember how the collector is reached. Raises ``FolderError``."""
        self._write(self._collector, msgspec.json.encode(collector))

    def key(self, random: Callable[[int], bytes]) -> bytes:
        """The key of this machine's digests and pseudonyms, drawn at first use. Raises ``FolderError``."""
        try:
            known = durable.read(self._key, KEY_BYTES)
        except OSError as error:
            raise FolderError(f"{self._key}: {error.strerror or error}") from None
        if known is not None and len(known) == KEY_BYTES:
            return known
        fresh = random(KEY_BYTES)
        self._write(self._key, fresh)
        return fresh

    def write_status(self, data: bytes) -> None:
        """Replace what ``aimscope agent status`` shows. Raises ``FolderError``."""
        self._write(self.status, data)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            durable.write(path, data)
        except OSError as error:
            raise FolderError(f"{path}: {error.strerror}") from None


def machine_identifier() -> str:
    """What the platform calls this machine, and no copy of its disk elsewhere; else the address of its network card."""
    for path in map(Path, _IDENTIFIERS):
        with contextlib.suppress(OSError, UnicodeError):
            text = path.read_text("ascii").strip()
            if text and text != "uninitialized":
                return f"{text} {hardware}" if (hardware := _hardware()) else text
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        if sys.platform == "darwin":
            command = ["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
            return done.stdout.partition('"IOPlatformUUID" = "')[2].partition('"')[0] or hex(uuid.getnode())
        if sys.platform == "win32":
            import winreg  # noqa: PLC0415 - Windows alone has it

            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography") as key:
                return str(winreg.QueryValueEx(key, "MachineGuid")[0])
    return hex(uuid.getnode())


def _hardware() -> str:
    with contextlib.suppress(OSError, UnicodeError):
        return Path(_HARDWARE).read_text("ascii").strip().casefold()
    return ""


def machine_name() -> str:
    """What this machine is called."""
    return platform.node() or "unnamed"


def own_addresses() -> tuple[str, ...]:
    """Addresses of this machine that others can reach it by."""
    import psutil  # noqa: PLC0415

    found: dict[str, None] = {}
    with contextlib.suppress(psutil.Error, OSError):
        for addresses in psutil.net_if_addrs().values():
            for each in addresses:
                text = each.address.partition("%")[0]
                if each.family in {socket.AF_INET, socket.AF_INET6} and not text.startswith(("127.", "::1", "fe80")):
                    found[text] = None
    return tuple(found)[:64]


def platform_name() -> str:
    """Operating system and its version, as far as it says: ``linux 6.1.0``."""
    return f"{sys.platform} {platform.release()}".strip()[:256]
