"""systemd units: where they lie, and what of them matters here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.launch import Launch, resolve
from aimscope_agent.sensor import Look

_SYSTEM = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
"""Of two units of one name the first is in force."""
_USER = "~/.config/systemd/user"
FOLDERS = (*_SYSTEM, _USER)
DROP_INS = tuple(f"{folder}/*.service.d/*.conf" for folder in FOLDERS)
LINKS = tuple(f"{folder}/*.{kind}/*.service" for folder in FOLDERS for kind in ("wants", "requires"))
_MOST_LINES = 20_000

Key = tuple[str, str]
"""User, empty for the system, and the file name of a unit."""


def globs(suffix: str) -> tuple[str, ...]:
    """Where units of a sort lie: ``.service``, ``.timer``."""
    return tuple(f"{folder}/*{suffix}" for folder in FOLDERS)


def units(look: Look, suffix: str) -> dict[Key, Found]:
    """The units in force, each once."""
    result: dict[Key, Found] = {}
    for glob in globs(suffix):
        for file in look.found(glob):
            result.setdefault((file.user, base(file)), file)
    return result


def wanted(look: Look) -> set[Key]:
    """Services that start by themselves: linked to by a target. An instance ``x@1`` stands for its template ``x@``."""
    result: set[Key] = set()
    for glob in LINKS:
        for file in look.found(glob):
            name = base(file)
            result |= {(file.user, name), (file.user, template(name))}
    return result


def masked(look: Look, name: str, file: Found) -> bool:
    """Whether a unit of the vendor is switched off by a link to ``/dev/null`` in the administrator's folder."""
    mine = f"{_SYSTEM[0]}/{name}"
    return not file.user and file.host_path != mine and look.exists(mine)


def base(file: Found) -> str:
    """File name."""
    return file.host_path.rpartition("/")[2]


def template(name: str) -> str:
    """``x@1.service`` → ``x@.service``."""
    return re.sub(r"@[^@]*(\.\w+)\Z", r"@\1", name)


def settings(text: str, section: str) -> dict[str, list[str]] | None:
    """The settings of one section, each with its values in order; an empty value resets what came before.

    ``None`` if there is no such section.
    """
    result: dict[str, list[str]] | None = None
    inside = False
    for line in _lines(text):
        if line.startswith("["):
            inside = line == f"[{section}]"
            result = {} if inside and result is None else result
        elif inside and result is not None:
            name, equals, value = line.partition("=")
            if equals:
                values = result.setdefault(name.strip(), [])
                if value.strip():
                    values.append(value.strip())
                else:
                    values.clear()
    return result


def _lines(text: str) -> Iterator[str]:
    """Lines without comments; one that ends in a backslash goes on."""
    begun = ""
    for line in text.splitlines()[:_MOST_LINES]:
        stripped = line.strip()
        if stripped.startswith(("#", ";")) or (not stripped and not begun):
            continue
        if stripped.endswith("\\"):
            begun += stripped[:-1] + " "
            continue
        yield begun + stripped
        begun = ""
    if begun:
        yield begun


def environment(look: Look) -> Iterator[tuple[Found, list[tuple[str, str]]]]:
    """Variables that units of services, and what is added to them, set. Values must not outlive the caller."""
    for glob in (*globs(".service"), *DROP_INS):
        for file in look.found(glob):
            lines = (settings(look.text(file) or "", "Service") or {}).get("Environment", [])
            words = [word for line in lines for word in _split(line) if "=" in word]
            if words:
                yield file, [(name, value) for name, _, value in (word.partition("=") for word in words)]


def launch(look: Look, unit: Found) -> Launch | None:
    """What a service starts; ``None`` if the file tells of no service."""
    service = settings(look.text(unit) or "", "Service")
    if service is None:
        return None
    return resolve(_words((service.get("ExecStart") or [""])[0], _home(look, unit.user)))


def _home(look: Look, user: str) -> str:
    return next((each.home for each in look.users if user and each.name == user), "%h")


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _words(line: str, home: str) -> list[str]:
    words = _split(line)
    if ";" in words:
        words = words[: words.index(";")]  # a second command
    words = [word.replace("%h", home).replace("%%", "%") for word in words]
    if not words:
        return []
    prefixes = re.match(r"[-@+!:|]*", words[0])
    marks = prefixes[0] if prefixes else ""
    program = words[0][len(marks) :]
    return [program, *words[2 if "@" in marks else 1 :]]  # after "@" the second word is the name it is given
