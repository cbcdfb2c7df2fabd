"""What projects of other languages declare that they need, and which file is read how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aimscope_agent.host.reading import read_json, read_toml
from aimscope_agent.sensors.code import manifests_python as python
from aimscope_agent.sensors.code.text import Named, Reader, placed

_NPM_KEYS = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
_NPM_LOCAL = ("workspace:", "file:", "link:", "portal:")
_NPM_ALIAS = re.compile(r"npm:((?:@[\w.~-]{1,214}/)?[\w.~-]{1,214})")
_CARGO_KEYS = ("dependencies", "dev-dependencies", "build-dependencies")
_GO_BLOCK = re.compile(r"^[ \t]*(?P<verb>[a-z]+)[ \t]*\(|^[ \t]*(?P<end>\))|^[ \t]*(?P<line>[^\n]+)", re.MULTILINE)
_GO_MODULE = re.compile(r"(?P<path>[\w.~-]{1,200}(?:/[\w.~-]{1,200}){0,20})[ \t]+v\d")
_GEM = re.compile(r"^[ \t]*gem[ \t(]+[\"'](?P<name>[\w.-]{1,214})[\"']", re.MULTILINE)
_GEMSPEC = re.compile(r"\.add_(?:runtime_|development_)?dependency[ \t(]+[\"'](?P<name>[\w.-]{1,214})[\"']")
_XML_COMMENT = re.compile(r"<!--[\s\S]*?(?:-->|\Z)")
_POM = re.compile(
    r"<dependency>\s{0,200}<groupId>\s{0,40}(?P<group>[\w.-]{1,200})\s{0,40}</groupId>\s{0,200}"
    r"<artifactId>\s{0,40}(?P<name>[\w.-]{1,200})\s{0,40}</artifactId>"
)
_GRADLE = re.compile(
    r"[\"'](?P<group>[a-zA-Z][\w-]{0,60}(?:\.[\w-]{1,60}){0,10}):(?P<name>[\w.-]{1,200})(?::[^\"'\n]{0,200})?[\"']"
)
_GRADLE_NAMED = re.compile(
    r"\bgroup\s{0,9}[:=]\s{0,9}[\"'](?P<group>[\w.-]{1,200})[\"']\s{0,9},\s{0,20}"
    r"name\s{0,9}[:=]\s{0,9}[\"'](?P<name>[\w.-]{1,200})[\"']"
)
_NUGET = re.compile(
    r"<(?:PackageReference|PackageVersion|GlobalPackageReference)\b[^<>]{0,500}?\b(?:Include|Update)\s{0,9}=\s{0,9}"
    r"\"(?P<name>[\w.-]{1,200})\"|<package\b[^<>]{0,500}?\bid\s{0,9}=\s{0,9}\"(?P<id>[\w.-]{1,200})\""
)


def _table(value: object) -> Mapping[str, object]:
    return {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, Mapping) else {}


def package_json(text: str) -> Iterator[Named]:
    """``package.json``; packages of the same workspace are left out, aliases looked through."""
    data = _table(read_json(text.encode()))
    names: dict[str, None] = {}
    for key in _NPM_KEYS:
        for name, version in _table(data.get(key)).items():
            wanted = version if isinstance(version, str) else ""
            alias = _NPM_ALIAS.match(wanted)
            if not wanted.startswith(_NPM_LOCAL):
                names[alias[1] if alias else name] = None
    yield from placed(text, names, "npm")


def cargo_toml(text: str) -> Iterator[Named]:
    """``Cargo.toml``: of the package, its targets and its workspace."""
    data = read_toml(text.encode())
    holders = [data, _table(data.get("workspace")), *map(_table, _table(data.get("target")).values())]
    names: dict[str, None] = {}
    for holder in holders:
        for key in _CARGO_KEYS:
            for name, wanted in _table(holder.get(key)).items():
                real = _table(wanted).get("package")
                names[real if isinstance(real, str) and real else name] = None
    yield from placed(text, names, "cargo")


def go_mod(text: str) -> Iterator[Named]:
    """``go.mod``: what is required and used (``// indirect`` is what others require)."""
    block = ""
    for found in _GO_BLOCK.finditer(text):
        if found["verb"]:
            block = found["verb"]
        elif found["end"]:
            block = ""
        elif line := found["line"]:
            verb, _, rest = line.partition(" ")
            entry = line if block else rest
            if (
                (block or verb) == "require"
                and "// indirect" not in line
                and (module := _GO_MODULE.match(entry.lstrip()))
            ):
                start = found.start("line") + len(line) - len(entry.lstrip())
                yield f"go:{module['path']}", start


def gemfile(text: str) -> Iterator[Named]:
    """``Gemfile`` and ``*.gemspec``."""
    for pattern in (_GEM, _GEMSPEC):
        for found in pattern.finditer(text):
            yield f"gem:{found['name']}", found.start("name")


def pom(text: str) -> Iterator[Named]:
    """``pom.xml``, by what stands between the tags: entities and comments mean nothing."""
    plain = _XML_COMMENT.sub(lambda found: " " * len(found[0]), text)
    for found in _POM.finditer(plain):
        yield f"maven:{found['group']}:{found['name']}", found.start("name")


def gradle(text: str) -> Iterator[Named]:
    """``build.gradle``, Kotlin's form of it, and its catalogue of versions."""
    for pattern in (_GRADLE, _GRADLE_NAMED):
        for found in pattern.finditer(text):
            yield f"maven:{found['group']}:{found['name']}", found.start("name")


def composer(text: str) -> Iterator[Named]:
    """``composer.json``; what has no vendor (``php``, ``ext-curl``) is no package."""
    data = _table(read_json(text.encode()))
    names = dict.fromkeys(name for key in ("require", "require-dev") for name in _table(data.get(key)) if "/" in name)
    yield from placed(text, names, "composer")


def nuget(text: str) -> Iterator[Named]:
    """Project files of .NET."""
    plain = _XML_COMMENT.sub(lambda found: " " * len(found[0]), text)
    for found in _NUGET.finditer(plain):
        group = "name" if found["name"] else "id"
        yield f"nuget:{found[group]}", found.start(group)


_EXACT: dict[str, Reader] = {
    "pyproject.toml": python.pyproject,
    "setup.cfg": python.setup_cfg,
    "setup.py": python.setup_py,
    "pipfile": python.pipfile,
    "package.json": package_json,
    "cargo.toml": cargo_toml,
    "go.mod": go_mod,
    "gemfile": gemfile,
    "gems.rb": gemfile,
    "pom.xml": pom,
    "composer.json": composer,
    "libs.versions.toml": gradle,
    "packages.config": nuget,
    "directory.packages.props": nuget,
    "directory.build.props": nuget,
}
_SUFFIXES: dict[str, Reader] = {
    ".gradle": gradle,
    ".gradle.kts": gradle,
    ".gemspec": gemfile,
    ".csproj": nuget,
    ".fsproj": nuget,
    ".vbproj": nuget,
}
_REQUIREMENTS = re.compile(r"(?:.*[-_.])?requirements?(?:[-_.].*)?\.(?:txt|in)|requirements/[^/]+\.(?:txt|in)")
_ENVIRONMENT = re.compile(r"(?:.*[-_.])?(?:environment|conda)(?:[-_.].*)?\.ya?ml")


def reader(path: str) -> Reader | None:
    """Who reads the manifest at a path; ``None`` if it is none."""
    folder, _, name = path.lower().rpartition("/")
    if exact := _EXACT.get(name):
        return exact
    dot = name.find(".gradle") if ".gradle" in name else name.rfind(".")
    if (by_suffix := _SUFFIXES.get(name[dot:])) and dot >= 0:
        return by_suffix
    if name.endswith((".txt", ".in")):
        below = f"{folder.rpartition('/')[2]}/{name}"
        return python.requirements if _REQUIREMENTS.fullmatch(name) or _REQUIREMENTS.fullmatch(below) else None
    if name.endswith((".yml", ".yaml")) and _ENVIRONMENT.fullmatch(name):
        return python.environment
    return None
