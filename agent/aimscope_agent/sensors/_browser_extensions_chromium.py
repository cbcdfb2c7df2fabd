"""Extensions of the Chromium family: folders that hold them, and preferences that switch them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from aimscope_agent.host.facts import Found
from aimscope_agent.readers import browser_profiles as profiles
from aimscope_agent.sensor import Look
from aimscope_signatures.model import Observation

_PREFERENCES = "/{Secure Preferences,Preferences}"
_MANIFESTS = "/Extensions/*/*/manifest.json"
WANTS = (*profiles.globs(profiles.CHROMIUM, _PREFERENCES), *profiles.globs(profiles.CHROMIUM, _MANIFESTS))

_ID = re.compile(r"[a-p]{32}")
_MESSAGE = re.compile(r"__MSG_(\w{1,128})__")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[_-]\w{1,16}){0,2}")
_ELSEWHERE = (4, 8, 7, 9)
"""`location` of what lies in no profile: unpacked (4, from the command line 8), by policy (7, 9)."""


class _Entry(msgspec.Struct, frozen=True):
    """What the preferences tell of one extension: the rest of them, megabytes in all, is not kept."""

    source: Found
    enabled: bool
    elsewhere: bool
    path: str
    name: str
    version: str


class _Profile(msgspec.Struct):
    """What the files of one profile tell."""

    entries: dict[str, _Entry] = {}
    manifests: dict[str, list[Found]] = {}
    """Manifests of the versions that are there."""


def observe(look: Look) -> Iterator[Observation]:
    """Each extension of each profile once."""
    found: dict[tuple[str, str], _Profile] = {}
    for browser, glob in profiles.of_platform(profiles.CHROMIUM, look.platform, _PREFERENCES):
        # By path `Preferences` comes first, and the other is the one that Chrome believes.
        for file in reversed(tuple(look.found(glob))):
            folder = file.host_path.rpartition("/")[0]
            entries = found.setdefault((browser, folder), _Profile()).entries
            for extension, entry in _entries(file, look.json(file)):
                entries.setdefault(extension, entry)
    for browser, glob in profiles.of_platform(profiles.CHROMIUM, look.platform, _MANIFESTS):
        for file in look.found(glob):
            folder, _, extension, _, _ = file.host_path.rsplit("/", 4)
            if _ID.fullmatch(extension):
                found.setdefault((browser, folder), _Profile()).manifests.setdefault(extension, []).append(file)
    for (browser, folder), profile in found.items():
        yield from _of_profile(look, browser, folder.rpartition("/")[2], profile)


def _of_profile(look: Look, browser: str, name: str, profile: _Profile) -> Iterator[Observation]:
    for extension, versions in profile.manifests.items():
        entry = profile.entries.get(extension)
        file = _current(versions, entry.path if entry else "")
        manifest = look.json(file)
        yield look.see(
            "browser_extension",
            file,
            id=f"chrome:{extension}",
            browser=browser,
            name=_name(look, file, manifest),
            version=_text(manifest, "version") or _version(file),
            enabled=entry.enabled if entry else None,
            profile=name,
        )
    for extension, entry in profile.entries.items():
        if entry.elsewhere and extension not in profile.manifests:
            yield look.see(
                "browser_extension",
                entry.source,
                id=f"chrome:{extension}",
                browser=browser,
                name=entry.name,
                version=entry.version,
                enabled=entry.enabled,
                profile=name,
            )


def _entries(file: Found, preferences: object) -> Iterator[tuple[str, _Entry]]:
    extensions = preferences.get("extensions") if isinstance(preferences, dict) else None
    settings = extensions.get("settings") if isinstance(extensions, dict) else None
    for extension, entry in settings.items() if isinstance(settings, dict) else ():
        if not isinstance(extension, str) or not isinstance(entry, dict) or not _ID.fullmatch(extension):
            continue
        manifest = entry.get("manifest")
        yield (
            extension,
            _Entry(
                source=file,
                # Reasons are the bits of a number, in newer versions a list; these versions keep no `state`.
                enabled=entry.get("state", 1) == 1 and not entry.get("disable_reasons"),
                elsewhere=entry.get("location") in _ELSEWHERE,
                path=_text(entry, "path"),
                name=_text(manifest, "name"),
                version=_text(manifest, "version"),
            ),
        )


def _current(versions: list[Found], path: str) -> Found:
    """The version that is in use: the ``path`` of the preferences, else the highest."""
    in_use = "/" + path.replace("\\", "/").strip("/") + "/manifest.json"
    for file in versions:
        if file.host_path.endswith(in_use):
            return file
    return max(versions, key=lambda file: [int(number) for number in re.findall(r"\d{1,9}", _version(file))])


def _version(file: Found) -> str:
    """The folder of a version ends in the number of its installation: ``1.2.3_0``."""
    return file.host_path.split("/")[-2].partition("_")[0]


def _name(look: Look, file: Found, manifest: object) -> str:
    name = _text(manifest, "name")
    message, locale = _MESSAGE.fullmatch(name), _text(manifest, "default_locale")
    if message is None or not _LOCALE.fullmatch(locale):
        return name
    messages = look.json(f"{file.host_path.rpartition('/')[0]}/_locales/{locale}/messages.json")
    for key, value in messages.items() if isinstance(messages, dict) else ():
        if isinstance(key, str) and key.lower() == message[1].lower():
            return _text(value, "message") or name
    return name


def _text(fields: object, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else ""
