"""Finds the sources by walking their folder: a new one needs no entry anywhere."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from aimscope_agent import sources as folder
from aimscope_agent.sources._source import Source


@functools.cache
def sources() -> Mapping[str, Source]:
    """Every source, by name. Modules that start with ``_`` are helpers of sources.

    ``TypeError`` names a module that is no source or not named like it.
    """
    found: dict[str, Source] = {}
    for info in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
        name = info.name.rpartition(".")[2]
        if name.startswith("_"):
            continue
        source = getattr(importlib.import_module(info.name), "SOURCE", None)
        if not isinstance(source, Source) or source.name != name:
            raise TypeError(f"{info.name} must end in SOURCE = Source(name={name!r}, …)")
        found[name] = source
    return dict(sorted(found.items()))
