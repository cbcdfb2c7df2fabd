"""Sensor: libraries and tools of language ecosystems that are installed (declared ones are the code scan's)."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors import _packages_go as go
from aimscope_agent.sensors import _packages_npm as npm
from aimscope_agent.sensors import _packages_python as python
from aimscope_agent.sensors import _packages_tools as tools
from aimscope_signatures.model import Observation


def observe(look: Look) -> Iterator[Observation]:
    """Each ecosystem on its own."""
    yield from python.observe(look)
    yield from npm.observe(look)
    yield from tools.observe(look)
    yield from go.observe(look)


SENSOR = Sensor(
    name="packages",
    doc="Installed packages of Python, conda, npm and its kin, cargo, Go and RubyGems: names and versions.",
    emits=("package",),
    observe=observe,
    wants=(*python.WANTS, *npm.WANTS, *tools.WANTS, *go.WANTS),
)
