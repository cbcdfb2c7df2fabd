"""Hosts and model ids that source and configuration name. Only those that the catalogue knows."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

import msgspec

from aimscope_signatures.conditions import glob_pattern, host_pattern
from aimscope_signatures.normalise import hostname

_URL = re.compile(
    r"(?:https?|wss?|grpcs?):(?://|\\/\\/)(?P<host>(?:[\w.:@%*-]|\$?\{[^{}\s\"'`]{0,60}\}|<[\w-]{1,40}>){3,253})"
    r"(?P<path>(?:\\?/[\w.~%:@!$&*+,=(){}-]{0,200}){0,20})",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"'`](?P<text>[A-Za-z0-9@][\w@.:/+-]{1,200})[\"'`]")
_SETTING = re.compile(
    r"^[ \t]*(?:-[ \t]+)?(?:export[ \t]+|ENV[ \t]+)?(?P<key>[\w.-]{1,80})(?:[ \t]*[:=][ \t]*|[ \t]+)"
    r"(?P<value>[A-Za-z0-9@][\w@.:/+-]{1,200})[ \t]*(?:#[^\n]*)?$",
    re.MULTILINE,
)
_VARIABLE = re.compile(r"\$?\{[^{}]*\}|<[\w-]+>")
_OF_HOST = re.compile(r"host|endpoint|domain|server|base|url", re.IGNORECASE)
_OF_MODEL = re.compile(r"model|engine|deployment|llm|gpt|openai", re.IGNORECASE)
_FILE_OR_FUNCTION = (".so", ".app", ".run", ".new")
_SHORT_ID = 3
_REMEMBERED = 65_536
_MOST_PATHS = 20
"""Of one host in one file."""


class Mention(msgspec.Struct, frozen=True):
    """What a text names at an offset: a host with the path of its URL, or a model."""

    offset: int
    host: str = ""
    url_path: str = ""
    model: str = ""


class Hosts:
    """Which hosts the catalogue knows: by label, those with ``*`` by pattern."""

    def __init__(self, hosts: Iterable[str]) -> None:
        every = frozenset(hosts)
        self._names = frozenset(host for host in every if "*" not in host)
        self._patterns: dict[str, list[re.Pattern[str]]] = {}
        for host in every - self._names:
            self._patterns.setdefault(host.rpartition("*")[2].partition(".")[2], []).append(host_pattern(host))
        self.find = functools.lru_cache(_REMEMBERED)(self._find)

    def _find(self, host: str) -> bool:
        rest = host
        while rest:
            if rest in self._names or any(pattern.match(host) for pattern in self._patterns.get(rest, ())):
                return True
            rest = rest.partition(".")[2]
        return False


class Models:
    """Which model ids the catalogue knows."""

    def __init__(self, patterns: Iterable[str]) -> None:
        every = tuple(dict.fromkeys(pattern.lower() for pattern in patterns))
        self._starts = frozenset(pattern[:2] for pattern in every)
        # a family without number or publisher is also the start of other names: claude-code, gemini-cli
        wide = [pattern for pattern in every if "*" in pattern and not re.search(r"[\d/]", pattern.partition("*")[0])]
        self._exact = _any(pattern for pattern in every if pattern not in wide)
        self._wide = _any(wide)
        self.find = functools.lru_cache(_REMEMBERED)(self._find)

    def _find(self, text: str) -> bool:
        name = text.lower()
        if name[:2] not in self._starts:
            return False
        if self._exact.match(name):
            return True
        return bool(self._wide.match(name)) and (any(map(str.isdecimal, name)) or name.endswith(("-latest", "-pro")))


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(glob_pattern(pattern).pattern for pattern in patterns) or r"(?!)")


def mentions(text: str, hosts: Hosts, models: Models, *, settings: bool) -> Iterator[Mention]:
    """URLs, quoted hosts and quoted model ids; in ``settings`` (YAML, .env …) also values without quotes."""
    if "://" in text or ":\\/\\/" in text:
        yield from _urls(text, hosts)
    wanted = {word for word in set(_QUOTED.findall(text)) if models.find(word) or _host(word, hosts)}
    if wanted:
        for found in _QUOTED.finditer(text):
            if found["text"] in wanted:
                yield from _word(text, found, "text", hosts, models)
    if settings:
        for found in _SETTING.finditer(text):
            key, value = found["key"], found["value"]
            if (_OF_HOST.search(key) and _host(value, hosts)) or (_OF_MODEL.search(key) and models.find(value)):
                yield from _word(text, found, "value", hosts, models)


def _urls(text: str, hosts: Hosts) -> Iterator[Mention]:
    paths: dict[str, set[str]] = {}
    for found in _URL.finditer(text):
        host = hostname(_VARIABLE.sub("*", found["host"]))
        if host and hosts.find(host):
            path = found["path"].replace("\\/", "/")
            known = paths.setdefault(host, set())
            if len(known) >= _MOST_PATHS and path not in known:
                continue
            known.add(path)
            yield Mention(found.start(), host=host, url_path=path if path != "/" else "")


def _host(word: str, hosts: Hosts) -> str:
    """The host that a word without a scheme names, if it is known."""
    name, _, path = word.partition("/")
    if "." not in name or "@" in name or (not path and name.count(".") == 1 and name.endswith(_FILE_OR_FUNCTION)):
        return ""
    host = hostname(name)
    return host if host and hosts.find(host) else ""


def _word(text: str, found: re.Match[str], group: str, hosts: Hosts, models: Models) -> Iterator[Mention]:
    word, start = found[group], found.start(group)
    if models.find(word):
        if len(word) > _SHORT_ID or _OF_MODEL.search(_line(text, start)):
            yield Mention(start, model=word)
    elif host := _host(word, hosts):
        path = word.partition("/")[2]
        yield Mention(start, host=host, url_path=f"/{path}" if path else "")


def _line(text: str, offset: int) -> str:
    """The line around an offset, at most 200 characters to each side."""
    start = max(text.rfind("\n", 0, offset) + 1, offset - 200)
    end = text.find("\n", offset)
    return text[start : min(end if end >= 0 else len(text), offset + 200)]
