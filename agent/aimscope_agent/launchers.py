"""Programs that run what somebody else wrote: package runners, virtual machines, container engines.

Each reader takes the words after the program's name, and tells what they start or the command line they pass on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from aimscope_agent import launch_options as options
from aimscope_agent.redact import HIDDEN

Reader = Callable[[list[str]], "Launch | list[str]"]


class Launch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What runs.

    ``process`` is the base name of what runs, ``package`` the typed package (``npm:…``, ``pypi:…``, ``jar:…``)
    where one can be told, ``script`` the script's path, ``image`` a container image, ``host`` the host of a URL
    handed to a bridge such as ``mcp-remote``; ``command`` the command line with anything private taken out.
    """

    process: str = ""
    package: str = ""
    script: str = ""
    image: str = ""
    host: str = ""
    command: str = ""


def program(word: str) -> str:
    """Base name of an executable, without the suffixes Windows adds; empty for a URL."""
    if "://" in word:
        return ""
    base = re.split(r"[\\/]", word.rstrip("\\/"))[-1] if "/" in word or "\\" in word else _first(word)
    for suffix in (".exe", ".cmd", ".bat", ".ps1", ".com"):
        if base.lower().endswith(suffix) and len(base) > len(suffix):
            return base[: -len(suffix)][:255]
    return base[:255]


def _first(title: str) -> str:
    """A login shell is called ``-bash``, a renamed process ``gunicorn: master``."""
    return (title.split() or [""])[0].removeprefix("-").rstrip(":") or title


def script_at(word: str) -> Launch:
    """A script given by path, and the package whose folder it lies in."""
    path = word.replace("\\", "/")
    if path in ("", "-", HIDDEN) or options.ASSIGNMENT.match(path) or "\n" in path or ":" in path[2:]:
        return Launch()  # nothing, a URL, a header or `name:password`
    package = ""
    _, npm, inside = ("/" + path).rpartition("/node_modules/")
    parts = inside.split("/")
    name = "/".join(parts[:2]) if parts[0].startswith("@") else parts[0]
    if npm:
        if options.NPM_NAME.fullmatch(name) and len(inside) > len(name):
            package = f"npm:{name}"
    elif found := re.search(r"(?:^|/)(?:site|dist)-packages/(\w+)(?:/|\.py\Z)", path):
        package = f"pymod:{found[1]}"
    return Launch(package=package, script=path)


def module_named(module: str, after: list[str]) -> Launch | list[str]:
    """A Python module that is run, or the launcher it is."""
    if module in ("uv", "pipx"):
        return [module, *after]
    top = module.partition(".")[0]
    return Launch(package=f"pymod:{top}") if re.fullmatch(r"\w+", top) else Launch()


def _bun(rest: list[str]) -> Launch | list[str]:
    _, positional = options.parse(rest, options.VALUED["node"])
    if positional[:1] == ["x"]:
        return _npx(positional[1:])
    if positional[:1] == ["run"]:
        _, positional = options.parse(positional[1:], options.VALUED["node"])
    first = (positional or [""])[0]
    return script_at(first) if re.search(r"[./\\]", first) else Launch()


def _deno(rest: list[str]) -> Launch:
    _, positional = options.parse(rest, options.VALUED["deno"])
    if positional[:1] in (["run"], ["x"], ["serve"]):
        _, positional = options.parse(positional[1:], options.VALUED["deno"])
    target = (positional or [""])[0]
    if target.startswith("npm:"):
        return Launch(package=options.npm_package(target[4:]))
    if target.startswith("jsr:"):
        return Launch(package=options.npm_package(target[4:]).replace("npm:", "jsr:"))
    return script_at(target)


def _java(rest: list[str]) -> Launch:
    given, positional = options.parse(rest, options.VALUED["java"])
    for flag, value in given:
        if flag == "-jar":
            return Launch(package=_jar(value))
    paths = [value for flag, value in given if flag in ("-cp", "-classpath", "--class-path")]
    separator = ";" if paths and (";" in paths[0] or "\\" in paths[0]) else ":"
    jars = [path for path in (paths[-1].split(separator) if paths else []) if path.endswith(".jar")]
    main = next((word for word in positional if re.fullmatch(r"[A-Za-z_][\w.$]*", word)), "")
    return Launch(package=_jar(jars[0]) if len(jars) == 1 else "", script=main if positional[:1] == [main] else "")


