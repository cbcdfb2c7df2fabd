"""Command lines without anything private: what is kept is known to be harmless, everything else is ``…``."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

HIDDEN = "…"
_LONGEST = 1_000

_SENSITIVE = re.compile(
    r"--?(?:[\w-]*(?:key|token|secret|passw|pwd|passphrase|auth|cred|bearer|cookie|header|session|signature|dsn|"
    r"connection|prompt|message|query|user|login|email|account)[\w-]*|env|data|pass|[pPuUHkK])\Z",
    re.IGNORECASE,
)
_SECRET = re.compile(r"--[\w-]*(?:key|token|secret|passw|pwd|passphrase|auth|cred|bearer|cookie|header)", re.IGNORECASE)
_FLAG = re.compile(r"(--[A-Za-z][A-Za-z-]{1,40}|-(?:jar|cp|classpath|lc|it|File|Command)(?=$|=)|-[A-Za-z])(=?)")
_URL = re.compile(r"(https?|wss?)://", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_SYSTEM = re.compile(
    r"(?:/(?:usr|opt|etc|bin|sbin|lib|lib64|snap|nix|Applications|Library|System)/|C:/(?:Program Files[^/]*|Windows)/)",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(r"[\w.+ -]{1,64}")
_VERBS = {
    *("run", "exec", "dlx", "tool", "serve", "start", "mcp", "gateway", "container", "create", "stdio", "sse", "http"),
    *("server", "api", "worker", "chat", "--"),
}


def sensitive(flag: str) -> bool:
    """Whether what follows an option may be a secret or something of a person."""
    return _SENSITIVE.match(flag) is not None


def masked(words: list[str]) -> list[str]:
    """The words, with ``…`` for each that follows an option for a secret."""
    before = ["", *words]
    return [
        HIDDEN if "=" not in flag and not word.startswith("-") and _SECRET.match(flag) else word
        for flag, word in zip(before, words, strict=False)
    ]


def redact(words: list[str], package: str, script: str, image: str, *, name: str) -> str:
    """A command line as its executable, names of options, base names of system files, package names and hosts.

    ``package``, ``script`` and ``image`` are what the command line was resolved to; ``name`` is its program.
    """
    kept: list[str] = []
    bare = package.partition(":")[2]
    for index, word in enumerate(words):
        if index == 0:
            kept.append(_program(word, name))
            continue
        shown = HIDDEN if sensitive(words[index - 1]) else _word(word, bare, script, image, name)
        if shown != HIDDEN or kept[-1] != HIDDEN:
            kept.append(shown)
    line = " ".join(kept)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + HIDDEN


def _program(word: str, name: str) -> str:
    base = re.split(r"[\\/]", word)[-1]
    return base if "=" not in base and _FILE_NAME.fullmatch(base) and " " not in base else (name or HIDDEN)


def _word(word: str, package: str, script: str, image: str, name: str) -> str:
    if flag := _FLAG.match(word):
        if flag.end() == len(word):
            return word if not flag[2] else word + HIDDEN
        return flag[1] + flag[2] + HIDDEN if flag[2] or len(flag[1]) == 2 else HIDDEN
    if word in _VERBS or (_FILE_NAME.fullmatch(word) and re.sub(r"\.(?:exe|cmd|bat|ps1)\Z", "", word) == name):
        return word
    if _URL.match(word):
        return _host_of(word)
    if package and _is_package(word, package):
        return package
    if image and (word == image or word.startswith((image + ":", image + "@")) or word.endswith("/" + image)):
        return image
    path = word.replace("\\", "/")
    base = path.rpartition("/")[2]
    if (_SYSTEM.match(path) or path == script == base) and _FILE_NAME.fullmatch(base) and "=" not in path:
        return base
    return HIDDEN


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return HIDDEN
    return f"{parts.scheme}://{host}/{HIDDEN}" if _HOST.fullmatch(host) else HIDDEN


def _is_package(word: str, package: str) -> bool:
    """Whether a word is the package, perhaps with a version: or the module that ``python -m`` runs."""
    low = word.lower().removeprefix("npm:").removeprefix("jsr:")
    for form in (low, re.sub(r"[_.]+", "-", low)):
        if form.startswith(package.lower()) and not form[len(package) :][:1].isalnum():
            return True
    return False
