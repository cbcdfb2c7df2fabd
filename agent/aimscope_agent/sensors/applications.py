"""Sensor: software that the operating system or a package manager knows."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors import _applications_linux as linux
from aimscope_agent.sensors import _applications_macos as macos
from aimscope_agent.sensors import _applications_windows as windows
from aimscope_signatures.model import Observation, Value

_OF_PLATFORM = {"linux": linux.observe, "macos": macos.observe, "windows": windows.observe}


def observe(look: Look) -> Iterator[Observation]:
    """Each application once, however many sources tell of it."""
    seen: set[tuple[str, Value | None, Value | None, Value | None]] = set()
    for found in _OF_PLATFORM[look.platform](look):
        fields = found.fields
        key = (found.subject, fields["id"], fields.get("version"), fields.get("path"))
        if key not in seen:
            seen.add(key)
            yield found


SENSOR = Sensor(
    name="applications",
    doc="Applications that the operating system or a package manager knows: bundles, installers' records, packages.",
    emits=("application",),
    observe=observe,
    wants=(*linux.WANTS, *macos.WANTS, *windows.WANTS),
)
