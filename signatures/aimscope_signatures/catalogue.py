"""The signature catalogue: services, their clauses, and a version that is the hash of the content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from aimscope_signatures import expand
from aimscope_signatures.conditions import regex_literal
from aimscope_signatures.interests import Interests, KeyPattern, ProbePlan
from aimscope_signatures.kinds import KINDS, FieldType
from aimscope_signatures.signature import Clause, Problem, Refused, Signature

SERVICES = Path(__file__).parent / "services"


class Entry(msgspec.Struct, frozen=True):
    """One service in compiled form. ``source`` is the whole signature, decoded only when somebody asks."""

    id: str
    name: str
    vendor: str
    category: str
    surface: tuple[str, ...]
    maturity: str
    part_of: str
    also: tuple[str, ...]
    aliases: tuple[str, ...]
    domains: tuple[str, ...]
    ports: tuple[int, ...]
    clauses: tuple[Clause, ...]
    source: msgspec.Raw

    @property
    def signature(self) -> Signature:
        """The signature as its file states it."""
        return msgspec.msgpack.decode(self.source, type=Signature)


class Catalogue:
    """Services by id. Frozen once built; two catalogues with one ``version`` hold the same content."""

    def __init__(self, entries: Iterable[Entry], version: str) -> None:
        self.entries: Mapping[str, Entry] = {entry.id: entry for entry in entries}
        self.version = version

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def __contains__(self, service: object) -> bool:
        return service in self.entries

    def get(self, service: str) -> Entry | None:
        """The entry of a service id, or ``None``."""
        return self.entries.get(service)

    def overlaid(self, other: Catalogue) -> Catalogue:
        """Our services with the organisation's own: an own entry replaces ours of the same id."""
        version = hashlib.sha256(f"{self.version}+{other.version}".encode()).hexdigest()
        return Catalogue({**self.entries, **other.entries}.values(), version)

    @cached_property
    def interests(self) -> Interests:
        """What sensors look for on behalf of this catalogue."""
        return _interests(self)


def compiled(signature: Signature) -> Entry:
    """A signature in compiled form."""
    return Entry(
        id=signature.id,
        name=signature.name,
        vendor=signature.vendor,
        category=signature.category,
        surface=signature.surface,
        maturity=signature.maturity,
        part_of=signature.part_of,
        also=signature.also,
        aliases=signature.aliases,
        domains=(*signature.domains, *signature.hosts),
        ports=signature.ports,
        clauses=expand.clauses(signature),
        source=msgspec.Raw(msgspec.msgpack.encode(signature)),
    )


def files(folder: Path = SERVICES) -> tuple[Path, ...]:
    """The signature files below a folder, sorted."""
    return tuple(sorted(folder.glob("*/*.yaml")))


