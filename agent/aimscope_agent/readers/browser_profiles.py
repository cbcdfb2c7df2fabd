"""Where browsers keep the profiles of their users: for the sensors of extensions and of history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from aimscope_agent.host.facts import Platform

Places = Mapping[Platform, Mapping[str, tuple[str, ...]]]

_PROFILE = "/{Default,Profile *}"
_LIBRARY = "~/Library/Application Support/"
_LOCAL = "~/AppData/Local/"
_ROAMING = "~/AppData/Roaming/"


def _in(*roots: str, profile: str = _PROFILE) -> tuple[str, ...]:
    return tuple(root + profile for root in roots)


CHROMIUM: Final[Places] = {
    "linux": {
        "chrome": _in(
            "~/.config/google-chrome{,-beta,-unstable}",
            "~/.var/app/com.google.Chrome/config/google-chrome",
            "~/.var/app/com.google.ChromeDev/config/google-chrome-unstable",
        ),
        "chromium": _in(
            "~/.config/chromium", "~/snap/chromium/common/chromium", "~/.var/app/org.chromium.Chromium/config/chromium"
        ),
        "edge": _in("~/.config/microsoft-edge{,-beta,-dev}", "~/.var/app/com.microsoft.Edge/config/microsoft-edge"),
        "brave": _in(
            "~/.config/BraveSoftware/Brave-Browser{,-Beta,-Nightly}",
            "~/snap/brave/current/.config/BraveSoftware/Brave-Browser",
            "~/.var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser",
        ),
        "vivaldi": _in(
            "~/.config/vivaldi{,-snapshot}",
            "~/snap/vivaldi/current/.config/vivaldi",
            "~/.var/app/com.vivaldi.Vivaldi/config/vivaldi",
        ),
        "opera": _in(
            "~/.config/opera{,-beta,-developer}",
            "~/snap/opera/current/.config/opera",
            "~/.var/app/com.opera.Opera/config/opera",
        ),
    },
    "macos": {
        "chrome": _in(_LIBRARY + "Google/Chrome{, Beta, Dev, Canary}"),
        "chromium": _in(_LIBRARY + "Chromium"),
        "edge": _in(_LIBRARY + "Microsoft Edge{, Beta, Dev, Canary}"),
        "brave": _in(_LIBRARY + "BraveSoftware/Brave-Browser{,-Beta,-Nightly}"),
        "vivaldi": _in(_LIBRARY + "Vivaldi{, Snapshot}"),
        # A profile of its own in the root until 2023, later in `Default`.
        "opera": _in(_LIBRARY + "com.operasoftware.Opera", profile="{,/Default}"),
        "opera-gx": _in(_LIBRARY + "com.operasoftware.OperaGX", profile="{,/Default}"),
        "arc": _in(_LIBRARY + "Arc/User Data"),
        "dia": _in(_LIBRARY + "Dia/User Data"),
        "comet": _in(_LIBRARY + "Comet"),
        "atlas": _in(_LIBRARY + "com.openai.atlas/browser-data/host", profile="/{Default,user-*}"),
    },
    "windows": {
        "chrome": _in(_LOCAL + "Google/Chrome{, Beta, Dev, SxS}/User Data"),
        "chromium": _in(_LOCAL + "Chromium/User Data"),
        "edge": _in(_LOCAL + "Microsoft/Edge{, Beta, Dev, SxS}/User Data"),
        "brave": _in(_LOCAL + "BraveSoftware/Brave-Browser{,-Beta,-Nightly}/User Data"),
        "vivaldi": _in(_LOCAL + "Vivaldi/User Data"),
        "opera": _in(_ROAMING + "Opera Software/Opera Stable", profile="{,/Default}"),
        "opera-gx": _in(_ROAMING + "Opera Software/Opera GX Stable", profile="{,/Default}"),
        "arc": _in(_LOCAL + "Packages/TheBrowserCompany.Arc_*/LocalCache/Local/Arc/User Data"),
        "comet": _in(_LOCAL + "Perplexity/Comet/User Data"),
    },
}
"""Profile folders of browsers built from Chromium, as globs."""

FIREFOX: Final[Places] = {
    "linux": {
        "firefox": (
            "~/.mozilla/firefox/*",
            "~/.config/mozilla/firefox/*",
            "~/snap/firefox/common/.mozilla/firefox/*",
            "~/.var/app/org.mozilla.firefox/{.mozilla,config/mozilla}/firefox/*",
        ),
        "librewolf": ("~/.librewolf/*", "~/.var/app/io.gitlab.librewolf-community/.librewolf/*"),
        "waterfox": ("~/.waterfox/*",),
        "floorp": ("~/.floorp/*",),
        "zen": ("~/.zen/*", "~/.var/app/app.zen_browser.zen/.zen/*"),
    },
    "macos": {
        "firefox": (_LIBRARY + "Firefox/Profiles/*",),
        "librewolf": (_LIBRARY + "librewolf/Profiles/*",),
        "waterfox": (_LIBRARY + "Waterfox/Profiles/*",),
        "floorp": (_LIBRARY + "Floorp/Profiles/*",),
        "zen": (_LIBRARY + "zen/Profiles/*",),
    },
    "windows": {
        "firefox": (
            _ROAMING + "Mozilla/Firefox/Profiles/*",
            _LOCAL + "Packages/Mozilla.Firefox_*/LocalCache/Roaming/Mozilla/Firefox/Profiles/*",
        ),
        "librewolf": (_ROAMING + "librewolf/Profiles/*",),
        "waterfox": (_ROAMING + "Waterfox/Profiles/*",),
        "floorp": (_ROAMING + "Floorp/Profiles/*",),
        "zen": (_ROAMING + "zen/Profiles/*",),
    },
}
"""Profile folders of Firefox and what is built from it, as globs."""


def globs(places: Places, below: str) -> tuple[str, ...]:
    """What a sensor wants in every profile, on any platform."""
    return tuple(glob + below for browsers in places.values() for of_one in browsers.values() for glob in of_one)


def of_platform(places: Places, platform: Platform, below: str) -> Iterator[tuple[str, str]]:
    """Browser and glob, for one platform."""
    for browser, of_one in places[platform].items():
        for glob in of_one:
            yield browser, glob + below
