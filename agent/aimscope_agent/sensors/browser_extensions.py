"""Sensor: extensions of web browsers, in every profile."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.readers import browser_profiles as profiles
from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors import _browser_extensions_chromium as chromium
from aimscope_signatures.model import Observation

_LIST = "/extensions.json"
_BUILT_IN = ("app-builtin", "app-system-")
_SAFARI = (
    "/Applications/*.app/Contents/PlugIns/*.appex/Contents/Info.plist",
    "/Applications/*/*.app/Contents/PlugIns/*.appex/Contents/Info.plist",
    "~/Applications/*.app/Contents/PlugIns/*.appex/Contents/Info.plist",
)
_POINTS = ("com.apple.Safari.web-extension", "com.apple.Safari.extension")


def observe(look: Look) -> Iterator[Observation]:
    """The Chromium family, the Firefox family, Safari."""
    yield from chromium.observe(look)
    for browser, glob in profiles.of_platform(profiles.FIREFOX, look.platform, _LIST):
        yield from _firefox(look, browser, glob)
    if look.platform == "macos":
        yield from _safari(look)


def _firefox(look: Look, browser: str, glob: str) -> Iterator[Observation]:
    for file in look.found(glob):
        listed = look.json(file)
        addons = listed.get("addons") if isinstance(listed, dict) else None
        for addon in addons if isinstance(addons, list) else ():
            if not isinstance(addon, dict) or addon.get("type") != "extension":
                continue
            location, addon_id, active = addon.get("location"), addon.get("id"), addon.get("active")
            if not isinstance(addon_id, str) or not addon_id:
                continue
            if isinstance(location, str) and location.startswith(_BUILT_IN):
                continue
            locale = addon.get("defaultLocale")
            yield look.see(
                "browser_extension",
                file,
                id=f"firefox:{addon_id}",
                browser=browser,
                name=_text(locale, "name"),
                version=_text(addon, "version"),
                enabled=active if isinstance(active, bool) else None,
                profile=file.host_path.split("/")[-2],
            )


def _safari(look: Look) -> Iterator[Observation]:
    for glob in _SAFARI:
        for file in look.found(glob):
            # Macs have hundreds of these bundles, few of them Safari's; both forms of plists tell in plain text.
            if b"com.apple.Safari." not in (look.head(file) or b""):
                continue
            info = look.plist(file)
            extension = info.get("NSExtension") if isinstance(info, dict) else None
            bundle = _text(info, "CFBundleIdentifier")
            if bundle and _text(extension, "NSExtensionPointIdentifier") in _POINTS:
                yield look.see(
                    "browser_extension",
                    file,
                    id=f"safari:{bundle}",
                    browser="safari",
                    name=_text(info, "CFBundleDisplayName") or _text(info, "CFBundleName"),
                    version=_text(info, "CFBundleShortVersionString"),
                )


def _text(fields: object, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else ""


SENSOR = Sensor(
    name="browser_extensions",
    doc="Extensions of web browsers in every profile, and whether they are switched on.",
    emits=("browser_extension",),
    observe=observe,
    wants=(*chromium.WANTS, *profiles.globs(profiles.FIREFOX, _LIST), *_SAFARI),
)