def content_hash(folder: Path = SERVICES) -> str:
    """SHA-256 over names and contents of the files: the catalogue's version."""
    digest = hashlib.sha256()
    # a checkout does this at every start: strings, for paths as objects cost more than the reading
    groups = [entry.path for entry in os.scandir(folder) if entry.is_dir()]
    for group in sorted(groups):
        for name in sorted(os.listdir(group)):  # noqa: PTH208
            if name.endswith(".yaml"):
                with open(f"{group}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
                    data = file.read()
                digest.update(f"{os.path.basename(group)}/{name}\0{len(data)}\0".encode())  # noqa: PTH119
                digest.update(data)
    return digest.hexdigest()


def read(folder: Path = SERVICES) -> tuple[Catalogue, tuple[Problem, ...]]:
    """The well-formed signatures of a folder, and the problems of all the others.

    Problems are malformed files, an id that is there twice or is not the file's name, and a category that is
    not the folder's.
    """
    from aimscope_signatures import schema  # noqa: PLC0415 - YAML, which a compiled catalogue does without

    problems: list[Problem] = []
    entries: dict[str, Entry] = {}
    for path in files(folder):
        try:
            signature = schema.read(path)
        except Refused as refused:
            problems.extend(refused.problems)
            continue
        wrong = []
        if signature.id != path.stem:
            wrong.append(f"id {signature.id!r} is not the file's name {path.stem!r}")
        if signature.category != path.parent.name:
            wrong.append(f"category {signature.category!r} is not the folder's")
        if signature.id in entries:
            wrong.append(f"id {signature.id!r} is in the catalogue already")
        problems.extend(Problem(str(path), 1, message) for message in wrong)
        if not wrong:
            entries[signature.id] = compiled(signature)
    return Catalogue(entries.values(), content_hash(folder)), tuple(problems)


def load(folder: Path = SERVICES) -> Catalogue:
    """The catalogue in a folder of YAML files. Raises ``Refused`` with the problems of *all* files."""
    found, problems = read(folder)
    if problems:
        raise Refused(problems)
    return found


def _interests(catalogue: Catalogue) -> Interests:
    paths: dict[str, dict[str, str]] = {"config": {}, "mcp_config": {}, "project_files": {}}
    env: set[str] = set()
    env_patterns: list[str] = []
    keys: list[KeyPattern] = []
    probes: list[ProbePlan] = []
    processes: set[str] = set()
    packages: set[str] = set()
    model_ids: list[str] = []
    hosts: list[str] = []
    urls: list[str] = []
    for entry in catalogue:
        hints: list[str] = []
        for clause in entry.clauses:
            values = clause.tests[0].values
            match clause.section:
                case "env":
                    env.update(value for value in values if "*" not in value)
                    env_patterns.extend(value for value in values if "*" in value)
                case "keys":
                    keys.extend(
                        KeyPattern(f"{entry.id}#{number}", regex_literal(value), value)
                        for number, value in enumerate(values)
                    )
                case "processes":
                    processes.update(values)
                    hints.extend(values)
                case "packages":
                    packages.update(values)
                    hints.extend(values)
                case "model_ids":
                    model_ids.extend(values)
                case "domains" | "hosts":
                    hosts.extend(values)
                case "" if clause.kind == "code.endpoint":
                    urls.append("".join(test.values[0] for test in clause.tests))
                case "":
                    programs, shipped = _written(clause, "process_name"), _written(clause, "package")
                    processes.update(programs)
                    packages.update(shipped)
                    hints.extend((*programs, *shipped))
        signature = entry.signature if entry.ports or _has_paths(entry) else None
        if signature is None:
            continue
        for section, owners in paths.items():
            owners.update(dict.fromkeys(getattr(signature, section), entry.id))
        probes.extend(
            ProbePlan(entry.id, probe.path, entry.ports, tuple(hints), probe.accept)
            for probe in signature.probes.values()
        )
    return Interests(
        **paths,
        env=frozenset(env),
        env_patterns=tuple(env_patterns),
        keys=tuple(keys),
        probes=tuple(probes),
        processes=frozenset(processes),
        packages=frozenset(packages),
        model_ids=tuple(model_ids),
        hosts=tuple(hosts),
        urls=tuple(urls),
    )


_OF_PROGRAMS = frozenset({"process", "shell.command", "service"})


def _written(clause: Clause, field_type: FieldType) -> tuple[str, ...]:
    """Whole names that a clause without a section asks for, such as the command of a tool that no section may claim."""
    if clause.kind not in _OF_PROGRAMS:
        return ()
    fields = KINDS[clause.kind].fields
    return tuple(
        value
        for test in clause.tests
        if test.operator in {"equals", "basename"} and fields[test.field].type == field_type
        if not fields[test.field].context
        for value in test.values
    )


def _has_paths(entry: Entry) -> bool:
    return any(clause.section in {"config", "mcp_config", "project_files"} for clause in entry.clauses) or any(
        clause.kind == "http.response" for clause in entry.clauses
    )
