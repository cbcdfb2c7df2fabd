"""What is this? One value of any kind → the service it gives away."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

import msgspec

from aimscope_agent.launch import resolve
from aimscope_signatures.kinds import IDENTITIES
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Detection, Observation, Value
from aimscope_signatures.normalise import ENV_NAME, hostname
from aimscope_signatures.patterns import Hit

_WINDOWS_PROGRAM = re.compile(r'^"?([A-Za-z]:\\[^"]*?\.exe|\\\\[^"]*?\.exe)"?(?:\s+(.*))?$', re.IGNORECASE)
_VERSIONED = re.compile(r"-\d+\.\d+\.\d[\w.+-]*$")
_MAC_PROGRAM = re.compile(r"^([~/].*?\.app/Contents/MacOS/[^/]+?)(?:\s+(-.*))?$")
_ANY_ECOSYSTEM: Final = ("pypi", "npm", "cargo", "gem", "nuget", "composer", "conda")


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer for one input; ``also`` names further services that claim the value."""

    input: str
    service: str | None
    confidence: str | None
    clause: str | None
    also: tuple[str, ...] = ()


def ask(matcher: Matcher, kind: str, value: str) -> Verdict:
    """What ``value`` is, as ``kind``. Never raises; a value that is none of the kind matches nothing."""
    shown = _SHOWN.get(kind, str)(value)
    if kind == "process":
        return _of_process(matcher, value, shown)
    asked = _ASKED.get(kind, str)(value.strip())
    for section, prefix in KINDS[kind]:
        hits = matcher.find(section, asked if prefix and asked.lower().startswith(prefix) else prefix + asked)
        if hits:
            return _verdict(shown, hits)
    if kind == "domain":
        return _of_url(matcher, asked, shown)
    if kind == "package":
        return _of_package(matcher, asked, shown)
    return Verdict(shown, None, None, None)


def _verdict(shown: str, hits: tuple[Hit, ...]) -> Verdict:
    best = max(hits, key=lambda hit: IDENTITIES.index(hit.clause.identity))
    also = tuple(sorted({hit.service for hit in hits} - {best.service}))
    return Verdict(shown, best.service, best.clause.identity, best.clause.name, also)


def _of_url(matcher: Matcher, text: str, shown: str) -> Verdict:
    """A place on a host that serves other things too: ``github.com/copilot``."""
    rest = text.strip("\"'<>`").split("://", 1)[-1].partition("?")[0].partition("#")[0]
    _, slash, path = rest.partition("/")
    for form in (path, f"{path}/") if path else ():
        request = Observation("http.request", {"host": hostname(text), "path": slash + form})
        if found := matcher.match(request):
            return _best(found, shown)
    return Verdict(shown, None, None, None)


def _of_package(matcher: Matcher, text: str, shown: str) -> Verdict:
    """A Go package within a module, or a name whose ecosystem is not said."""
    if text.lower().startswith(("go:", "golang:")):
        name = text.partition(":")[2].partition("@")[0]
        while "/" in name:
            if hits := matcher.find("packages", f"go:{name}"):
                return _verdict(shown, hits)
            name = name.rpartition("/")[0]
    elif ":" not in text:
        for ecosystem in ("npm",) if text.startswith("@") else ("go",) if "/" in text else _ANY_ECOSYSTEM:
            if hits := matcher.find("packages", f"{ecosystem}:{text}"):
                return msgspec.structs.replace(_verdict(shown, hits), confidence="medium")
    return Verdict(shown, None, None, None)


def _of_process(matcher: Matcher, text: str, shown: str) -> Verdict:
    argv = arguments(text)
    launch = resolve(argv)
    fields: dict[str, Value] = {"name": launch.process, "package": launch.package, "script": launch.script}
    if argv and ("/" in argv[0] or "\\" in argv[0]) and launch.process == resolve(argv[:1]).process:
        fields["exe"] = argv[0]
    found = matcher.match(Observation("process", {name: value for name, value in fields.items() if value}))
    if not found and len(argv) > 1 and not {"/", "\\"} & set(text):  # ``LM Studio.exe``: a name with spaces
        found = matcher.match(Observation("process", {"name": text}))
    if not found and launch.image:
        hits = matcher.find("images", launch.image)
        return _verdict(shown, hits) if hits else Verdict(shown, None, None, None)
    return _best(found, shown)


def _best(found: Sequence[Detection], shown: str) -> Verdict:
    if not found:
        return Verdict(shown, None, None, None)
    best = max(found, key=lambda detection: IDENTITIES.index(detection.identity))
    also = tuple(sorted({detection.service for detection in found} - {best.service}))
    return Verdict(shown, best.service, best.identity, best.clause, also)


def arguments(text: str) -> tuple[str, ...]:
    """The arguments of a command line as people paste it: a bare name, a path with spaces, or a whole line."""
    text = text.strip()
    for pattern in (_WINDOWS_PROGRAM, _MAC_PROGRAM):
        found = pattern.match(text)
        if found:
            return (found.group(1), *_split(found.group(2) or ""))
    return _split(text)


def _split(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text, posix="\\" not in text))
    except ValueError:  # an open quotation mark: take the words as they stand
        return tuple(text.split())


def _masked(value: str) -> str:
    """The first four characters at most, and never more than a quarter: enough to recognise which line it was."""
    value = value.strip()
    return value[: min(4, len(value) // 4)] + "…"


def _name_only(value: str) -> str:
    """The line up to the end of the variable's name: what follows may be a secret."""
    found = ENV_NAME.match(value)
    return value[: found.end(1)].strip() if found else re.split(r"[=:\s,(]", value.strip(), maxsplit=1)[0]


def _extension(value: str) -> str:
    """The folder of an extension has its version: ``github.copilot-1.372.0-linux-x64``."""
    return _VERSIONED.sub("", value)


def _package(value: str) -> str:
    """A package URL, as bills of materials have it, is understood too: ``pkg:npm/%40scope/name@1.2``."""
    kind, slash, name = value.removeprefix("pkg:").partition("/")
    if not value.startswith("pkg:") or not slash:
        return value
    name = unquote(name.partition("?")[0].partition("#")[0])
    name = name.rpartition("@")[0] if "@" in name[1:] else name
    return f"{kind}:{name.replace('/', ':') if kind == 'maven' else name}"


_ASKED: Final[Mapping[str, Callable[[str], str]]] = {"ip": hostname, "package": _package, "vscode": _extension}

_SHOWN: Final[Mapping[str, Callable[[str], str]]] = {"key": _masked, "env": _name_only}

KINDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "domain": (("domains", ""),),
    "process": (),
    "bundle": (("apps", "bundle:"),),
    "chrome": (("extensions", "chrome:"),),
    "firefox": (("extensions", "firefox:"),),
    "vscode": (("extensions", "vscode:"),),
    "jetbrains": (("extensions", "jetbrains:"),),
    "mcp_path": (("mcp_config", ""), ("config", "")),
    "key": (("keys", ""),),
    "env": (("env", ""),),
    "package": (("packages", ""),),
    "image": (("images", ""),),
    "user_agent": (("user_agents", ""),),
    "ip": (("ips", ""),),
}
"""Kinds of `aimscope signatures match` → sections of the catalogue, with the prefix their values carry."""