def _jar(path: str) -> str:
    name = re.split(r"[\\/]", path)[-1].removesuffix(".jar")
    name = re.sub(r"[-_]v?\d[\w.+-]*\Z", "", name)
    return f"jar:{name}" if re.fullmatch(r"[\w.+-]{1,128}", name) else ""


def _npx(rest: list[str]) -> Launch:
    given, positional = options.parse(rest, options.VALUED["npx"])
    wanted = [value for flag, value in given if flag in ("-p", "--package")] or positional[:1]
    return Launch(package=options.npm_package(wanted[0])) if wanted else Launch()


def _npm(rest: list[str]) -> Launch:
    _, positional = options.parse(rest, options.VALUED["npx"])
    return _npx(positional[1:]) if positional[:1] and positional[0] in ("exec", "x", "dlx") else Launch()


def _uvx(rest: list[str]) -> Launch:
    given, positional = options.parse(rest, options.VALUED["uv"])
    wanted = [value for flag, value in given if flag in ("--from", "--spec")] or positional[:1]
    return Launch(package=options.pypi_package(wanted[0])) if wanted else Launch()


def _uv(rest: list[str]) -> Launch | list[str]:
    _, positional = options.parse(rest, options.VALUED["uv"])
    match positional:
        case ["tool", "run" | "uvx", *after] | ["x", *after]:
            return _uvx(after)
        case ["run", *after]:
            given, command = options.parse(after, options.VALUED["uv"])
            if not command:
                return Launch()
            if any(flag in ("-m", "--module") for flag, _ in given):
                return module_named(command[0], command[1:])
            if command[0].endswith((".py", ".pyw")):
                return script_at(command[0])
            fetched = {
                options.pypi_package(name)
                for flag, value in given
                if flag in ("--with", "-w")
                for name in value.split(",")
            }
            own = options.pypi_package(command[0])
            return Launch(process=program(command[0]), package=own) if own in fetched else command
        case _:
            return Launch()


def _pipx(rest: list[str]) -> Launch:
    _, positional = options.parse(rest, options.VALUED["uv"])
    return _uvx(positional[1:]) if positional[:1] == ["run"] else Launch()


def _go(rest: list[str]) -> Launch:
    if rest[:1] != ["run"]:
        return Launch()
    _, positional = options.parse(rest[1:], options.VALUED["go"])
    module = (positional or [""])[0].partition("@")[0]
    return Launch(package=f"go:{module}") if re.fullmatch(r"[\w.-]+\.[a-z]+(?:/[\w.~-]+)+", module) else Launch()


def _dnx(rest: list[str]) -> Launch:
    _, positional = options.parse(rest, options.VALUED["npx"])
    name = (positional or [""])[0].partition("@")[0]
    return Launch(package=f"nuget:{name}") if re.fullmatch(r"[A-Za-z][\w.-]*", name) else Launch()


def _docker(rest: list[str]) -> Launch:
    _, positional = options.parse(rest, options.VALUED["docker"])
    if positional[:1] == ["container"]:
        positional = positional[1:]
    if positional[:1] not in (["run"], ["create"]):
        return Launch()
    _, positional = options.parse(positional[1:], options.DOCKER_RUN)
    return Launch(image=options.image(positional[0])) if positional else Launch()


READERS: Final[dict[str, Reader]] = {
    "npx": _npx,
    "bunx": _npx,
    "pnpx": _npx,
    "npm": _npm,
    "pnpm": _npm,
    "yarn": _npm,
    "yarnpkg": _npm,
    "uvx": _uvx,
    "uv": _uv,
    "pipx": _pipx,
    "bun": _bun,
    "deno": _deno,
    "java": _java,
    "javaw": _java,
    "go": _go,
    "dnx": _dnx,
    **dict.fromkeys(("docker", "podman", "nerdctl", "finch"), _docker),
}
