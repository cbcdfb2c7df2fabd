"""Finds the sensors by walking their folder: a new one needs no entry anywhere."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from aimscope_agent import sensors as folder
from aimscope_agent.sensor import Sensor


@functools.cache
def sensors() -> tuple[Sensor, ...]:
    """Every sensor, by name. Modules that start with ``_`` are helpers of sensors.

    ``TypeError`` names a module that is no sensor or not named like it.
    """
    result: list[Sensor] = []
    for info in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
        name = info.name.rpartition(".")[2]
        if name.startswith("_"):
            continue
        sensor = getattr(importlib.import_module(info.name), "SENSOR", None)
        if not isinstance(sensor, Sensor) or sensor.name != name:
            raise TypeError(f"{info.name} must end in SENSOR = Sensor(name={name!r}, …)")
        result.append(sensor)
    return tuple(sorted(result, key=lambda sensor: sensor.name))
