"""Credentials of AI services: that one exists, of what provider and where; never the value.

A value stays in the call that reads it. What leaves it is the name of the variable, the name of the pattern it fits
and a digest under this machine's own key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aimscope_agent.host.facts import Found, Process
from aimscope_agent.launch import program, resolve
from aimscope_agent.readers import services_systemd as systemd
from aimscope_agent.sensor import MEGABYTE, Look, Sensor
from aimscope_agent.sensors.credentials import assignments, places
from aimscope_agent.sensors.credentials.judgement import Finding, Judge
from aimscope_signatures.model import Observation

_LARGEST_CONFIGURATION = 4 * MEGABYTE
_MOST_TEXTS = 200_000
"""Members of one parsed configuration that are looked at."""
_KTHREADD = 2


def _observe(look: Look) -> Iterator[Observation]:
    judge = Judge(look.interests, look.digest)
    for place, file in places.files(look):
        look.count("files")
        found = _config(look, file, judge) if place == "config" else _assigned(look, file, place, judge)
        for finding in found:
            yield look.see("credential", file, place=place, path=file.path, **_fields(finding))
    yield from _jobs(look, judge)
    yield from _units(look, judge)
    yield from _registry(look, judge)
    yield from _processes(look, judge)


def _jobs(look: Look, judge: Judge) -> Iterator[Observation]:
    """Variables that launchd sets for the jobs it starts."""
    for glob in places.JOBS if look.platform == "macos" else ():
        for file in look.found(glob):
            job = look.plist(file)
            pairs = list(_texts(job.get("EnvironmentVariables"))) if isinstance(job, Mapping) else []
            for finding in _once(judge.configured(pairs, "\n".join(value for _, value in pairs))):
                yield look.see("credential", file, place="config", path=file.path, **_fields(finding))


def _units(look: Look, judge: Judge) -> Iterator[Observation]:
    """Variables that systemd sets for the services it starts."""
    for file, pairs in systemd.environment(look):
        for finding in _once(judge.configured(pairs, "\n".join(value for _, value in pairs))):
            yield look.see("credential", file, place="config", path=file.path, **_fields(finding))


def _registry(look: Look, judge: Judge) -> Iterator[Observation]:
    """Variables that Windows keeps for every process of a user or of the machine, as ``setx`` writes them."""
    if look.platform != "windows":
        return
    hives = [("", places.ENVIRONMENT_OF_MACHINE), *((user.name, f"HKU/{user.name}") for user in look.users)]
    for user, hive in hives:
        path = "HKCU/Environment" if user else f"{hive}/Environment"
        for row in look.registry(hive):
            if row.key.lower() == "environment":
                for finding in _once(judge.assigned(row.values.items())):
                    yield look.see("credential", path, subject=user, place="shell", path=path, **_fields(finding))


def _fields(finding: Finding) -> dict[str, str]:
    return {"env_name": finding.env_name, "key_pattern": finding.key_pattern, "digest": finding.digest}


def _once(findings: Iterator[Finding]) -> list[Finding]:
    """One for each name and pattern: the last, which is the one that counts where a name is assigned again."""
    return list({(finding.env_name, finding.key_pattern): finding for finding in findings}.values())


def _assigned(look: Look, file: Found, place: places.Place, judge: Judge) -> list[Finding]:
    text = look.text(file)
    if text is None:
        return []
    pairs = assignments.dotenv(text) if place == "dotenv" else assignments.shell(text)
    return _once(judge.assigned(pairs))


def _config(look: Look, file: Found, judge: Judge) -> list[Finding]:
    text = look.text(file, _LARGEST_CONFIGURATION)
    if text is None:
        return []
    pairs = _settings(look, file, text) if judge.names_in(text) else ()
    return _once(judge.configured(pairs, text))


def _settings(look: Look, file: Found, text: str) -> Iterator[tuple[str, str]]:
    """Texts in a configuration, each with the name it stands under or that it gives itself (``NAME=value``)."""
    name = file.host_path.lower()
    if name.endswith(".toml"):
        return _texts(look.toml(file))
    if name.endswith((".yaml", ".yml")):
        return _texts(look.yaml(file))
    if name.endswith((".json", ".jsonc", ".json5")):
        return _texts(look.json(file, _LARGEST_CONFIGURATION))
    return assignments.dotenv(text)


def _texts(document: object) -> Iterator[tuple[str, str]]:
    todo, left = [document], _MOST_TEXTS
    while todo and left:
        value = todo.pop()
        members = value.items() if isinstance(value, Mapping) else ()
        for name, member in members:
            if isinstance(name, str) and isinstance(member, str):
                yield name, member
        for text in value if isinstance(value, list) else ():
            if isinstance(text, str) and "=" in text:
                name, _, member = text.partition("=")
                yield name, member
        children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        todo += [child for child in children if isinstance(child, Mapping | list)]
        left -= 1


def _processes(look: Look, judge: Judge) -> Iterator[Observation]:
    seen: set[tuple[str, str, str, str]] = set()
    for process in sorted(look.processes(), key=lambda each: (each.started, each.pid)):
        if look.platform == "linux" and _of_the_kernel(process):
            continue
        look.count("processes")
        findings = _environment(look, process.pid, judge)
        name = (resolve(process.argv, process.exe).process or program(process.name)) if findings else ""
        for finding in findings:
            key = (process.user, name, finding.env_name, finding.key_pattern)
            if key not in seen:
                seen.add(key)
                fields = _fields(finding)
                yield look.see(
                    "credential", "environments", subject=process.user, place="process", process=name, **fields
                )


def _environment(look: Look, pid: int, judge: Judge) -> list[Finding]:
    return _once(judge.assigned(look.environment(pid)))


def _of_the_kernel(process: Process) -> bool:
    """Threads of the kernel have no environment: none to be denied either."""
    return not process.exe and not process.argv and _KTHREADD in (process.pid, process.parent)


SENSOR = Sensor(
    name="credentials",
    doc="Keys of AI services in shell start-up files, dotenv files, tools' configuration and processes: never a value.",
    emits=("credential",),
    observe=_observe,
    wants=(
        *places.SHELL,
        *places.DOTENV,
        *places.HANDED,
        *places.JOBS,
        *systemd.globs(".service"),
        *systemd.DROP_INS,
    ),
    wants_of=places.wanted,
)
