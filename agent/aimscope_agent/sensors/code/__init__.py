"""Sensor: the AI that project folders declare, import, call and ship, installed or not."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.host.reading import read_text
from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors.code.facts import Reader
from aimscope_agent.sensors.code.files import Plan, plan
from aimscope_agent.sensors.code.imports import Modules
from aimscope_signatures.model import Observation, Status

_FILES = "./**"
_START = 8_192


def observe(look: Look) -> Iterator[Observation]:
    """Each project on its own: its modules hide packages of the same name."""
    projects = sorted({look.at(project).host_path.rstrip("/") for project in look.options.projects}, key=len)
    files: dict[str, dict[str, Found]] = {project: {} for project in projects}
    for found in look.found(_FILES):
        # of projects within each other the outermost has the file
        project = next(project for project in projects if found.host_path.startswith(f"{project}/"))
        files[project][found.host_path[len(project) + 1 :]] = found
    for project, inside in files.items():
        modules = Modules(frozenset(path for path in inside if path.endswith(".py")))
        reader = Reader(look.interests, modules)
        prefix = f"{project.rpartition('/')[2]}/" if len(projects) > 1 else ""
        for path, found in inside.items():
            if (how := plan(path)) and (text := _text(look, found, how)):
                yield from _observed(look, reader, found, path, prefix, how, text)


def _observed(
    look: Look, reader: Reader, found: Found, path: str, prefix: str, how: Plan, text: str
) -> Iterator[Observation]:
    def note(reason: str) -> None:
        look.gap(found.path, Status.FAILED, reason)

    for fact, line in reader.read(path, how, text, note):
        fields = dict(fact.fields)
        yield look.see(fact.kind, f"{prefix}{path}:{line}", path=path, line=line, **fields)


def _text(look: Look, found: Found, how: Plan) -> str:
    """What a file says; nothing where it is not text, or larger than people write."""
    data = look.head(found, how.limit + 1)
    if data is None:
        return ""
    look.count("files")
    if len(data) > how.limit:
        if how.told:
            look.gap(found.path, Status.PARTIAL, f"larger than {how.limit >> 20} MiB")
        else:
            look.count("files too large to be written by people")
        return ""
    if b"\0" in data[:_START] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ""
    return read_text(data)


SENSOR = Sensor(
    name="code",
    doc="Projects: packages declared, locked and imported, hosts, model ids and container images that code names.",
    emits=("code.package", "code.endpoint", "code.model", "code.image"),
    observe=observe,
    wants=(_FILES,),
    target="code",
)
