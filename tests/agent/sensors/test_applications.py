"""Applications: what each manager's traces tell, what only looks like one, and traces that are broken."""

from __future__ import annotations

import contextlib
import json
import plistlib
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors._applications_folders import age
from aimscope_agent.sensors.applications import SENSOR
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Observation, Status

HOMES = {"linux": "/home/ann", "macos": "/Users/ann", "windows": "C:/Users/ann"}
Look = Callable[..., ScanResult]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Scan planted files; a name that ends in ``/`` is a folder."""

    def run(files: Mapping[str, bytes | str], platform: str = "linux", **machine: object) -> ScanResult:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        about = tmp_path / "machine.json"
        users = [{"name": "ann", "home": HOMES[platform]}]
        empty: dict[str, object] = {"registry": {}} if platform == "windows" else {}
        about.write_text(json.dumps({"platform": platform, "users": users, **empty, **machine}))
        return scan(OfflineHost(root, about), [SENSOR], Interests(), Options(), now=1)

    return run


def ids(result: ScanResult) -> list[str]:
    return sorted(str(found.fields["id"]) for found in result.observations["applications"])


def only(result: ScanResult) -> Observation:
    (found,) = result.observations["applications"]
    return found


def stanza(name: str, status: str = "install ok installed", **fields: str) -> str:
    lines = [f"Package: {name}", f"Status: {status}", *(f"{key}: {value}" for key, value in fields.items())]
    return "\n".join(lines) + "\n\n"


DPKG = "var/lib/dpkg/status"


# Linux


def test_dpkg_tells_name_version_and_maintainer_without_address(look: Look) -> None:
    found = only(look({DPKG: stanza("cursor", Maintainer="Anysphere, Inc <hi@cursor.example>", Version="1:1.7.28-1")}))
    assert found.fields == {"id": "dpkg:cursor", "version": "1:1.7.28-1", "publisher": "Anysphere, Inc"}
    assert (found.source, found.subject) == ("/var/lib/dpkg/status", "")


@pytest.mark.parametrize("status", ["install ok installed", "hold ok installed", "deinstall ok installed"])
def test_what_dpkg_has_unpacked_and_set_up_is_installed_whatever_is_wanted_of_it(look: Look, status: str) -> None:
    assert ids(look({DPKG: stanza("ollama", status)})) == ["dpkg:ollama"]


@pytest.mark.parametrize(
    "status", ["deinstall ok config-files", "install ok unpacked", "install reinstreq half-installed", "installed", ""]
)
def test_what_dpkg_has_not_installed_is_no_application(look: Look, status: str) -> None:
    assert ids(look({DPKG: stanza("ollama", status)})) == []


def test_a_description_that_looks_like_a_field_is_none(look: Look) -> None:
    text = stanza("vim", Description="editor\n Package: cursor\n .\n Status: deinstall ok config-files", Version="9")
    assert only(look({DPKG: text})).fields == {"id": "dpkg:vim", "version": "9"}


def test_a_bare_address_is_no_publisher(look: Look) -> None:
    assert only(look({DPKG: stanza("tool", Maintainer="ann@corp.example", Version="1")})).fields == {
        "id": "dpkg:tool",
        "version": "1",
    }


def test_one_package_for_two_processors_is_one(look: Look) -> None:
    text = stanza("libc6", Architecture="amd64", Version="2") + stanza("libc6", Architecture="i386", Version="2")
    assert ids(look({DPKG: text})) == ["dpkg:libc6"]


def test_a_broken_database_gives_what_is_whole(look: Look) -> None:
    text = stanza("git", Version="2").encode() + b"\xff\xfe\x00garbage\n\nPackage:\n\n" + stanza("vim").encode()[:-30]
    assert ids(look({DPKG: text})) == ["dpkg:git"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_sensor(look: Look, data: bytes) -> None:
    result = look({DPKG: data, "usr/share/applications/x.desktop": b"[Desktop Entry]\n" + data})
    assert result.coverage[0].status is Status.COMPLETE


def test_rpm_lines(look: Look) -> None:
    told = "bash\t5.2-1\tFedora Project\ngpg-pubkey\t105ef944\t(none)\nno tabs at all\n\tnameless\tx\n"
    found = look({}, commands={"rpm": told}).observations["applications"]
    assert [one.fields for one in found] == [
        {"id": "rpm:bash", "name": "bash", "version": "5.2-1", "publisher": "Fedora Project"},
        {"id": "rpm:gpg-pubkey", "name": "gpg-pubkey", "version": "105ef944"},
    ]


@pytest.mark.parametrize("folder", ["var/lib/rpm", "usr/lib/sysimage/rpm"])
def test_names_in_the_database_of_rpm_where_the_command_cannot_be_asked(
    look: Look, tmp_path: Path, folder: str
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "rpmdb.sqlite")) as database:
        database.execute("CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
        database.executemany("INSERT INTO Name VALUES (?, ?, 0)", [("bash", 1), ("ollama", 2), ("ollama", 3), ("", 4)])
        database.commit()
    data = (tmp_path / "rpmdb.sqlite").read_bytes()
    assert ids(look({f"{folder}/rpmdb.sqlite": data})) == ["rpm:bash", "rpm:ollama"]
    assert ids(look({f"{folder}/rpmdb.sqlite": data}, commands={"rpm": "vim\t9-1\tx\n"})) == ["rpm:vim"]
    assert ids(look({f"{folder}/rpmdb.sqlite": data[:600]})) == []


def test_snaps_are_folders_and_files_but_not_bin_and_readme(look: Look) -> None:
    files = {
        "snap/ollama/current/": "",
        "snap/bin/": "",
        "snap/README": "",
        "var/lib/snapd/snaps/ollama_122.snap": "",
        "var/lib/snapd/snaps/spotify_88.snap": "",
        "var/lib/snapd/snaps/partial/": "",
        "home/ann/snap/firefox/common/": "",
    }
    assert ids(look(files)) == ["snap:ollama", "snap:spotify"]


def test_flatpaks_of_the_system_and_of_a_user(look: Look) -> None:
    found = look(
        {
            "var/lib/flatpak/app/com.jeffser.Alpaca/current/": "",
            "home/ann/.local/share/flatpak/app/dev.zed.Zed/": "",
            "var/lib/flatpak/runtime/org.gnome.Platform/": "",
        }
    )
    assert [(one.subject, one.fields) for one in found.observations["applications"]] == [
        ("", {"id": "flatpak:com.jeffser.Alpaca"}),
        ("ann", {"id": "flatpak:dev.zed.Zed"}),
    ]


@pytest.mark.parametrize(
    ("file", "identifier"),
    [
        ("Downloads/Cursor-1.7.28-x86_64.AppImage", "cursor"),
        ("Applications/LM-Studio-0.3.30-2-x64.AppImage", "lm-studio"),
        (".local/bin/krita_5.2.13.AppImage", "krita"),
        ("AnythingLLMDesktop.AppImage", "anythingllmdesktop"),
        ("cursor.appimage", "cursor"),
        ("AppImages/jan-linux-x86_64-0.7.1.AppImage", "jan"),
        ("Desktop/Msty_x86_64_amd64.AppImage", "msty"),
        ("bin/tool-v2.AppImage", "tool"),
        ("bin/linux-x.AppImage", "linux-x"),
    ],
)
def test_an_appimage_is_called_like_its_file_up_to_the_version(look: Look, file: str, identifier: str) -> None:
    found = only(look({f"home/ann/{file}": b"\x7fELF"}))
    assert found.fields == {"id": f"appimage:{identifier}", "path": f"~/{file}"}
    assert found.subject == "ann"


@pytest.mark.parametrize(
    "file", ["Cursor.AppImage.zsync", "Documents/Cursor.AppImage", "Downloads/Cursor.AppImage/x", ".AppImage"]
)
def test_what_is_no_appimage(look: Look, file: str) -> None:
    assert ids(look({f"home/ann/{file}": b"\x7fELF"})) == []


def test_a_desktop_entry_is_called_as_its_main_group_says(look: Look) -> None:
    text = "#!/usr/bin/env xdg-open\n\n[Desktop Entry]\nName[de]=Falsch\nName = Zed \n[Desktop Action new]\nName=New\n"
    found = only(look({"home/ann/.local/share/applications/dev.zed.Zed.desktop": text}))
    assert found.fields == {
        "id": "desktop:dev.zed.Zed",
        "name": "Zed",
        "path": "~/.local/share/applications/dev.zed.Zed.desktop",
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Name=Zed\n",
        "[Desktop Action new]\nName=Zed\n",
        "[Desktop Entry]\nType=Application\n",
        "[Desktop Entry]\nName=Zed\nHidden=true\n",
        "[Desktop Entry]\nName=Zed\nType=Directory\n",
    ],
)
def test_desktop_entries_that_are_no_application(look: Look, text: str) -> None:
    assert ids(look({"usr/share/applications/zed.desktop": text})) == []


def test_a_huge_desktop_entry_is_a_gap_and_costs_nothing_else(look: Look) -> None:
    entry = "[Desktop Entry]\nName=Zed\n"
    result = look(
        {
            "usr/share/applications/big.desktop": entry + "#" * 600_000,
            "usr/local/share/applications/zed.desktop": entry,
        }
    )
    assert ids(result) == ["desktop:zed"]
    assert [(gap.source, gap.status) for gap in result.coverage[0].gaps] == [
        ("/usr/share/applications/big.desktop", Status.PARTIAL)
    ]


# Homebrew


def test_homebrew_counts_the_newest_version(look: Look) -> None:
    cellar = "home/linuxbrew/.linuxbrew/Cellar"
    files = {f"{cellar}/ollama/{version}/x": "" for version in ("0.9.0", "0.10.1", "0.10.0_1", ".keep")}
    assert only(look(files)).fields == {"id": "brew:ollama", "version": "0.10.1"}


def test_casks_on_a_mac_and_what_homebrew_notes_beside_them(look: Look) -> None:
    room = "opt/homebrew/Caskroom"
    files = {f"{room}/lm-studio/0.3.30,2/": "", f"{room}/lm-studio/.metadata/0.3.30,2/": "", f"{room}/stray": ""}
    assert only(look(files, "macos")).fields == {"id": "cask:lm-studio", "version": "0.3.30,2"}


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9", "1.10"), ("2.0-rc1", "2.0"), ("1.0", "1.0.1"), ("1.0", "1.0_1"), ("1.0-beta", "1.0-1")],
)
def test_versions_sort_by_their_numbers(older: str, newer: str) -> None:
    assert age(older) < age(newer)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_two_versions_can_be_compared(one: str, other: str) -> None:
    assert (age(one) < age(other)) + (age(other) < age(one)) <= 1


# macOS


def info(**values: object) -> bytes:
    return plistlib.dumps(values)


CLAUDE = info(
    CFBundleIdentifier="com.anthropic.claudefordesktop", CFBundleName="Claude", CFBundleShortVersionString="0.13"
)


def test_a_bundle_tells_identifier_name_and_version(look: Look) -> None:
    found = only(look({"Users/ann/Applications/Claude.app/Contents/Info.plist": CLAUDE}, "macos"))
    assert found.fields == {
        "id": "bundle:com.anthropic.claudefordesktop",
        "name": "Claude",
        "version": "0.13",
        "path": "~/Applications/Claude.app",
    }
    assert found.subject == "ann"


def test_a_bundle_without_name_is_called_like_its_folder(look: Look) -> None:
    plain = info(CFBundleIdentifier="gpt4all", CFBundleShortVersionString=["3"])
    found = only(look({"Applications/GPT4All/gpt4all.app/Contents/Info.plist": plain}, "macos"))
    assert found.fields == {
        "id": "bundle:gpt4all",
        "name": "gpt4all",
        "path": "/Applications/GPT4All/gpt4all.app",
    }


def test_an_app_made_for_a_phone_is_wrapped(look: Look) -> None:
    found = only(look({"Applications/Chat.app/WrappedBundle/Info.plist": CLAUDE}, "macos"))
    assert found.fields["id"] == "bundle:com.anthropic.claudefordesktop"


def test_the_team_where_the_bundle_writes_it_down(look: Look) -> None:
    profile = b"\x30\x82<?xml?><dict><key>TeamIdentifier</key>\n<array>\n<string>Q6L2SF6YDW</string></array></dict>\0"
    prefixed = info(CFBundleIdentifier="a.b", AppIdentifierPrefix="2DC432GLL2.")
    result = look(
        {
            "Applications/A.app/Contents/Info.plist": prefixed,
            "Applications/Claude.app/Contents/Info.plist": CLAUDE,
            "Applications/Claude.app/Contents/embedded.provisionprofile": profile,
            "Applications/Odd.app/Contents/Info.plist": info(CFBundleIdentifier="o", AppIdentifierPrefix="$(Prefix)"),
        },
        "macos",
    )
    teams = {one.fields["id"]: one.fields.get("team_id") for one in result.observations["applications"]}
    assert teams == {
        "bundle:a.b": "2DC432GLL2",
        "bundle:com.anthropic.claudefordesktop": "Q6L2SF6YDW",
        "bundle:o": None,
    }


def test_bundles_that_tell_nothing_cost_nothing_else(look: Look) -> None:
    result = look(
        {
            "Applications/Torn.app/Contents/Info.plist": CLAUDE[:60],
            "Applications/List.app/Contents/Info.plist": plistlib.dumps(["CFBundleIdentifier"]),
            "Applications/Number.app/Contents/Info.plist": info(CFBundleIdentifier=7),
            "Applications/Empty.app/": "",
            "Applications/Claude.app/Contents/Info.plist": CLAUDE,
            "Applications/Claude.app/Helper.app/Contents/Info.plist": info(CFBundleIdentifier="helper"),
            "Applications/notes.txt": "",
        },
        "macos",
    )
    assert ids(result) == ["bundle:com.anthropic.claudefordesktop"]
    assert [gap.source for gap in result.coverage[0].gaps] == ["/Applications/Torn.app/Contents/Info.plist"]


# Windows

UNINSTALL = "SOFTWARE/Microsoft/Windows/CurrentVersion/Uninstall"
STORE = "HKLM/SOFTWARE/Microsoft/Windows/CurrentVersion/Appx/AppxAllUserStore/Applications"


def test_installers_records_of_machine_and_user(look: Look) -> None:
    registry = {
        f"HKLM/{UNINSTALL}": [
            {"key": "Git_is1", "values": {"DisplayName": "Git", "DisplayVersion": "2.47", "Publisher": "Developers"}},
            {"key": "Hotfix", "values": {"DisplayVersion": "1"}},
            {"key": "Blank", "values": {"DisplayName": "  "}},
        ],
        f"HKLM/{UNINSTALL.replace('SOFTWARE', 'SOFTWARE/WOW6432Node')}": [
            {"key": "{7}", "values": {"displayname": "7-Zip"}}
        ],
        f"HKU/ann/{UNINSTALL}": [{"key": "cursor", "values": {"DisplayName": "Cursor (User)"}}],
        f"HKU/bob/{UNINSTALL}": [{"key": "x", "values": {"DisplayName": "Of nobody here"}}],
    }
    found = look({}, "windows", registry=registry).observations["applications"]
    assert [(one.subject, one.fields) for one in found] == [
        ("", {"id": "uninstall:Git", "version": "2.47", "publisher": "Developers"}),
        ("", {"id": "uninstall:7-Zip"}),
        ("ann", {"id": "uninstall:Cursor (User)"}),
    ]


def test_web_apps_that_a_browser_keeps_for_a_user(look: Look) -> None:
    app = "Users/ann/Applications/Chrome Apps.localized/Gemini.app"
    found = only(look({f"{app}/Contents/Info.plist": info(CFBundleIdentifier="com.google.Chrome.app.x")}, "macos"))
    assert (found.fields["id"], found.subject) == ("bundle:com.google.Chrome.app.x", "ann")


def test_packaged_apps_of_folder_and_registry_are_one(look: Look) -> None:
    full = "OpenAI.ChatGPT-Desktop_1.2025.258.0_x64__2p2nqsd0c76g0"
    result = look(
        {
            f"Program Files/WindowsApps/{full}/AppxManifest.xml": "",
            "Program Files/WindowsApps/Deleted/": "",
            "Program Files/WindowsApps/Not_A_Package/": "",
        },
        "windows",
        registry={STORE: [{"key": full, "values": {}}, {"key": "InboxApplications", "values": {}}]},
    )
    assert only(result).fields == {"id": "msix:OpenAI.ChatGPT-Desktop", "version": "1.2025.258.0"}


def test_packaged_apps_of_a_user_where_their_folder_tells_nothing(look: Look) -> None:
    data = "Users/ann/AppData/Local/Packages"
    result = look(
        {
            "Program Files/WindowsApps/Claude_1.0.0.0_x64__pzs8sxrjxfjjc/": "",
            f"{data}/Claude_pzs8sxrjxfjjc/LocalCache/": "",
            f"{data}/OpenAI.ChatGPT-Desktop_2p2nqsd0c76g0/Settings/": "",
            f"{data}/Not_A_Package/": "",
        },
        "windows",
    )
    assert [(one.subject, one.fields["id"]) for one in result.observations["applications"]] == [
        ("", "msix:Claude"),
        ("ann", "msix:OpenAI.ChatGPT-Desktop"),
    ]


def test_folders_of_winget_chocolatey_and_scoop(look: Look) -> None:
    winget = "AppData/Local/Microsoft/WinGet/Packages"
    source = "_Microsoft.Winget.Source_8wekyb3d8bbwe"
    files = {
        f"Users/ann/{winget}/Anthropic.ClaudeCode{source}/claude.exe": "",
        f"Users/ann/{winget}/Unknown.Thing/": "",
        f"Program Files/WinGet/Packages/ggml.llamacpp{source}/": "",
        "ProgramData/chocolatey/lib/ollama/": "",
        "ProgramData/chocolatey/lib/stray.nupkg": "",
        "ProgramData/scoop/apps/scoop/current/": "",
        "ProgramData/scoop/apps/gemini-cli/": "",
        "Users/ann/scoop/apps/aichat/": "",
        "Users/ann/scoop/apps/scoop/": "",
    }
    result = look(files, "windows")
    assert [(one.subject, one.fields["id"]) for one in result.observations["applications"]] == [
        ("", "winget:ggml.llamacpp"),
        ("ann", "winget:Anthropic.ClaudeCode"),
        ("", "choco:ollama"),
        ("", "scoop:gemini-cli"),
        ("ann", "scoop:aichat"),
    ]


@pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
def test_an_empty_machine_has_no_applications_and_no_gaps(look: Look, platform: str) -> None:
    result = look({}, platform)
    assert ids(result) == []
    assert result.coverage[0].gaps == ()


@pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
def test_a_closed_home_is_one_gap(look: Look, platform: str) -> None:
    home = HOMES[platform]
    result = look({home.removeprefix("C:").strip("/") + "/": ""}, platform, denied=[home])
    assert [(gap.source, gap.status) for gap in result.coverage[0].gaps] == [(home, Status.DENIED)]
