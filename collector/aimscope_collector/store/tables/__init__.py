"""The database's tables, a module for each group that has one owner. Importing the room declares them all."""

from __future__ import annotations

import importlib
import pkgutil

from aimscope_collector.store.tables._base import METADATA

for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["METADATA"]
