"""Applications of a Mac: bundles with what their property list tells, Homebrew's formulae and casks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look
from aimscope_agent.sensors import _applications_folders as folders
from aimscope_agent.sensors import _applications_signature as signature
from aimscope_signatures.model import Observation

_BUNDLES = "/Applications/*.app/"
_GROUPED = "/Applications/*/*.app/"
_OF_USERS = "~/Applications/{,*/}*.app/"
"""Browsers keep the web apps that a user installed in a folder there: `Chrome Apps.localized`."""
_MOST_PROFILE = 262_144

WANTS = (_BUNDLES, _GROUPED, _OF_USERS, folders.BREW, folders.CASK)


def observe(look: Look) -> Iterator[Observation]:
    """Everything; the same application may come from two sources."""
    for glob in (_BUNDLES, _GROUPED, _OF_USERS):
        for found in look.found(glob):
            if ".app/" not in found.host_path:  # a helper inside another app is no app of its own
                yield from _bundle(look, found)
    yield from folders.versioned(look, "brew", look.found(folders.BREW))
    yield from folders.versioned(look, "cask", look.found(folders.CASK))


def _bundle(look: Look, app: Found) -> Iterator[Observation]:
    # An app for iPhone or iPad is wrapped, and its list lies at the top of the bundle within.
    for inside in ("Contents", "WrappedBundle"):
        info = look.plist(f"{app.host_path}/{inside}/Info.plist")
        if isinstance(info, dict):
            break
    else:
        return
    if identifier := _text(info, "CFBundleIdentifier"):
        yield look.see(
            "application",
            app,
            id=f"bundle:{identifier}",
            name=_text(info, "CFBundleName") or folders.base(app.path).removesuffix(".app"),
            version=_text(info, "CFBundleShortVersionString"),
            team_id=_signed(look, f"{app.host_path}/{inside}", info) or _team(look, app, info),
            path=app.path,
        )


def _text(info: Mapping[object, object], key: str) -> str:
    value = info.get(key)
    return value.strip() if isinstance(value, str) else ""


def _signed(look: Look, folder: str, info: Mapping[object, object]) -> str:
    """The team in the signature of the main program."""
    name = _text(info, "CFBundleExecutable")
    if not name or "/" in name:
        return ""
    program = f"{folder}/MacOS/{name}" if folder.endswith("/Contents") else f"{folder}/{name}"
    return signature.team(lambda offset, size: look.part(program, offset, size) or b"")


_TEAM = re.compile(r"([A-Z0-9]{10})\.?\Z")
_TEAM_OF_PROFILE = re.compile(rb"<key>TeamIdentifier</key>\s*<array>\s*<string>([A-Z0-9]{10})</string>")


def _team(look: Look, app: Found, info: Mapping[object, object]) -> str:
    """The developer's team, where the bundle writes it down: in its list, or in its signed provisioning profile."""
    for key in ("AppIdentifierPrefix", "TeamIdentifierPrefix"):
        if told := _TEAM.match(_text(info, key)):
            return told[1]
    profile = look.head(f"{app.host_path}/Contents/embedded.provisionprofile", _MOST_PROFILE) or b""
    found = _TEAM_OF_PROFILE.search(profile)
    return found[1].decode() if found else ""
