"""Hosts and model ids that source and configuration name. Only those that the catalogue knows."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

import msgspec

from aimscope_signatures.conditions import glob_pattern, host_pattern
from aimscope_signatures.normalise import hostname

_HOST = r"(?P<host>(?:[\w.:@%*-]|\$?\{[^{}\s`]{0,60}\}|<[\w-]{1,40}>){3,253})"
_URL = re.compile(r"://" + _HOST + r"(?P<path>(?:/[\w.~%:@!$&*+,=(){}-]{0,200}){0,20})")
_ESCAPED_URL = re.compile(r":\\/\\/" + _HOST + r"(?P<path>(?:\\?/[\w.~%:@!$&*+,=(){}-]{0,200}){0,20})")
_SCHEMES = ("http", "https", "ws", "wss", "grpc", "grpcs")
# a host has a dot, a model id a digit, a dash or a slash: most words in quotes are neither
_QUOTED = re.compile(r"[\"'`]((?:[A-Za-z][A-Za-z_]{0,60}[\d.:/+-]|[\d@])[\w@.:/+-]{0,200})[\"'`]")
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
"""Characters of an id that is a word of its own in other matters: counts where a model is asked for."""
_TO_MODEL = re.compile(r"model\w{0,20}[\"']?\s{0,5}(?:[:=,(]|=>)\s{0,5}$", re.IGNORECASE)
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
    """Which hosts the catalogue knows: by label, those with ``*`` by pattern, those of ``urls`` with their path."""

    def __init__(self, hosts: Iterable[str], urls: Iterable[str] = ()) -> None:
        every = frozenset(hosts)
        self._paths: dict[str, tuple[str, ...]] = {}
        for url in urls:
            host, _, path = url.partition("/")
            self._paths[host] = (*self._paths.get(host, ()), "/" + path)
        self._names = frozenset(host for host in every if "*" not in host)
        self._patterns: dict[str, list[re.Pattern[str]]] = {}
        for host in every - self._names:
            self._patterns.setdefault(host.rpartition("*")[2].partition(".")[2], []).append(host_pattern(host))
        self.find = functools.lru_cache(_REMEMBERED)(self._find)
        self.written = functools.lru_cache(_REMEMBERED)(_written)

    def names(self, host: str, path: str) -> bool:
        """Whether a host, or the path on it, is of the catalogue."""
        return self.find(host) or path.startswith(self._paths.get(host, ("\0",)))

    def _find(self, host: str) -> bool:
        rest = host
        while rest:
            if rest in self._names or any(pattern.match(host) for pattern in self._patterns.get(rest, ())):
                return True
            rest = rest.partition(".")[2]
        return False


def _written(text: str) -> str:
    """The host of a URL, ``*`` for what is put in when the program runs."""
    return hostname(_VARIABLE.sub("*", text))


class Models:
    """Which model ids the catalogue knows."""

    def __init__(self, patterns: Iterable[str]) -> None:
        every = tuple(dict.fromkeys(pattern.lower() for pattern in patterns))
        self._starts = frozenset(pattern[:2] for pattern in every)
        # a family without number or publisher is also the start of other names: claude-code, gemini-cli
        wide = [pattern for pattern in every if "*" in pattern and not re.search(r"[\d/]", pattern.partition("*")[0])]
        self._exact = _any(pattern for pattern in every if pattern not in wide)
        self._wide = _any(wide)

    def find(self, text: str) -> bool:
        """Whether a word is a model id."""
        name = text.lower()
        if name[:2] not in self._starts:
            return False
        if self._exact.match(name):
            return True
        return bool(self._wide.match(name)) and (any(map(str.isdecimal, name)) or name.endswith(("-latest", "-pro")))


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(glob_pattern(pattern).pattern for pattern in patterns) or r"(?!)")


class Words:
    """What a word in quotes is, if the catalogue knows it. Words recur, so answers are remembered."""

    def __init__(self, hosts: Hosts, models: Models) -> None:
        self.hosts = hosts
        self._models = models
        self.what = functools.lru_cache(_REMEMBERED)(self._what)

    def _what(self, word: str) -> Mention | None:
        if self._models.find(word):
            return Mention(0, model=word)
        name, _, path = word.partition("/")
        if "." not in name or "@" in name or (not path and name.count(".") == 1 and name.endswith(_FILE_OR_FUNCTION)):
            return None
        host = hostname(name)
        return (
            Mention(0, host=host, url_path=f"/{path}" if path else "") if self.hosts.names(host, "/" + path) else None
        )


def mentions(text: str, words: Words, *, settings: bool) -> Iterator[Mention]:
    """URLs, quoted hosts and quoted model ids; in ``settings`` (YAML, .env …) also values without quotes."""
    yield from _urls(_URL, text, words.hosts)
    if ":\\/\\/" in text:
        yield from _urls(_ESCAPED_URL, text, words.hosts)
    wanted = {word for word in set(_QUOTED.findall(text)) if words.what(word)}
    for found in _QUOTED.finditer(text) if wanted else ():
        about = words.what(found[1]) if found[1] in wanted else None
        if about and (len(found[1]) > _SHORT_ID or _TO_MODEL.search(text, max(0, found.start() - 40), found.start())):
            yield msgspec.structs.replace(about, offset=found.start(1))
    for found in _SETTING.finditer(text) if settings else ():
        about = words.what(found["value"])
        if about and (_OF_MODEL if about.model else _OF_HOST).search(found["key"]):
            yield msgspec.structs.replace(about, offset=found.start("value"))


def _urls(pattern: re.Pattern[str], text: str, hosts: Hosts) -> Iterator[Mention]:
    paths: dict[str, set[str]] = {}
    for found in pattern.finditer(text):
        start = found.start()
        if not text[max(0, start - 5) : start].lower().endswith(_SCHEMES):
            continue
        host = hosts.written(found["host"])
        path = found["path"].replace("\\/", "/")
        if host and hosts.names(host, path):
            known = paths.setdefault(host, set())
            if len(known) >= _MOST_PATHS and path not in known:
                continue
            known.add(path)
            yield Mention(start, host=host, url_path=path if path != "/" else "")
