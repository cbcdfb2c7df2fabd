"""Timed jobs: cron, systemd timers, launchd jobs with a schedule, Windows tasks."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.launch import Launch, resolve
from aimscope_agent.readers import services_launchd as launchd
from aimscope_agent.readers import services_systemd as systemd
from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors import _scheduled_tasks_cron as cron
from aimscope_agent.sensors import _scheduled_tasks_windows as windows
from aimscope_signatures.model import Observation, Status

_SYSTEM_CRON = ("/etc/crontab", "/etc/cron.d/*")
_USERS_CRON = ("/var/spool/cron/crontabs/*", "/var/spool/cron/*", "/var/at/tabs/*")
_TASKS = "/Windows/System32/Tasks/**"


def _observe(look: Look) -> Iterator[Observation]:
    yield from _cron(look)
    yield from _timers(look)
    for job in launchd.jobs(look):
        if job.timed:
            yield _task(look, "launchd", job.label, job.file, job.launch)
    yield from _windows(look)


def _cron(look: Look) -> Iterator[Observation]:
    for glob in (*_SYSTEM_CRON, *_USERS_CRON):
        for file in look.found(glob):
            name = systemd.base(file)
            if cron.left_over(name):
                continue
            own = glob in _USERS_CRON
            text = look.text(file) or ""
            if text.count("\n") > cron.MOST_LINES:
                look.gap(file.path, Status.PARTIAL, f"more than {cron.MOST_LINES:,} lines")
            for command in cron.commands(text, with_user=not own):
                yield _task(look, "cron", name, file, resolve(["sh", "-c", command]), subject=name if own else "")


def _timers(look: Look) -> Iterator[Observation]:
    services = systemd.units(look, ".service")
    for (user, name), file in systemd.units(look, ".timer").items():
        timer = systemd.settings(look.text(file) or "", "Timer")
        if timer is None:
            continue
        own = name.removesuffix(".timer")
        unit = (timer.get("Unit") or [own + ".service"])[-1]
        service = services.get((user, unit)) or services.get((user, systemd.template(unit)))
        launch = systemd.launch(look, service) if service else None
        yield _task(look, "systemd", own, file, launch or Launch())


def _windows(look: Look) -> Iterator[Observation]:
    for file in look.found(_TASKS):
        text = look.text(file)
        lines = windows.command_lines(text) if text is not None else []
        if lines is None:
            look.gap(file.path, Status.PARTIAL, "not a task")
            continue
        name = file.host_path.split("/", 4)[-1]
        for words in lines:
            yield _task(look, "windows", name, file, resolve(words))


def _task(look: Look, scheduler: str, name: str, file: Found, launch: Launch, subject: str = "") -> Observation:
    look.count("tasks")
    return look.see(
        "scheduled_task",
        file,
        subject=subject,
        scheduler=scheduler,
        name=name,
        process=launch.process,
        package=launch.package,
        command=launch.command,
        path=file.path,
    )


SENSOR = Sensor(
    name="scheduled_tasks",
    doc="Timed jobs: cron, systemd timers, launchd jobs with a schedule, Windows tasks.",
    emits=("scheduled_task",),
    observe=_observe,
    wants=(
        *_SYSTEM_CRON,
        *_USERS_CRON,
        *systemd.globs(".timer"),
        *systemd.globs(".service"),
        *launchd.GLOBS,
        _TASKS,
    ),
)
