"""What every answer is made from. Assembled once, handed to all handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
import sqlalchemy as sa
from litestar.di import NamedDependency
from nacl.public import PrivateKey
from nacl.secret import SecretBox

from aimscope_collector.accounts import Principal
from aimscope_collector.deliver.exporter import Exporter
from aimscope_collector.door import Door
from aimscope_collector.feeds import FeedsError
from aimscope_collector.http.attempts import Attempts
from aimscope_collector.http.sign_on.provider import Provider
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.keys import KeysError, Whose
from aimscope_collector.services import Service
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.matcher import Matcher


def _nowhere(_connection: sa.Connection, _body: bytes, _actor: str) -> int:
    raise FeedsError("nothing can be signed here")


def _elsewhere() -> SecretBox:
    raise KeysError("the key of second factors is not here")


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The collector as handlers see it.

    ``now`` is the time in seconds since 1970 UTC, ``randomness`` gives so many bytes, ``private_key`` opens
    names and raises ``keys.KeysError`` where it is kept elsewhere. ``touch`` asks for reconciliation of
    services (``None``: of all). ``used`` notes that a key was used,
    ``preview`` judges by an inventory that is not in force: finding → verdict. ``sign_report`` gives an Ed25519
    signature and the public key that checks it, and raises ``feeds.FeedsError`` where the key is kept elsewhere.
    """

    engine: sa.Engine
    door: Door
    now: Callable[[], int]
    randomness: Callable[[int], bytes]
    services: Mapping[str, Service]
    catalogue: str
    version: str
    private_key: Callable[[Whose], PrivateKey]
    touch: Callable[[frozenset[str] | None], None]
    used: Callable[[int], None]
    preview: Callable[[Inventory], dict[str, str]]
    publish_policy: Callable[[sa.Connection, bytes, str], int]
    publish_overlay: Callable[[sa.Connection, bytes, str], int] = _nowhere
    """Signs and offers the organisation's own services. Raises ``FeedsError``."""
    matcher: Callable[[], Matcher] = lambda: Matcher(Catalogue((), ""))
    """Of the catalogue in force, with the organisation's own services."""
    shipped: Catalogue = Catalogue((), "")
    """What came with this version: what the organisation's own services prove themselves beside."""
    sign_report: Callable[[bytes], tuple[bytes, bytes]]
    codes: Callable[[], SecretBox] = _elsewhere
    """What seals the secrets of second factors. Raises ``keys.KeysError``."""
    attempts: Attempts = msgspec.field(default_factory=Attempts)
    """How often addresses tried to log in, in this process."""
    provider: Provider | None = None
    """Where people log in, if elsewhere."""

    @property
    def rescue(self) -> bool:
        """Whether people log in elsewhere, so that a password is for an administrator in need."""
        return self.provider is not None and self.provider.rescue

    mail: Callable[[], Sequence[str]] = tuple
    """Names of destinations that are e-mail. Raises ``DestinationsError``."""
    exporter: Callable[[], Exporter] | None = None
    """What delivers events to destinations. Raises ``DestinationsError``."""


Here: TypeAlias = NamedDependency[Given]
"""A handler's parameter ``given``."""
Who: TypeAlias = NamedDependency[Principal]
"""A handler's parameter ``who``: whoever asks; the guard has let them in."""
