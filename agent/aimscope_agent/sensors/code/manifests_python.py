"""What Python projects declare that they need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from aimscope_agent.host.reading import read_json, read_toml, read_yaml
from aimscope_agent.sensors.code.text import Named, placed

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,213}[A-Za-z0-9])?"
_REQUIREMENT = re.compile(rf"\s*(?P<name>{_NAME})\s*(?:\[[^\]\n]{{0,500}}\])?\s*(?:$|[=<>!~;@#\\(]|--)")
_EGG = re.compile(rf"[#&]egg=(?P<name>{_NAME})")
_OF_SETUP = re.compile(r"\b(?:install_requires|setup_requires|tests_require|extras_require)\s{0,20}=\s{0,20}[\[{(]")
_STRING = re.compile(r"([\"'])(?P<text>[^\"'\n]{1,500})\1(?P<key>\s{0,20}:)?")
_SETUP_KEYS = frozenset({"install_requires", "tests_require", "setup_requires"})
_NO_PACKAGES = frozenset({"python", "pip"})


def requirement(text: str) -> str:
    """Name of the distribution that a requirement asks for; empty if it asks for none."""
    found = _REQUIREMENT.match(text)
    return found["name"] if found else ""


def requirements(text: str) -> Iterator[Named]:
    """``requirements.txt``: one requirement a line, options and continued lines apart."""
    offset, continued = 0, False
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        if not continued and stripped and stripped[0] != "#":
            found = _EGG.search(line) if stripped[0] in "-gh" and "egg=" in stripped else None
            if found is None and stripped[0] != "-":
                found = _REQUIREMENT.match(line.rstrip())
            if found:
                yield f"pypi:{found['name']}", offset + found.start("name")
        continued = stripped.endswith("\\")
        offset += len(line)


def pyproject(text: str) -> Iterator[Named]:
    """``pyproject.toml`` of any tool: dependencies, extras and groups."""
    data = read_toml(text.encode())
    project, tool = _table(data.get("project")), _table(data.get("tool"))
    names = list(_required(project.get("dependencies")))
    names += _each(project.get("optional-dependencies"))
    names += _each(data.get("dependency-groups"))
    poetry = _table(tool.get("poetry"))
    tables = [poetry.get("dependencies"), poetry.get("dev-dependencies")]
    tables += [_table(group).get("dependencies") for group in _table(poetry.get("group")).values()]
    names += [name for table in tables for name in _table(table) if name != "python"]
    names += _required(_table(tool.get("uv")).get("dev-dependencies"))
    names += _each(_table(tool.get("pdm")).get("dev-dependencies"))
    for environment in _table(_table(tool.get("hatch")).get("envs")).values():
        for key in ("dependencies", "extra-dependencies"):
            names += _required(_table(environment).get(key))
    yield from placed(text, dict.fromkeys(names), "pypi")


def pipfile(text: str) -> Iterator[Named]:
    """``Pipfile``: every table of packages, also of own categories."""
    names = [
        name
        for section, table in read_toml(text.encode()).items()
        if section not in {"source", "requires", "scripts", "pipenv"}
        for name in _table(table)
    ]
    yield from placed(text, dict.fromkeys(names), "pypi")


def setup_py(text: str) -> Iterator[Named]:
    """``setup.py``, never run: strings between the brackets that follow ``install_requires=`` and its like."""
    end = 0
    for found in _OF_SETUP.finditer(text):
        start = found.end()
        if start <= end:
            continue
        end = _closing(text, start)
        for string in _STRING.finditer(text, start, end):
            if not string["key"] and (name := requirement(string["text"])):
                yield f"pypi:{name}", string.start("text")


def _closing(text: str, start: int, most: int = 20_000) -> int:
    """Where the bracket that was opened before ``start`` closes."""
    depth = 1
    for found in re.compile(r"[\[({]|[\])}]").finditer(text, start, start + most):
        depth += 1 if found[0] in "[({" else -1
        if not depth:
            return found.start()
    return min(len(text), start + most)


def setup_cfg(text: str) -> Iterator[Named]:
    """``setup.cfg``: requirements of setuptools, on the line of the key or indented below it."""
    section, key, offset = "", "", 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        rest = line
        if not stripped or stripped[0] in "#;":
            rest = ""
        elif stripped[0] == "[" and not line[0].isspace():
            section, key, rest = stripped.strip("[]").strip(), "", ""
        elif not line[0].isspace():
            key, _, value = line.partition("=")
            rest = " " * (len(line) - len(value)) + value
            key = key.strip()
        wanted = (section == "options" and key in _SETUP_KEYS) or section == "options.extras_require"
        if wanted and rest.strip() and (found := _REQUIREMENT.match(rest.rstrip())):
            yield f"pypi:{found['name']}", offset + found.start("name")
        offset += len(line)


def environment(text: str) -> Iterator[Named]:
    """``environment.yml`` of conda, with what pip adds to it."""
    listed = _table(read_yaml(text.encode())).get("dependencies")
    conda: list[str] = []
    pip: list[str] = []
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, str):
            name = entry.rpartition("::")[2].strip()
            conda.append(re.split(r"[\s=<>!~\[]", name, maxsplit=1)[0])
        else:
            pip += _required(_table(entry).get("pip"))
    yield from placed(text, (name for name in dict.fromkeys(conda) if name and name not in _NO_PACKAGES), "conda")
    yield from placed(text, dict.fromkeys(pip), "pypi")


def pipfile_lock(text: str) -> Iterator[Named]:
    """``Pipfile.lock``."""
    names = [
        name
        for section, table in _table(read_json(text.encode())).items()
        if section != "_meta"
        for name in _table(table)
    ]
    yield from placed(text, dict.fromkeys(names), "pypi")


def _table(value: object) -> Mapping[str, object]:
    return {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, Mapping) else {}


def _required(value: object) -> Iterable[str]:
    """Distributions that a list of requirements asks for."""
    entries = value if isinstance(value, list) else ()
    return [name for entry in entries if isinstance(entry, str) and (name := requirement(entry))]


def _each(groups: object) -> list[str]:
    return [name for group in _table(groups).values() for name in _required(group)]
