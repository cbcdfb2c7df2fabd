"""One server as a client's configuration states it: what it runs or reaches, and what it is handed, names only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Final

import msgspec

from aimscope_agent.launch import resolve
from aimscope_signatures.interests import KeyPattern
from aimscope_signatures.normalise import hostname

Entry = Mapping[str, object]

_URLS: Final = ("url", "httpUrl", "serverUrl", "uri", "endpoint")
_COMMANDS: Final = ("command", "cmd")
_VARIABLES: Final = ("env", "environment", "envs", "env_keys", "env_vars")
_HEADERS: Final = ("headers", "http_headers", "env_http_headers")
_NAMED: Final = ("bearer_token_env_var", "api_key_env")
"""Settings whose value is the name of a variable that holds a secret."""
_TRANSPORTS: Final = {"stdio": "stdio", "local": "stdio", "sse": "sse", "http": "http", "streamablehttp": "http"}
_NO_SERVERS: Final = ("builtin", "platform", "frontend", "inline_python")
"""Types of Goose's extensions that speak no MCP, or none that is configured."""
_THIS_MACHINE: Final = ("localhost", "host.docker.internal", "host.containers.internal", "gateway.docker.internal")
_PROGRAM = re.compile(r"[\w.+@ ()-]{1,128}")
_VARIABLE = re.compile(r"[A-Za-z_][\w.-]{0,127}")
_MOST_NAMES = 200
_MOST_WORDS = 512
_LONGEST_NAME = 256


class Server(msgspec.Struct, frozen=True):
    """What is told of a server."""

    name: str
    transport: str
    process: str = ""
    package: str = ""
    image: str = ""
    host: str = ""
    remote: bool = False
    enabled: bool | None = None
    secrets: tuple[str, ...] = ()

    def without(self, keys: Iterable[KeyPattern]) -> Server:
        """Itself, less what holds the text of a key: people put them in odd places, and none may be reported."""
        texts = {field: getattr(self, field) for field in ("name", "process", "package", "image", "host")}
        spoilt = {field: "" for field, text in texts.items() if any(key.find(text) for key in keys)}
        secrets = tuple(name for name in self.secrets if not any(key.find(name) for key in keys))
        return msgspec.structs.replace(self, **spoilt, secrets=secrets)


def described(name: str, entry: Entry, *, from_extension: bool = False) -> Server | None:
    """The server that an entry states; ``None`` where it states none.

    ``from_extension``: an entry without a command may be one that an extension of the client starts.
    """
    if entry.get("type") in _NO_SERVERS:
        return None
    inner = entry.get("transport")
    entry = {**entry, **inner} if isinstance(inner, Mapping) else entry
    name = name[:_LONGEST_NAME]
    words = _words(entry)
    key, url = next(((key, text) for key in _URLS if (text := _text(entry.get(key)))), ("", ""))
    if not words and not url:
        extended = from_extension and {"settings", "source"} & entry.keys()
        return Server(name, "stdio", enabled=_enabled(entry)) if extended else None
    launch = resolve(words)
    host = hostname(url) or hostname(launch.host)
    return Server(
        name,
        _transport(entry, bool(words), key, url),
        process=launch.process if _PROGRAM.fullmatch(launch.process) else "",
        package=launch.package,
        image=launch.image,
        host=host,
        remote=bool(host) and not _is_here(host),
        enabled=_enabled(entry),
        secrets=_secrets(entry),
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _words(entry: Entry) -> list[str]:
    """The command line: command and arguments, one list, one text, or (Zed, once) a table of its own."""
    command: object = next((value for key in _COMMANDS if (value := entry.get(key))), None)
    arguments = entry.get("args")
    if isinstance(command, Mapping):
        arguments = command.get("args", arguments)
        command = command.get("path") or command.get("command")
    words = [str(word) for word in command] if isinstance(command, list) else [_text(command)]
    if not words[0]:
        return []
    if isinstance(arguments, list) and arguments:
        words += [str(word) for word in arguments[:_MOST_WORDS] if isinstance(word, str | int | float)]
    elif len(words) == 1 and not _is_path(words[0]):
        words = words[0].split()
    return words[:_MOST_WORDS]


def _is_path(command: str) -> bool:
    """Whether a command with spaces is the path of one program, not a command line."""
    first, _, rest = command.partition(" ")
    return bool(re.match(r"[~/\\.]|[A-Za-z]:[\\/]", first)) and not re.search(r"(?:^| )-|=", rest)


def _transport(entry: Entry, command: bool, key: str, url: str) -> str:
    for stated in (entry.get("type"), entry.get("transport")):
        if found := _TRANSPORTS.get(re.sub(r"[-_ ]", "", _text(stated).lower())):
            return found
    if command:
        return "stdio"
    if not url.lower().startswith(("http://", "https://")) and "://" in url:
        return "unknown"
    path = url.partition("?")[0].rstrip("/")
    return "sse" if key != "httpUrl" and path.endswith("/sse") else "http"


def _is_here(host: str) -> bool:
    if host in _THIS_MACHINE or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _enabled(entry: Entry) -> bool | None:
    for key in ("enabled", "isActive"):
        if isinstance(value := entry.get(key), bool):
            return value
    value = entry.get("disabled")
    return not value if isinstance(value, bool) else None


def _secrets(entry: Entry) -> tuple[str, ...]:
    """Names of the variables and headers that a server is handed; never a value."""
    nested = entry.get("command")
    options = entry.get("requestOptions")
    tables = [entry.get(key) for key in (*_VARIABLES, *_HEADERS)]
    tables += [part.get(key) for part, key in ((nested, "env"), (options, "headers")) if isinstance(part, Mapping)]
    names = {name for table in tables for name in _names(table)}
    behind = entry.get("env_http_headers")
    names.update(_valid(behind.values() if isinstance(behind, Mapping) else ()))
    names.update(_valid(entry.get(key) for key in _NAMED))
    return tuple(sorted(names)[:_MOST_NAMES])


def _names(table: object) -> Iterator[str]:
    """Keys of a table; members of a list, written ``NAME``, ``NAME=value``, ``Name: value`` or ``{name: …}``."""
    if isinstance(table, Mapping):
        yield from _valid(table)
    elif isinstance(table, list):
        for member in table:
            name = (member.get("name") or member.get("key")) if isinstance(member, Mapping) else member
            yield from _valid([re.split(r"[=:]", name, maxsplit=1)[0].strip()] if isinstance(name, str) else [])


def _valid(names: Iterable[object]) -> Iterator[str]:
    return (name for name in names if isinstance(name, str) and _VARIABLE.fullmatch(name))
