"""Plug-ins of editors: each editor's way to keep them, left-overs, look-alikes, broken lists and archives."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.sensors.planted import Host, fields, gaps, ids

from aimscope_agent.sensors._editor_extensions_jetbrains import read_descriptor
from aimscope_agent.sensors.editor_extensions import SENSOR
from aimscope_signatures.model import Status


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


# VS Code and its family


def entry(identifier: object, folder: str = "", version: object = "1.0.0", **more: object) -> dict[str, object]:
    return {"identifier": {"id": identifier}, "version": version, "relativeLocation": folder, **more}


def test_an_extension_of_a_list(linux: Host) -> None:
    linux.plant(
        {
            ".vscode/extensions/extensions.json": [entry("GitHub.copilot", "github.copilot-1.372.0", "1.372.0")],
            ".vscode/extensions/github.copilot-1.372.0/package.json": {},
        }
    )
    result = linux.look(SENSOR)
    assert fields(result) == [
        {
            "id": "vscode:github.copilot",
            "editor": "vscode",
            "version": "1.372.0",
            "path": "~/.vscode/extensions/github.copilot-1.372.0",
        }
    ]
    assert [found.subject for found in result.observations["editor_extensions"]] == ["ann"]


def test_left_overs_and_vanished_folders_are_no_extensions(linux: Host) -> None:
    linux.plant(
        {
            ".cursor/extensions/extensions.json": [entry("a.here", "a.here-1.0.0"), entry("a.gone", "a.gone-1.0.0")],
            ".cursor/extensions/a.here-1.0.0/": "",
            ".cursor/extensions/a.removed-1.0.0/": "",
        }
    )
    assert ids(linux.look(SENSOR)) == ["vscode:a.here"]


@pytest.mark.parametrize(
    ("platform", "location"),
    [
        ("linux", {"$mid": 1, "path": "/home/ann/.vscode/extensions/a.b-1.0.0", "scheme": "file"}),
        ("linux", "/home/ann/.vscode/extensions/a.b-1.0.0"),
        ("windows", {"$mid": 1, "path": "/c:/Users/ann/.vscode/extensions/a.b-1.0.0", "scheme": "file"}),
    ],
)
def test_a_list_may_name_places_in_full(tmp_path: Path, platform: str, location: object) -> None:
    host = Host(tmp_path, platform).plant(
        {
            ".vscode/extensions/extensions.json": [entry("a.b", location=location)],
            ".vscode/extensions/a.b-1.0.0/": "",
        }
    )  # fmt: skip
    assert [found["path"] for found in fields(host.look(SENSOR))] == ["~/.vscode/extensions/a.b-1.0.0"]


@pytest.mark.parametrize(
    ("platform", "settings"),
    [
        ("linux", ".config/Code/User"),
        ("macos", "Library/Application Support/Code/User"),
        ("windows", "AppData/Roaming/Code/User"),
    ],
)
def test_what_only_another_profile_uses_is_listed_by_that_profile(tmp_path: Path, platform: str, settings: str) -> None:
    host = Host(tmp_path, platform).plant(
        {
            ".vscode/extensions/extensions.json": [entry("a.both", "a.both-1.0.0")],
            f"{settings}/profiles/-5a1f/extensions.json": [
                entry("a.both", "a.both-1.0.0"), entry("continue.continue", "continue.continue-1.2.6"),
            ],
            ".vscode/extensions/a.both-1.0.0/": "",
            ".vscode/extensions/continue.continue-1.2.6/": "",
            ".vscode/extensions/a.removed-1.0.0/": "",
        }
    )  # fmt: skip
    assert ids(host.look(SENSOR)) == ["vscode:a.both", "vscode:continue.continue"]


@pytest.mark.parametrize(
    ("folder", "identifier", "version"),
    [
        ("ms-python.python-2025.14.0", "vscode:ms-python.python", "2025.14.0"),
        ("ms-python.python-2025.14.0-linux-x64", "vscode:ms-python.python", "2025.14.0"),
        ("kilocode.kilo-code-4.99.2-universal", "vscode:kilocode.kilo-code", "4.99.2"),
        ("GitHub.copilot-chat-0.31.3", "vscode:github.copilot-chat", "0.31.3"),
        ("a.b-1.0.0-beta.1", "vscode:a.b", "1.0.0"),
    ],
)
def test_without_a_list_the_folders_tell(linux: Host, folder: str, identifier: str, version: str) -> None:
    linux.plant({f".vscode-server/extensions/{folder}/package.json": {}})
    (found,) = fields(linux.look(SENSOR))
    assert (found["id"], found["version"], found["editor"]) == (identifier, version, "vscode-server")


def test_without_a_list_folders_that_are_no_extensions(linux: Host) -> None:
    linux.plant(
        {
            ".vscode-server/extensions/node_modules/": "",
            ".vscode-server/extensions/.a1b2c3d4-1.0.0/": "",
            ".vscode-server/extensions/nodot-1.0.0/": "",
            ".vscode-server/extensions/a.noversion/": "",
            ".vscode-server/extensions/a.file-1.0.0": "a file",
            ".vscode-server/extensions/a.old-1.0.0/": "",
            ".vscode-server/extensions/.obsolete": {"a.old-1.0.0": True, "a.kept-1.0.0": False},
            ".vscode-server/extensions/a.kept-1.0.0/": "",
        }
    )
    assert ids(linux.look(SENSOR)) == ["vscode:a.kept"]


@pytest.mark.parametrize(
    "other",
    [
        entry("nodot"), entry(7), entry("../../x.y"), entry("a.b", "../a.b-1.0.0"), entry("a.b", "/x/../a.b-1.0.0"),
        "text", None, [], {}, {"identifier": "a.b"}, entry("a.file", "a.file-1.0.0"),
    ],
)  # fmt: skip
def test_malformed_entries_cost_only_themselves(linux: Host, other: object) -> None:
    linux.plant(
        {
            ".kiro/extensions/extensions.json": [other, entry("c.d", "c.d-1.0.0", ["1.0.0"])],
            ".kiro/extensions/c.d-1.0.0/": "",
            ".kiro/extensions/a.file-1.0.0": "a file",
            "a.b-1.0.0/": "",
        }
    )
    assert fields(linux.look(SENSOR)) == [
        {"id": "vscode:c.d", "editor": "kiro", "path": "~/.kiro/extensions/c.d-1.0.0"}
    ]


@pytest.mark.parametrize("content", [b"[{", b"{}", b"null", b"\xff\xfe\x00", b"[" * 5000, b""])
def test_with_a_broken_list_the_folders_tell(linux: Host, content: bytes) -> None:
    linux.plant({".vscode/extensions/extensions.json": content, ".vscode/extensions/a.b-1.0.0/": ""})
    assert ids(linux.look(SENSOR)) == ["vscode:a.b"]


# JetBrains


def jar(
    descriptor: str | None = None, name: str = "META-INF/plugin.xml", compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        archive.writestr("com/example/A.class", bytes(range(256)))
        if descriptor is not None:
            archive.writestr(name, descriptor)
    return data.getvalue()


def descriptor(inside: str = "<id>com.example.ai</id><version>1.2</version>") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<idea-plugin url="https://x.example">{inside}</idea-plugin>'


PYCHARM = ".local/share/JetBrains/PyCharm2025.2"


@pytest.mark.parametrize(
    ("platform", "plugin", "editor"),
    [
        ("linux", f"{PYCHARM}/ai", "pycharm"),
        ("linux", ".local/share/Google/AndroidStudio2024.1.2/ai", "androidstudio"),
        ("macos", "Library/Application Support/JetBrains/IntelliJIdea2025.2/plugins/ai", "intellijidea"),
        ("macos", "Library/Application Support/Google/AndroidStudioPreview2024.3/plugins/ai", "androidstudio"),
        ("windows", "AppData/Roaming/JetBrains/WebStorm2025.2/plugins/ai", "webstorm"),
    ],
)
def test_a_plugin_by_its_descriptor(tmp_path: Path, platform: str, plugin: str, editor: str) -> None:
    host = Host(tmp_path, platform)
    host.plant({f"{plugin}/lib/ai.jar": jar(descriptor()), f"{plugin}/lib/annotations-26.0.jar": jar()})
    result = host.look(SENSOR)
    assert fields(result) == [
        {"id": "jetbrains:com.example.ai", "editor": editor, "version": "1.2", "path": f"~/{plugin}"}
    ]
    assert gaps(result) == set()


@pytest.mark.parametrize(
    "files",
    [
        {"ai/META-INF/plugin.xml": descriptor()},
        {"ai/classes/META-INF/plugin.xml": descriptor()},
        {"ai/lib/zzz-1.0.jar": jar(descriptor()), "ai/lib/aaa.jar": jar()},
        {"ai/lib/stored.jar": jar(descriptor(), compression=zipfile.ZIP_STORED)},
        {"ai.jar": jar(descriptor())},
    ],
)
def test_where_a_descriptor_lies(linux: Host, files: dict[str, object]) -> None:
    linux.plant({f"{PYCHARM}/{name}": content for name, content in files.items()})
    assert ids(linux.look(SENSOR)) == ["jetbrains:com.example.ai"]


def test_folders_that_are_no_plugin(linux: Host) -> None:
    linux.plant(
        {
            f"{PYCHARM}/lib-only/lib/a.jar": jar(),
            f"{PYCHARM}/maven/lib/a.jar": jar("<plugin><id>com.example.maven</id></plugin>"),
            f"{PYCHARM}/nested/lib/a.jar": jar(descriptor(), "BOOT/META-INF/plugin.xml"),
            f"{PYCHARM}/empty/": "",
            ".local/share/JetBrains/Toolbox/apps/lib/a.jar": jar(descriptor()),
            ".local/share/JetBrains/acp-agents/x/lib/a.jar": jar(descriptor()),
            "Library/Application Support/JetBrains/PyCharm2025.2/plugins/ai/lib/ai.jar": jar(descriptor()),
        }
    )
    assert fields(linux.look(SENSOR)) == []


def test_broken_archives_are_gaps_and_cost_nothing_else(linux: Host) -> None:
    whole = jar(descriptor())
    linux.plant(
        {
            f"{PYCHARM}/torn/lib/torn.jar": whole[: len(whole) // 2],
            f"{PYCHARM}/text/lib/text.jar": "no archive",
            f"{PYCHARM}/none/lib/none.jar": b"",
            f"{PYCHARM}/odd/lib/odd.jar": whole.replace(b"PK\x03\x04", b"PK\x03\x05"),
            f"{PYCHARM}/ai/lib/ai.jar": whole,
        }
    )
    result = linux.look(SENSOR)
    assert ids(result) == ["jetbrains:com.example.ai"]
    assert gaps(result) == {(Status.FAILED, f"~/{PYCHARM}/{name}/lib/{name}.jar") for name in ("torn", "text", "odd")}


def test_a_large_archive_costs_no_memory(linux: Host) -> None:
    path = linux.path(f"{PYCHARM}/ai/lib/ai.jar")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(30):
            archive.writestr(f"lib/{number}.bin", bytes(1 << 20))
        archive.writestr("META-INF/plugin.xml", descriptor())
    tracemalloc.start()
    result = linux.look(SENSOR)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ids(result) == ["jetbrains:com.example.ai"]
    assert gaps(result) == set()
    assert most < 8 << 20


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (descriptor(), ("com.example.ai", "1.2")),
        (descriptor("<name>Only a Name</name>"), ("Only a Name", "")),
        (descriptor("<id> spaced\n</id><depends><id>other</id></depends>"), ("spaced", "")),
        (descriptor("<id>a&amp;b</id>"), ("a&b", "")),
        (descriptor("<id><![CDATA[c.d]]></id>"), ("c.d", "")),
        (descriptor("<id>a.b</id><version>2</version><torn"), ("a.b", "2")),
        (descriptor("<id></id><name> </name>"), None),
        (descriptor(""), None),
        ("<plugin><id>a.b</id></plugin>", None),
        ('<!DOCTYPE a [<!ENTITY b "xxxx">]><idea-plugin><id>&b;</id></idea-plugin>', None),
        ("", None),
        ("text", None),
    ],
)
def test_descriptors(text: str, told: tuple[str, str] | None) -> None:
    assert read_descriptor(text.encode()) == told


@given(st.binary(max_size=400) | st.text(alphabet="<>/!&;[]\"'= idvernampluge-", max_size=200).map(str.encode))
def test_no_descriptor_breaks_the_reader(data: bytes) -> None:
    told = read_descriptor(data)
    assert told is None or told[0]


# Vim, Neovim, Emacs, Zed, Sublime Text


@pytest.mark.parametrize(
    ("platform", "place", "identifier", "editor", "version"),
    [
        ("linux", ".vim/plugged/copilot.vim/", "vim:copilot.vim", "vim", None),
        ("linux", ".vim/pack/github/start/copilot.vim/", "vim:copilot.vim", "vim", None),
        ("linux", ".local/share/nvim/lazy/avante.nvim/", "vim:avante.nvim", "neovim", None),
        ("linux", ".local/share/nvim/site/pack/core/opt/avante.nvim/", "vim:avante.nvim", "neovim", None),
        ("linux", ".config/nvim/pack/github/start/copilot.vim/", "vim:copilot.vim", "neovim", None),
        ("macos", ".local/share/nvim/plugged/avante.nvim/", "vim:avante.nvim", "neovim", None),
        ("windows", "vimfiles/pack/github/start/copilot.vim/", "vim:copilot.vim", "vim", None),
        ("windows", "AppData/Local/nvim-data/lazy/avante.nvim/", "vim:avante.nvim", "neovim", None),
        ("linux", ".emacs.d/elpa/copilot-chat-20250920.1130/", "emacs:copilot-chat", "emacs", "20250920.1130"),
        ("macos", ".config/emacs/elpa/gptel-0.9.8.5/", "emacs:gptel", "emacs", "0.9.8.5"),
        ("linux", ".emacs.d/elpa/x-ai-1.0beta2/", "emacs:x-ai", "emacs", "1.0beta2"),
        ("linux", ".local/share/zed/extensions/installed/toml/", "zed:toml", "zed", None),
        ("macos", "Library/Application Support/Zed/extensions/installed/toml/", "zed:toml", "zed", None),
        ("windows", "AppData/Local/Zed/extensions/installed/toml/", "zed:toml", "zed", None),
        (
            "linux",
            ".config/sublime-text-3/Installed Packages/Codeium.sublime-package",
            "sublime:Codeium",
            "sublime",
            None,
        ),
        (
            "windows",
            "AppData/Roaming/Sublime Text/Installed Packages/Tabnine.sublime-package",
            "sublime:Tabnine",
            "sublime",
            None,
        ),
    ],
)
def test_one_folder_or_file_for_each_plugin(
    tmp_path: Path, platform: str, place: str, identifier: str, editor: str, version: str | None
) -> None:
    (found,) = fields(Host(tmp_path, platform).plant({place: ""}).look(SENSOR))
    assert (found["id"], found["editor"], found.get("version")) == (identifier, editor, version)
    assert found["path"] == f"~/{place.rstrip('/')}"


def test_what_lies_beside_plugins(linux: Host) -> None:
    linux.plant(
        {
            ".vim/plugged/.git/": "",
            ".vim/plugged/README.md": "",
            ".vim/pack/github/copilot.vim/": "",
            ".local/share/nvim/lazy/avante.nvim.cloned": "",
            ".local/share/nvim/mason/": "",
            ".emacs.d/elpa/archives/": "",
            ".emacs.d/elpa/gnupg/": "",
            ".emacs.d/elpa/gptel-readme.txt": "",
            ".local/share/zed/extensions/work/toml/": "",
            ".config/sublime-text/Packages/User/": "",
            ".config/sublime-text/Installed Packages/notes.txt": "",
        }
    )
    assert fields(linux.look(SENSOR)) == []


def test_a_denied_home_is_one_gap(linux: Host) -> None:
    assert gaps(linux.look(SENSOR, denied=["/home/ann"])) == {(Status.DENIED, "/home/ann")}
