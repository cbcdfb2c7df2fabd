"""Packages that commands install or run, in Dockerfiles, CI files, scripts and notebooks. Only known ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aimscope_agent.sensors.code.known import Known
from aimscope_agent.sensors.code.manifests_python import requirement
from aimscope_agent.sensors.code.text import Named

_COMMAND = re.compile(
    r"(?<![\w./-])(?:"
    r"(?P<pip>(?:pip[\d.]{0,5}|uv[ \t]+pip|uv[ \t]+tool|pipx)[ \t]+install"
    r"|(?:uv|poetry|pdm|rye|pipenv)[ \t]+(?:add|install))"
    r"|(?P<pypi_run>uvx|pipx[ \t]+run|uv[ \t]+tool[ \t]+run)"
    r"|(?P<npm>npm[ \t]+(?:install|i|add)|(?:yarn|pnpm|bun)[ \t]+(?:global[ \t]+)?(?:add|install))"
    r"|(?P<npm_run>npx|bunx|(?:pnpm|yarn)[ \t]+dlx|npm[ \t]+exec)"
    r"|(?P<go>go[ \t]+(?:install|get))|(?P<cargo>cargo[ \t]+(?:install|add))|(?P<gem>gem[ \t]+install)"
    r")[ \t]+(?P<arguments>[^\n;&|]{1,2000})"
)
_ARGUMENT = re.compile(r"[^\s\"',]+")
_TAKES_VALUE = frozenset(
    (
        *("-r", "--requirement", "-c", "--constraint", "-f", "--find-links", "-t", "--target", "--prefix"),
        *("-i", "--index-url", "--extra-index-url", "--index", "--registry", "--python", "-p", "--group", "-G"),
    )
)


def known(text: str, packages: Known) -> Iterator[Named]:
    """Packages that the catalogue knows among the arguments of commands that fetch them."""
    # a continued line is one line; the offsets stay
    plain = text.replace("\\\n", "  ").replace("\\\r\n", "   ")
    for found in _COMMAND.finditer(plain):
        if plain[plain.rfind("\n", 0, found.start()) + 1 : found.start()].lstrip().startswith(("#", "//")):
            continue
        ecosystem, one = next(about for way, about in _WAYS.items() if found[way])
        start = found.start("arguments")
        for argument in _arguments(found["arguments"]):
            name = argument[0].strip("(){}`")
            if ecosystem == "pypi":
                name = requirement(name.partition("@")[0])
            if package := packages.package(f"{ecosystem}:{name}") if name else "":
                yield package, start + argument.start()
            if one:
                break


_WAYS = {
    "pip": ("pypi", False),
    "pypi_run": ("pypi", True),
    "npm": ("npm", False),
    "npm_run": ("npm", True),
    "go": ("go", False),
    "cargo": ("cargo", False),
    "gem": ("gem", False),
}


def _arguments(text: str) -> Iterator[re.Match[str]]:
    """Words that are neither options nor their values."""
    value = False
    for found in _ARGUMENT.finditer(text):
        word = found[0]
        if word.startswith("#"):
            return
        if value:
            value = False
        elif word.startswith("-"):
            value = word in _TAKES_VALUE
        else:
            yield found
