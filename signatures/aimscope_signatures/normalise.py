"""One canonical form per type of field, so that a value is compared with a value of the same shape.

Every function takes whatever a log, a file or a person writes and never raises; what cannot be a
value of the type becomes the empty string, which matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

from aimscope_signatures.kinds import FieldType

_SCHEME = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_HOST = re.compile(r"^[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?(?:\.[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?)*$")
_HOME = re.compile(
    r"^(?:/home/[^/]+|/users/[^/]+|/root|/var/root|/export/home/[^/]+|[a-z]:/users/[^/]+|/c/users/[^/]+"
    r"|/mnt/[a-z]/users/[^/]+|[a-z]:/documents and settings/[^/]+"
    r"|~[a-z0-9._-]*|\$home|\$\{home\}|%userprofile%|\$env:userprofile|(?:%homedrive%)?%homepath%)(?=/|$)",
    re.IGNORECASE,
)
_FOLDERS: Final = (
    (re.compile(r"^(?:%appdata%|\$env:appdata)(?=/|$)", re.IGNORECASE), "~/AppData/Roaming"),
    (re.compile(r"^(?:%localappdata%|\$env:localappdata)(?=/|$)", re.IGNORECASE), "~/AppData/Local"),
    (re.compile(r"^\$(?:\{xdg_config_home(?::-[^}]*)?\}|xdg_config_home)(?=/|$)", re.IGNORECASE), "~/.config"),
    (re.compile(r"^\$(?:\{xdg_data_home(?::-[^}]*)?\}|xdg_data_home)(?=/|$)", re.IGNORECASE), "~/.local/share"),
    (re.compile(r"^(?:%programdata%|\$env:programdata)(?=/|$)", re.IGNORECASE), "/ProgramData"),
    (re.compile(r"^(?:%programfiles%|\$env:programfiles)(?=/|$)", re.IGNORECASE), "/Program Files"),
)
_SHARED = re.compile(r"^//(?:[?.]/|wsl(?:\$|\.localhost)/[^/]+(?=/))", re.IGNORECASE)
"""What Windows writes before a long path, and before a path within a Linux of its own."""
_BRACED = re.compile(r"^\$\{(env:\w+)\}", re.IGNORECASE)
_DRIVE = re.compile(r"^[a-z]:(?=/)", re.IGNORECASE)
_STORE_ID = re.compile(r"[a-p]{32}")
_DIGEST = re.compile(r"@sha256:[0-9a-f]+$")
_TAG = re.compile(r":[\w][\w.-]*$")
_PYPI_END = re.compile(r"[\s\[<>=!~;@(].*$")
_NPM_VERSION = re.compile(r"(?<=.)@[^@/]*$")
_GO_MAJOR = re.compile(r"/v(?:[2-9]|[1-9]\d+)$")
_ECOSYSTEMS: Final[Mapping[str, str]] = {
    "pip": "pypi",
    "crates": "cargo",
    "crates.io": "cargo",
    "rubygems": "gem",
    "golang": "go",
    "packagist": "composer",
}
ENV_NAME: Final = re.compile(
    r"\s*(?:-\s+)?(?:(?:export|setx?|env|arg|declare\s+-x|-e|--env)\s+|--env=)?"
    r"(?:process\.env\.|os\.environ\[|\$\{?env:)?[\"'$%{]*([a-z0-9_*]+)(?![a-z0-9_*.-])",
    re.IGNORECASE,
)
"""A variable as shells, Dockerfiles and code write it; what follows the first group may be a secret."""
_NO_WORD = re.compile(r"[^\w.+&]+|_")
_RUNS = re.compile(r"[-_.]+")


def hostname(text: str) -> str:
    """Host of a name, ``host:port`` or URL: lower case, ASCII, without user, port, path and outer dots.

    ``.openai.com``, as proxies and cookies write it, and ``api[.]openai[.]com``, as reports do, are names too.
    """
    host = text.strip().strip("\"'<>()`,;|^").replace("\\", "/").replace("[.]", ".")
    host = _SCHEME.sub("", host)
    host = host.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0].rsplit("@", 1)[-1]
    if host.startswith("["):
        return ip(host[1:].split("]", 1)[0])
    if host.count(":") == 1:
        host = host.split(":", 1)[0]
    elif ":" in host:
        return ip(host)
    host = host.strip(".").lower()
    if not host.isascii():
        if len(host) > 253:  # encoding takes its time
            return ""
        try:
            host = host.encode("idna").decode("ascii")
        except (UnicodeError, ValueError):
            return ""
    return host if len(host) <= 253 and _HOST.match(host) else ""


def path(text: str) -> str:
    """Forward slashes, ``~`` for a home, no drive letter, lower case (two of three platforms ignore case)."""
    value = text.strip().strip("\"'")
    if value.lower().startswith("file://"):
        value = re.sub(r"^/(?=[A-Za-z]:)", "", unquote(value[7:]))
    if value.startswith(("/", "~", "$", ".")):
        value = value.replace("\\ ", " ")  # a space as shells write it
    value = _BRACED.sub(r"$\1", _SHARED.sub("", value.replace("\\", "/"))).replace("/./", "/")
    for pattern, folder in _FOLDERS:
        value = pattern.sub(folder, value)
    value = _HOME.sub("~", value)
    value = _DRIVE.sub("", value)
    return re.sub(r"(?<=.)/{2,}", "/", value).lower()


def product_name(text: str) -> str:
    """A product or vendor as people write it: letters and digits of any script, words apart by one space."""
    return " ".join(_NO_WORD.sub(" ", text.casefold()).split())


def process_name(text: str) -> str:
    """Base name without ``.exe``, lower case."""
    name = text.strip().strip("\"'").replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    return name.removesuffix(".exe").removesuffix(".app")


def package(text: str) -> str:
    """``ecosystem:name`` without version; names of PyPI and conda after PEP 503, Go modules without major version."""
    ecosystem, colon, name = text.strip().partition(":")
    name = name.strip().strip("\"'")
    if not colon or not name:
        return ""
    ecosystem = ecosystem.strip().lower()
    ecosystem = _ECOSYSTEMS.get(ecosystem, ecosystem)
    if ecosystem in {"pypi", "conda"}:
        name = _RUNS.sub("-", _PYPI_END.sub("", name.rpartition("::")[2]))
    elif ecosystem == "npm":
        name = _NPM_VERSION.sub("", name)
    elif ecosystem == "go":
        name = _GO_MAJOR.sub("", name.split("@", 1)[0])
    elif ecosystem == "cargo":
        name = name.split("@", 1)[0].replace("_", "-")
    elif ecosystem == "gem":
        name = name.split("@", 1)[0]
    elif ecosystem == "nuget":
        name = re.split(r"[@/]", name, maxsplit=1)[0]
    elif ecosystem == "maven":
        name = ":".join(name.split(":", 2)[:2])
    return f"{ecosystem}:{name.lower()}" if name else ""


def image(text: str) -> str:
    """Container image without scheme, default registry, tag and digest."""
    name = _SCHEME.sub("", text.strip().strip("\"'")).lower()
    name = _DIGEST.sub("", name)
    name = _TAG.sub("", name)
    for prefix in ("docker.io/", "index.docker.io/", "registry-1.docker.io/", "registry.hub.docker.com/"):
        name = name.removeprefix(prefix)
    return name.removeprefix("library/")


def extension_id(text: str) -> str:
    """``store:id``, lower case, without version; a Chrome store address gives its id."""
    store, colon, name = text.strip().partition(":")
    if not colon:
        return ""
    store, name = store.strip().lower(), name.strip().lower()
    if store == "edge":
        store = "chrome"
    if store == "chrome":
        found = _STORE_ID.search(name)
        return f"chrome:{found.group()}" if found and (len(name) == 32 or "/" in name) else ""
    if store == "vscode":
        name = name.split("@", 1)[0]
        if "itemname=" in name:
            name = name.split("itemname=", 1)[1].split("&", 1)[0]
        return f"vscode:{name}" if "." in name else ""
    return f"{store}:{name}" if name else ""


def env_name(text: str) -> str:
    """Name of a variable, without what gives it a value: ``export``, ``setx``, ``$env:``, ``%…%``, ``=value``."""
    found = ENV_NAME.match(text)
    return found[1].upper() if found else ""


def app_id(text: str) -> str:
    """``manager:identifier``, lower case."""
    manager, colon, name = text.strip().partition(":")
    return f"{manager.strip().lower()}:{name.strip().lower()}" if colon and name.strip() else ""


def bare(app: str) -> str:
    """An application of the uninstall keys without version and scope: ``Jan 0.6.9``, ``Kiro (User)``."""
    return _EDITION.sub("", app) if app.startswith("uninstall:") else app


_EDITION = re.compile(r"(?: \([^()]{1,40}\)| (?:version )?v?\d[\w.+-]{0,40}){1,3}\Z", re.IGNORECASE)


def ip(text: str) -> str:
    """Compressed form of an address, with IPv4 in IPv6 written as IPv4; empty if it is none."""
    try:
        address = ip_address(text.strip().strip("[]").split("%", 1)[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _folded(text: str) -> str:
    return text.strip().lower()


def _exact(text: str) -> str:
    return text.strip()


FORMS: Final[Mapping[FieldType, Callable[[str], str]]] = {
    "app_id": app_id,
    "env_name": env_name,
    "extension_id": extension_id,
    "hostname": hostname,
    "image": image,
    "ip": ip,
    "key": _exact,
    "key_pattern": _exact,
    "model_id": _folded,
    "package": package,
    "path": path,
    "process_name": process_name,
    "product_name": product_name,
    "text": _folded,
    "texts": _folded,
    "url_path": _exact,
    "user_agent": _folded,
}


def canonical(field_type: FieldType, text: str) -> str:
    """``text`` in the canonical form of ``field_type``."""
    form = FORMS.get(field_type)
    return form(text) if form else text
