"""Running programs: what each really is, who runs it and what started it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aimscope_agent.host.facts import Process
from aimscope_agent.readers.running import running, shown
from aimscope_agent.sensor import Look, Sensor
from aimscope_signatures.model import Observation

_KTHREADD = 2
"""Linux: every thread of the kernel descends from this process."""


def _observe(look: Look) -> Iterator[Observation]:
    processes = {process.pid: process for process in look.processes()}
    launches = {pid: running(process) for pid, process in processes.items()}
    seen: set[tuple[str, ...]] = set()
    for process in sorted(processes.values(), key=lambda each: (each.started, each.pid)):
        if look.platform == "linux" and _of_the_kernel(process, processes):
            continue
        look.count("processes")
        launch = launches[process.pid]
        exe = shown(process.exe, process.user, look.users)
        script = shown(launch.script, process.user, look.users)
        parent = launches[process.parent].process if process.parent in launches else ""
        key = (launch.process, launch.package, process.user, exe, script, parent)
        if key in seen or not launch.process:
            continue
        seen.add(key)
        yield look.see(
            "process",
            "processes",
            subject=process.user,
            name=launch.process,
            exe=exe,
            command=launch.command,
            script=script,
            package=launch.package,
            parent=parent,
            signer=process.signer,
            pid=process.pid,
            started=process.started or None,
        )


def _of_the_kernel(process: Process, processes: Mapping[int, Process]) -> bool:
    ancestors: set[int] = set()
    each: Process | None = process
    while each is not None and not each.exe and not each.argv and each.pid not in ancestors:
        if each.pid == _KTHREADD:
            return True
        ancestors.add(each.pid)
        each = processes.get(each.parent)
    return False


SENSOR = Sensor(
    name="processes",
    doc="Running programs, interpreters and launchers resolved to what they run.",
    emits=("process",),
    observe=_observe,
)
