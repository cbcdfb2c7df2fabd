"""Services that start programs: systemd units, launchd jobs, Windows services."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.readers import services_launchd as launchd
from aimscope_agent.readers import services_systemd as systemd
from aimscope_agent.readers import services_windows as windows
from aimscope_agent.sensor import Look, Sensor
from aimscope_signatures.model import Observation


def _observe(look: Look) -> Iterator[Observation]:
    yield from _systemd(look)
    yield from _launchd(look)
    if look.platform == "windows":
        yield from _windows(look)


def _systemd(look: Look) -> Iterator[Observation]:
    units = systemd.units(look, ".service")
    wanted = systemd.wanted(look)
    for key, file in units.items():
        launch = systemd.launch(look, file)
        if launch is None:
            continue
        look.count("services")
        yield look.see(
            "service",
            file,
            manager="systemd",
            name=key[1].removesuffix(".service"),
            process=launch.process,
            package=launch.package,
            command=launch.command,
            enabled=key in wanted and not systemd.masked(look, key[1], file),
            path=file.path,
        )


def _launchd(look: Look) -> Iterator[Observation]:
    for job in launchd.jobs(look):
        if job.timed:
            continue  # a scheduled task
        look.count("services")
        yield look.see(
            "service",
            job.file,
            manager="launchd",
            name=job.label,
            process=job.launch.process,
            package=job.launch.package,
            command=job.launch.command,
            enabled=job.enabled,
            path=job.file.path,
        )


def _windows(look: Look) -> Iterator[Observation]:
    for entry in windows.entries(look):
        look.count("services")
        yield look.see(
            "service",
            "registry",
            manager="windows",
            name=entry.name,
            process=entry.launch.process,
            package=entry.launch.package,
            command=entry.launch.command,
            enabled=entry.enabled,
        )


SENSOR = Sensor(
    name="services",
    doc="Services that start programs: systemd units, launchd jobs, Windows services.",
    emits=("service",),
    observe=_observe,
    wants=(*systemd.globs(".service"), *systemd.LINKS, *launchd.GLOBS),
)
