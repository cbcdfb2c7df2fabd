"""Browser extensions: every family, what switches them, what only looks like one, and profiles that are broken."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest
from tests.agent.sensors.planted import Host, fields, gaps, ids

from aimscope_agent.sensors.browser_extensions import SENSOR
from aimscope_signatures.model import Status

CLAUDE = "fcoeoabgfenejglbffodgkkbkcdhcgfn"
MONICA = "ofpnmcalabcbjgholdjcjblkibolbppb"
CHROME = ".config/google-chrome/Default"


def manifest(name: str = "Claude", version: str = "1.0.11", **more: object) -> dict[str, object]:
    return {"manifest_version": 3, "name": name, "version": version, **more}


def settings(**entries: object) -> dict[str, object]:
    return {"extensions": {"settings": entries}}


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


# the Chromium family


def test_an_extension_with_what_its_manifest_and_the_preferences_tell(linux: Host) -> None:
    linux.plant(
        {
            f"{CHROME}/Extensions/{CLAUDE}/1.0.11_0/manifest.json": manifest(),
            f"{CHROME}/Secure Preferences": settings(**{CLAUDE: {"state": 1, "location": 1}}),
        }
    )
    result = linux.look(SENSOR)
    assert fields(result) == [
        {
            "id": f"chrome:{CLAUDE}",
            "browser": "chrome",
            "name": "Claude",
            "version": "1.0.11",
            "enabled": True,
            "profile": "Default",
        }
    ]
    (seen,) = result.observations["browser_extensions"]
    assert seen.subject == "ann"


@pytest.mark.parametrize(
    ("entry", "enabled"),
    [
        ({"state": 1}, True),
        ({"state": 0}, False),
        ({"state": 2}, False),
        ({"state": 1, "disable_reasons": 8192}, False),
        ({"state": 1, "disable_reasons": 0}, True),
        ({"state": 1, "disable_reasons": [1]}, False),
        ({"disable_reasons": []}, True),
        ({"disable_reasons": [1]}, False),
        ({}, True),
        ("torn", None),
    ],
)
def test_preferences_switch_extensions_on_and_off(linux: Host, entry: object, enabled: bool | None) -> None:
    linux.plant(
        {
            f"{CHROME}/Extensions/{CLAUDE}/1.0_0/manifest.json": manifest(),
            f"{CHROME}/Preferences": settings(**{CLAUDE: entry}),
        }
    )
    assert fields(linux.look(SENSOR))[0].get("enabled") is enabled


def test_secure_preferences_are_believed_first(linux: Host) -> None:
    linux.plant(
        {
            f"{CHROME}/Extensions/{CLAUDE}/1.0_0/manifest.json": manifest(),
            f"{CHROME}/Preferences": settings(**{CLAUDE: {"state": 1}}),
            f"{CHROME}/Secure Preferences": settings(**{CLAUDE: {"state": 0}}),
        }
    )
    assert fields(linux.look(SENSOR))[0]["enabled"] is False


def test_of_several_versions_the_one_in_use_counts_else_the_highest(linux: Host) -> None:
    linux.plant(
        {f"{CHROME}/Extensions/{CLAUDE}/{v}_0/manifest.json": manifest(version=v) for v in ("1.9", "1.10", "1.2")}
    )
    assert fields(linux.look(SENSOR))[0]["version"] == "1.10"
    linux.plant({f"{CHROME}/Preferences": settings(**{CLAUDE: {"path": f"{CLAUDE}\\1.2_0"}})})
    (found,) = fields(linux.look(SENSOR))
    assert found["version"] == "1.2"


@pytest.mark.parametrize(
    ("name", "messages", "told"),
    [
        ("__MSG_appName__", {"APPNAME": {"message": "Monica"}}, "Monica"),
        ("__MSG_appName__", {"other": {"message": "x"}}, "__MSG_appName__"),
        ("__MSG_appName__", {"appName": "torn"}, "__MSG_appName__"),
        ("__MSG_appName__", [], "__MSG_appName__"),
        ("about __MSG_appName__", {"appName": {"message": "Monica"}}, "about __MSG_appName__"),
    ],
)
def test_names_are_resolved_in_the_default_language(linux: Host, name: str, messages: object, told: str) -> None:
    version = f"{CHROME}/Extensions/{MONICA}/8.3.0_0"
    linux.plant(
        {
            f"{version}/manifest.json": manifest(name, default_locale="en"),
            f"{version}/_locales/en/messages.json": messages,
        }
    )
    assert fields(linux.look(SENSOR))[0]["name"] == told


def test_a_language_is_no_way_out_of_the_folder(linux: Host) -> None:
    linux.plant(
        {
            f"{CHROME}/Extensions/{MONICA}/1_0/manifest.json": manifest("__MSG_a__", default_locale="../../../../.."),
            "secret/messages.json": {"a": {"message": "stolen"}},
        }
    )
    assert fields(linux.look(SENSOR))[0]["name"] == "__MSG_a__"


def test_unpacked_and_policy_extensions_are_only_in_the_preferences(linux: Host) -> None:
    kept = {"name": "Sider", "version": "5.17.0"}
    by_location = {
        letter * 32: {"location": location, "manifest": kept} for location, letter in enumerate("abcdefghijk")
    }
    linux.plant({f"{CHROME}/Secure Preferences": settings(**by_location)})
    result = linux.look(SENSOR)
    assert ids(result) == [f"chrome:{letter * 32}" for letter in ("e", "h", "i", "j")]
    assert {(found["name"], found["version"], found["enabled"]) for found in fields(result)} == {
        ("Sider", "5.17.0", True)
    }


def test_folders_that_are_no_extensions(linux: Host) -> None:
    linux.plant(
        {
            f"{CHROME}/Extensions/Temp/x/manifest.json": manifest(),
            f"{CHROME}/Extensions/{CLAUDE[:-1]}/1.0_0/manifest.json": manifest(),
            f"{CHROME}/Extensions/{CLAUDE[:-1]}z/1.0_0/manifest.json": manifest(),
            f"{CHROME}/Extensions/{CLAUDE}/1.0_0/_metadata/": "",
            f".config/google-chrome/System Profile/Extensions/{CLAUDE}/1.0_0/manifest.json": manifest(),
            f"backup/google-chrome/Default/Extensions/{CLAUDE}/1.0_0/manifest.json": manifest(),
        }
    )
    assert fields(linux.look(SENSOR)) == []


@pytest.mark.parametrize(
    ("platform", "profile", "browser", "name"),
    [
        ("linux", ".config/google-chrome-beta/Profile 3", "chrome", "Profile 3"),
        ("linux", "snap/chromium/common/chromium/Default", "chromium", "Default"),
        ("linux", ".var/app/com.google.Chrome/config/google-chrome/Default", "chrome", "Default"),
        ("linux", ".config/microsoft-edge-dev/Default", "edge", "Default"),
        ("macos", "Library/Application Support/Arc/User Data/Profile 1", "arc", "Profile 1"),
        ("macos", "Library/Application Support/com.operasoftware.Opera", "opera", "com.operasoftware.Opera"),
        ("macos", "Library/Application Support/com.operasoftware.Opera/Default", "opera", "Default"),
        ("macos", "Library/Application Support/com.openai.atlas/browser-data/host/user-1", "atlas", "user-1"),
        ("windows", "AppData/Local/Microsoft/Edge/User Data/Profile 1", "edge", "Profile 1"),
        ("windows", "AppData/Local/Google/Chrome SxS/User Data/Default", "chrome", "Default"),
        ("windows", "AppData/Roaming/Opera Software/Opera GX Stable", "opera-gx", "Opera GX Stable"),
        (
            "windows",
            "AppData/Local/Packages/TheBrowserCompany.Arc_ttt1ap7aakyb4/LocalCache/Local/Arc/User Data/Default",
            "arc",
            "Default",
        ),
    ],
)
def test_profiles_of_each_browser(tmp_path: Path, platform: str, profile: str, browser: str, name: str) -> None:
    host = Host(tmp_path, platform).plant({f"{profile}/Extensions/{CLAUDE}/1.0_0/manifest.json": manifest()})
    assert [(found["browser"], found["profile"]) for found in fields(host.look(SENSOR))] == [(browser, name)]


@pytest.mark.parametrize(
    "preferences",
    [
        b"{", b"\xff\xfe\x00", b"[]", b"null", b'{"extensions": []}', b'{"extensions": {"settings": [1]}}', b"[" * 5000,
        b'{"extensions": {"settings": {"' + CLAUDE.encode() + b'": {"location": [4], "state": {}, "manifest": 7}}}}',
    ],
)  # fmt: skip
def test_broken_preferences_cost_nothing_else(linux: Host, preferences: bytes) -> None:
    linux.plant(
        {
            f"{CHROME}/Secure Preferences": preferences,
            f"{CHROME}/Preferences": settings(**{MONICA: {"state": 0}}),
            f"{CHROME}/Extensions/{MONICA}/8.3.0_0/manifest.json": manifest("Monica", "8.3.0"),
        }
    )
    (found,) = fields(linux.look(SENSOR))
    assert (found["name"], found["enabled"]) == ("Monica", False)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"name": 7, "version": [1]}', b"\xff\xfe", b"[" * 5000])
def test_an_extension_with_a_broken_manifest_is_still_there(linux: Host, content: bytes) -> None:
    linux.plant({f"{CHROME}/Extensions/{CLAUDE}/1.0.11_0/manifest.json": content})
    (found,) = fields(linux.look(SENSOR))
    assert (found["id"], found["version"], found.get("name")) == (f"chrome:{CLAUDE}", "1.0.11", None)


def test_preferences_too_large_are_a_gap(linux: Host) -> None:
    linux.plant({f"{CHROME}/Preferences": b" " * (5 << 20)})
    assert gaps(linux.look(SENSOR)) == {(Status.PARTIAL, f"~/{CHROME}/Preferences")}


# the Firefox family


def addon(**more: object) -> dict[str, object]:
    return {
        "id": "a@b",
        "type": "extension",
        "location": "app-profile",
        "active": True,
        "version": "2.0",
        "defaultLocale": {"name": "Grammarly"},
        **more,
    }


def test_an_add_on(linux: Host) -> None:
    linux.plant({".mozilla/firefox/x.default/extensions.json": {"addons": [addon()]}})
    assert fields(linux.look(SENSOR)) == [
        {
            "id": "firefox:a@b",
            "browser": "firefox",
            "name": "Grammarly",
            "version": "2.0",
            "enabled": True,
            "profile": "x.default",
        }
    ]


@pytest.mark.parametrize(
    "other",
    [
        addon(type="theme"), addon(type="locale"), addon(location="app-builtin"), addon(location="app-builtin-addons"),
        addon(location="app-system-defaults"), addon(id=7), addon(id=""), "text", None, [], {},
    ],
)  # fmt: skip
def test_what_is_no_add_on_of_the_user(linux: Host, other: object) -> None:
    linux.plant({".mozilla/firefox/x.default/extensions.json": {"addons": [other, addon(id="c@d")]}})
    assert ids(linux.look(SENSOR)) == ["firefox:c@d"]


def test_what_an_add_on_does_not_tell_is_left_out(linux: Host) -> None:
    torn = addon(active="yes", version=2, defaultLocale="Grammarly")
    linux.plant({".zen/x.Default/extensions.json": {"addons": [torn]}})
    assert fields(linux.look(SENSOR)) == [{"id": "firefox:a@b", "browser": "zen", "profile": "x.Default"}]


@pytest.mark.parametrize("content", [b"{", b"7", b"[]", b'{"addons": {}}', b'{"addons": null}', b"\x00\xff"])
def test_a_broken_list_of_add_ons_costs_only_its_profile(linux: Host, content: bytes) -> None:
    linux.plant(
        {
            ".mozilla/firefox/a.one/extensions.json": content,
            ".mozilla/firefox/b.two/extensions.json": {"addons": [addon()]},
        }
    )
    assert [found["profile"] for found in fields(linux.look(SENSOR))] == ["b.two"]


# Safari


def appex(point: object = "com.apple.Safari.web-extension", **more: object) -> dict[str, object]:
    return {
        "CFBundleIdentifier": "com.example.app.Extension",
        "CFBundleName": "Short",
        "CFBundleShortVersionString": "3.1",
        "NSExtension": {"NSExtensionPointIdentifier": point},
        **more,
    }


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
@pytest.mark.parametrize(
    ("app", "subject"),
    [("/Applications/A.app", ""), ("/Applications/Tools/A.app", ""), ("Applications/A.app", "ann")],
)
def test_a_safari_extension_of_a_bundle(tmp_path: Path, form: plistlib.PlistFormat, app: str, subject: str) -> None:
    data = plistlib.dumps(appex(CFBundleDisplayName="Long"), fmt=form)
    host = Host(tmp_path, "macos").plant({f"{app}/Contents/PlugIns/E.appex/Contents/Info.plist": data})
    result = host.look(SENSOR)
    assert fields(result) == [
        {"id": "safari:com.example.app.Extension", "browser": "safari", "name": "Long", "version": "3.1"}
    ]
    assert [found.subject for found in result.observations["browser_extensions"]] == [subject]


@pytest.mark.parametrize(
    "content",
    [
        plistlib.dumps(appex("com.apple.share-services")),
        plistlib.dumps(appex("com.apple.Safari.content-blocker")),
        plistlib.dumps(appex(CFBundleIdentifier="")),
        plistlib.dumps(appex(["com.apple.Safari.extension"])),
        plistlib.dumps([appex()]),
        plistlib.dumps({"NSExtension": "com.apple.Safari.extension"}),
        b"com.apple.Safari.extension",
        b"",
    ],
)
def test_bundles_that_are_no_safari_extension(tmp_path: Path, content: bytes) -> None:
    host = Host(tmp_path, "macos")
    host.plant(
        {
            "/Applications/A.app/Contents/PlugIns/A.appex/Contents/Info.plist": content,
            "/Applications/B.app/Contents/PlugIns/B.appex/Contents/Info.plist": plistlib.dumps(appex()),
        }
    )
    (found,) = fields(host.look(SENSOR))
    assert found["name"] == "Short"


def test_a_denied_home_is_one_gap(linux: Host) -> None:
    result = linux.look(SENSOR, denied=["/home/ann"])
    assert gaps(result) == {(Status.DENIED, "/home/ann")}
