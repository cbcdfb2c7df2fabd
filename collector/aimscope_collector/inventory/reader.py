"""What a reader of one file type is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.problems import Loaded

MAX_BYTES: Final = 20_000_000


class Reader(msgspec.Struct, frozen=True):
    """A file type: its suffixes, and how its bytes become an inventory. ``read`` never raises."""

    suffixes: tuple[str, ...]
    doc: str
    read: Callable[[bytes, str], Loaded[Inventory]]
